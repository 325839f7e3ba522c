//! How fast other programs are on the same texts, and how we stand beside them.
//!
//! Who measured them wrote a JSON file: `threads`, and `rows` with the keys `peer`, `workload`,
//! `texts`, `seconds` (of one run over all texts: the best, or the usual one), `texts_per_second`, `cosine_min` and `cosine_mean` (of
//! the peer's vectors and the exact ones). A peer's name ends in its precision: `torch-f32`,
//! `openvino-int8`. Like is compared with like, so a peer of another precision does not count.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// How the name of a peer can end.
const PRECISIONS: [&str; 4] = ["f32", "f16", "bf16", "int8"];

/// Texts a second are written with one decimal, and may be off by half of that; seconds are not exact
/// either.
const ROUNDING: f64 = 0.051;
const SHARE: f64 = 0.01;

/// What others need for some workloads.
#[derive(Clone, Debug)]
pub struct Peers {
    path: PathBuf,
    threads: usize,
    rows: Vec<Row>,
}

#[derive(Deserialize)]
struct File {
    threads: usize,
    rows: Vec<Row>,
}

#[derive(Clone, Debug, Deserialize)]
struct Row {
    peer: String,
    workload: String,
    texts: usize,
    seconds: f64,
    texts_per_second: f64,
    cosine_min: f64,
    cosine_mean: f64,
}

/// Why others' speeds cannot be compared with.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PeersError {
    /// The file cannot be read.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is not the JSON it should be. The message begins with the field, where one is at
    /// fault.
    #[error("{}: no speeds of peers: {source}", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// Where and why.
        source: serde_path_to_error::Error<serde_json::Error>,
    },
    /// A field holds what cannot be, or does not belong to what is measured.
    #[error("{}: field `{field}`: {reason}", path.display())]
    Field {
        /// The file.
        path: PathBuf,
        /// The field.
        field: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// We beside the peers of our precision, on one workload.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Standing {
    /// All of them, the fastest first.
    pub peers: Vec<PeerRatio>,
    /// The fastest.
    pub fastest_peer: String,
    /// How many times as fast as the fastest we are.
    pub ratio_to_fastest: f64,
}

/// We beside one of them.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct PeerRatio {
    /// Its name.
    pub peer: String,
    /// Its speed.
    pub texts_per_second: f64,
    /// How many times as fast we are.
    pub ratio: f64,
    /// How close its vectors are to the exact ones.
    pub cosine_mean: f64,
}

impl Row {
    /// More exact than the number with one decimal.
    fn speed(&self) -> f64 {
        self.texts as f64 / self.seconds
    }

    /// The precision that the name ends in.
    fn precision(&self) -> Option<&'static str> {
        let (_, end) = self.peer.rsplit_once('-')?;
        PRECISIONS.into_iter().find(|precision| *precision == end)
    }

    /// A field and what is wrong with it.
    fn fault(&self) -> Option<(&'static str, String)> {
        let of = |field, value: f64, is_good: bool, should: &str| {
            (!is_good).then(|| (field, format!("{value} is not {should}")))
        };
        let cosine = |field, value: f64| {
            // Rounded, the cosine of a vector with itself can come out above 1.
            of(field, value, value.abs() <= 1.001, "a cosine")
        };
        if self.precision().is_none() {
            let (name, ends) = (
                &self.peer,
                PRECISIONS.map(|end| format!("-{end}")).join(", "),
            );
            return Some((
                "peer",
                format!("`{name}` does not end in a precision ({ends})"),
            ));
        }
        if self.texts == 0 {
            return Some(("texts", "no texts were encoded".to_owned()));
        }
        let is_time = self.seconds.is_finite() && self.seconds > 0.0;
        let near = (self.speed() - self.texts_per_second).abs() <= ROUNDING + SHARE * self.speed();
        of("seconds", self.seconds, is_time, "a time above 0")
            .or_else(|| {
                let should = format!("{} texts in {} s", self.texts, self.seconds);
                of("texts_per_second", self.texts_per_second, near, &should)
            })
            .or_else(|| cosine("cosine_min", self.cosine_min))
            .or_else(|| cosine("cosine_mean", self.cosine_mean))
    }
}

impl Peers {
    /// Reads and checks a file of speeds.
    ///
    /// # Errors
    ///
    /// When it cannot be read, or a field is missing, of another kind or impossible; the error names
    /// the file and the field.
    pub fn read(path: &Path) -> Result<Self, PeersError> {
        let bytes = std::fs::read(path).map_err(|source| PeersError::Io {
            path: path.to_owned(),
            source,
        })?;
        let mut json = serde_json::Deserializer::from_slice(&bytes);
        let failed = |source| PeersError::Json {
            path: path.to_owned(),
            source,
        };
        let File { threads, rows } = serde_path_to_error::deserialize(&mut json).map_err(failed)?;
        let whole = json.end();
        whole.map_err(|source| {
            failed(serde_path_to_error::Error::new(
                serde_path_to_error::Track::new().path(),
                source,
            ))
        })?;
        let peers = Self {
            path: path.to_owned(),
            threads,
            rows,
        };
        peers.check()?;
        Ok(peers)
    }

    fn check(&self) -> Result<(), PeersError> {
        if self.threads == 0 {
            return Err(self.fault("threads".to_owned(), "nothing computes".to_owned()));
        }
        for (index, row) in self.rows.iter().enumerate() {
            if let Some((field, reason)) = row.fault() {
                return Err(self.fault_in_row(index, field, reason));
            }
            let before = self.rows[..index]
                .iter()
                .position(|other| (&other.peer, &other.workload) == (&row.peer, &row.workload));
            if let Some(before) = before {
                let reason = format!(
                    "`{}` has a time for {} in rows[{before}] already",
                    row.peer, row.workload
                );
                return Err(self.fault_in_row(index, "workload", reason));
            }
        }
        Ok(())
    }

    fn fault(&self, field: String, reason: String) -> PeersError {
        PeersError::Field {
            path: self.path.clone(),
            field,
            reason,
        }
    }

    fn fault_in_row(&self, index: usize, field: &str, reason: String) -> PeersError {
        self.fault(format!("rows[{index}].{field}"), reason)
    }

    /// How many threads the peers had.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// Whether the peers' workload of that name is ours: a time for other texts says nothing.
    ///
    /// # Errors
    ///
    /// When theirs has another number of texts.
    pub fn check_workload(&self, workload: &str, texts: usize) -> Result<(), PeersError> {
        for (index, row) in self.rows.iter().enumerate() {
            if row.workload == workload && row.texts != texts {
                let reason = format!(
                    "{workload} had {} texts when `{}` was timed, and has {texts} here",
                    row.texts, row.peer
                );
                return Err(self.fault_in_row(index, "texts", reason));
            }
        }
        Ok(())
    }

    /// Where we stand with that many texts a second; `None` where no peer of the precision was timed.
    #[must_use]
    pub fn standing(
        &self,
        workload: &str,
        precision: &str,
        texts_per_second: f64,
    ) -> Option<Standing> {
        let mut peers: Vec<PeerRatio> = self
            .rows
            .iter()
            .filter(|row| row.workload == workload && row.precision() == Some(precision))
            .map(|row| PeerRatio {
                peer: row.peer.clone(),
                texts_per_second: row.speed(),
                ratio: texts_per_second / row.speed(),
                cosine_mean: row.cosine_mean,
            })
            .collect();
        peers.sort_by(|one, other| one.ratio.total_cmp(&other.ratio));
        let fastest = peers.first()?;
        Some(Standing {
            fastest_peer: fastest.peer.clone(),
            ratio_to_fastest: fastest.ratio,
            peers,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn row(peer: &str, workload: &str, texts: usize, seconds: f64) -> Value {
        let rate = (10.0 * texts as f64 / seconds).round() / 10.0;
        json!({
            "peer": peer, "workload": workload, "texts": texts, "seconds": seconds,
            "texts_per_second": rate, "cosine_min": 0.99, "cosine_mean": 0.995
        })
    }

    fn good() -> Value {
        json!({"threads": 2, "rows": [
            row("torch-f32", "queries", 100, 4.0),
            row("ort-f32", "queries", 100, 2.0),
            row("openvino-bf16", "queries", 100, 0.5),
            row("torch-f32", "titles", 50, 5.0),
        ]})
    }

    fn read(text: &str) -> Result<Peers, PeersError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("peers.json");
        std::fs::write(&path, text).unwrap();
        Peers::read(&path)
    }

    #[test]
    fn like_is_compared_with_like_and_the_fastest_comes_first() {
        let peers = read(&good().to_string()).unwrap();
        assert_eq!(peers.threads(), 2);
        // 100 texts in 2 s and in 4 s are 50 and 25 a second.
        let standing = peers.standing("queries", "f32", 75.0).unwrap();
        let ratio = |peer: &str, texts_per_second, ratio| PeerRatio {
            peer: peer.to_owned(),
            texts_per_second,
            ratio,
            cosine_mean: 0.995,
        };
        assert_eq!(
            standing,
            Standing {
                peers: vec![ratio("ort-f32", 50.0, 1.5), ratio("torch-f32", 25.0, 3.0)],
                fastest_peer: "ort-f32".to_owned(),
                ratio_to_fastest: 1.5,
            }
        );
        let bf16 = peers.standing("queries", "bf16", 100.0).unwrap();
        assert_eq!(
            (bf16.fastest_peer.as_str(), bf16.ratio_to_fastest),
            ("openvino-bf16", 0.5)
        );
        assert_eq!(peers.standing("queries", "int8", 1.0), None);
        assert_eq!(peers.standing("descriptions", "f32", 1.0), None);
    }

    #[test]
    fn a_workload_with_other_texts_is_refused() {
        let peers = read(&good().to_string()).unwrap();
        peers.check_workload("queries", 100).unwrap();
        peers.check_workload("unknown", 1).unwrap();
        let message = peers.check_workload("titles", 49).unwrap_err().to_string();
        for part in ["peers.json", "rows[3].texts", "50 texts", "49"] {
            assert!(message.contains(part), "{message}");
        }
    }

    #[test]
    fn damage_is_named_by_file_and_field() {
        for (pointer, value, field) in [
            ("/threads", json!(0), "threads"),
            ("/threads", json!("two"), "threads"),
            ("/rows", json!({}), "rows"),
            ("/rows/1/seconds", json!("fast"), "rows[1].seconds"),
            ("/rows/1/seconds", json!(0.0), "rows[1].seconds"),
            ("/rows/1/seconds", json!(-2.0), "rows[1].seconds"),
            ("/rows/1/texts", json!(0), "rows[1].texts"),
            ("/rows/1/texts", json!(1.5), "rows[1].texts"),
            (
                "/rows/2/texts_per_second",
                json!(20.0),
                "rows[2].texts_per_second",
            ),
            ("/rows/2/cosine_min", json!(1.5), "rows[2].cosine_min"),
            ("/rows/2/cosine_mean", json!(null), "rows[2].cosine_mean"),
            ("/rows/3/peer", json!("torch"), "rows[3].peer"),
            ("/rows/3/peer", json!("torch-f64"), "rows[3].peer"),
            ("/rows/3/workload", json!("queries"), "rows[3].workload"),
        ] {
            let mut file = good();
            *file.pointer_mut(pointer).unwrap() = value;
            if pointer.ends_with("workload") {
                file["rows"][3]["texts"] = 50.into();
            }
            let message = read(&file.to_string()).unwrap_err().to_string();
            assert!(
                message.contains("peers.json") && message.contains(field),
                "{pointer}: {message}"
            );
        }
        let mut without = good();
        without["rows"][0].as_object_mut().unwrap().remove("peer");
        let message = read(&without.to_string()).unwrap_err().to_string();
        assert!(
            message.contains("rows[0]") && message.contains("`peer`"),
            "{message}"
        );
        for text in [
            "",
            "[]",
            "{\"threads\": 2",
            "{\"threads\":2,\"rows\":[]} more",
        ] {
            let message = read(text).unwrap_err().to_string();
            assert!(message.contains("peers.json: no speeds"), "{message}");
        }
        let missing = Peers::read(Path::new("no-such-peers.json")).unwrap_err();
        assert!(matches!(missing, PeersError::Io { .. }), "{missing}");
        assert!(missing.to_string().contains("no-such-peers.json"));
    }

    /// One decimal is little where few texts a second are done.
    #[test]
    fn a_rounded_rate_is_no_damage() {
        let mut file = good();
        file["rows"][0] = row("torch-f32", "descriptions", 256, 39.8713);
        assert_eq!(file["rows"][0]["texts_per_second"], 6.4);
        let peers = read(&file.to_string()).unwrap();
        let standing = peers.standing("descriptions", "f32", 6.4).unwrap();
        assert!((standing.ratio_to_fastest - 6.4 * 39.8713 / 256.0).abs() < 1e-12);
    }
}
