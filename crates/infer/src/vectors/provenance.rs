//! What vectors were made of, as it is kept in the files that can keep it.

use std::fmt;

use clap::ValueEnum;
use records::Row;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::OutputType;

/// The key of [`Provenance`] in the metadata of a file; its value is JSON.
pub(super) const KEY: &str = "mpnet-burn";

/// What vectors were made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provenance {
    /// SHA-256 of the texts, see [`TextsHash`].
    pub texts: String,
    /// The name or the folder of the model, as it was given.
    pub model: String,
    /// Tells models apart by the content of their files, a hash.
    pub model_identity: String,
    /// The columns of the text; empty for plain text.
    pub columns: Vec<String>,
    /// The route of a model with a Router.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    /// The precision of the computation.
    pub precision: String,
    /// The dimensions of a vector.
    pub dimensions: usize,
    /// The most tokens of a text.
    pub max_length: usize,
    /// The prompt before each text.
    pub prompt: Option<String>,
    /// Whether vectors have the length 1.
    pub normalized: bool,
    /// The similarity that the model was trained for.
    #[serde(default)]
    pub similarity: String,
    /// The type of the numbers, in the words of sentence-transformers.
    #[serde(default)]
    pub output_type: String,
    /// CRC-32 of the numbers as the file has them, little-endian and row by row.
    #[serde(default)]
    pub numbers: Option<u32>,
}

impl Provenance {
    /// The type of the numbers, where this program knows it.
    pub(super) fn output_type(&self) -> Option<OutputType> {
        OutputType::from_str(&self.output_type, true).ok()
    }

    /// The settings that differ, except texts, dimensions and the type of the numbers.
    #[must_use]
    pub fn differences(&self, now: &Self) -> Vec<Difference> {
        let mut differences = Vec::new();
        let mut compare = |option, saved: String, now: String| {
            if saved != now {
                differences.push(Difference { option, saved, now });
            }
        };
        if self.model_identity != now.model_identity {
            // Of equal names the identity tells what changed.
            let name = |of: &Self| {
                if self.model == now.model {
                    format!("{} (files {})", of.model, of.model_identity)
                } else {
                    of.model.clone()
                }
            };
            compare("--model", name(self), name(now));
        }
        compare("--column", list(&self.columns), list(&now.columns));
        if self.route == now.route {
            compare("--precision", self.precision.clone(), now.precision.clone());
            compare(
                "--max-length",
                self.max_length.to_string(),
                now.max_length.to_string(),
            );
        } else {
            // Each route has a length and a precision of its own.
            let route = |of: &Self| of.route.clone().unwrap_or_else(|| "none".to_owned());
            compare("route", route(self), route(now));
        }
        let prompt = |of: &Self| of.prompt.clone().unwrap_or_else(|| "none".to_owned());
        compare("--prompt", prompt(self), prompt(now));
        differences
    }
}

fn list(columns: &[String]) -> String {
    if columns.is_empty() {
        "none".to_owned()
    } else {
        columns.join(", ")
    }
}

/// A setting that two runs do not share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The option of the command line.
    pub option: &'static str,
    /// Its value when the vectors were saved.
    pub saved: String,
    /// Its value now.
    pub now: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use program::text::quoted;
        let Self { option, saved, now } = self;
        write!(f, "{option} {}, not {}", quoted(saved), quoted(now))
    }
}

/// SHA-256 of texts in their order: of each the number of its bytes as 8 little-endian bytes, then
/// the bytes.
#[derive(Clone, Debug, Default)]
pub struct TextsHash(Sha256);

impl TextsHash {
    /// Adds a text.
    pub fn add(&mut self, text: &str) {
        self.0.update((text.len() as u64).to_le_bytes());
        self.0.update(text);
    }

    /// The hash of all rows.
    #[must_use]
    pub fn of_rows(rows: &[Row]) -> String {
        let mut hash = Self::default();
        for row in rows {
            hash.add(&row.text());
        }
        hash.hex()
    }

    /// The hash as 64 hexadecimal digits.
    #[must_use]
    pub fn hex(&self) -> String {
        hex(&self.0.clone().finalize())
    }
}

/// Bytes as hexadecimal digits.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn provenance() -> Provenance {
        Provenance {
            texts: TextsHash::default().hex(),
            model: "m".to_owned(),
            model_identity: "1".to_owned(),
            columns: vec!["title".to_owned()],
            route: None,
            precision: "f32".to_owned(),
            dimensions: 8,
            max_length: 384,
            prompt: None,
            normalized: true,
            similarity: "cosine".to_owned(),
            output_type: "float32".to_owned(),
            numbers: None,
        }
    }

    #[test]
    fn every_setting_that_differs_is_named() {
        let saved = provenance();
        assert_eq!(saved.differences(&saved), []);
        let text = |now: &Provenance| {
            let differences = saved.differences(now);
            assert_eq!(differences.len(), 1);
            differences[0].to_string()
        };
        let mut now = saved.clone();
        now.columns.push("brand".to_owned());
        assert_eq!(text(&now), "--column title, not title, brand");
        let mut now = saved.clone();
        now.precision = "int8".to_owned();
        assert_eq!(text(&now), "--precision f32, not int8");
        let mut now = saved.clone();
        now.prompt = Some("query: ".to_owned());
        assert_eq!(text(&now), "--prompt none, not query: ");
        let mut now = saved.clone();
        now.route = Some("document".to_owned());
        assert_eq!(text(&now), "route none, not document");
        let mut now = saved.clone();
        now.max_length = 128;
        assert_eq!(text(&now), "--max-length 384, not 128");
        let mut now = saved.clone();
        now.model_identity = "2".to_owned();
        assert_eq!(text(&now), "--model m (files 1), not m (files 2)");
        now.model = "other".to_owned();
        assert_eq!(text(&now), "--model m, not other");
        // Another name of the same files is no difference.
        now.model_identity = saved.model_identity.clone();
        assert_eq!(saved.differences(&now), []);
    }

    #[test]
    fn the_hash_tells_texts_and_their_borders_apart() {
        let hash = |texts: &[&str]| {
            let mut hash = TextsHash::default();
            for text in texts {
                hash.add(text);
            }
            hash.hex()
        };
        assert_ne!(hash(&["ab", "c"]), hash(&["a", "bc"]));
        assert_ne!(hash(&["a", ""]), hash(&["a"]));
        // hashlib.sha256(b"\x01" + bytes(7) + b"a").hexdigest()
        assert_eq!(
            hash(&["a"]),
            "ae6121c88ba555f64c3d812123eb799d128015541f850c5e9bf1d54c08ad8481"
        );
    }
}
