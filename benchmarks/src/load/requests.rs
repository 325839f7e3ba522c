//! The requests of the mix.

use std::path::Path;
use std::time::Duration;

use crate::error::BenchmarkError;

/// Texts of a bulk request.
const TEXTS: usize = 32;

/// What a request asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    Query,
    Titles,
    Descriptions,
}

impl Class {
    pub(crate) const ALL: [Self; 3] = [Self::Query, Self::Titles, Self::Descriptions];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Query => "query",
            Self::Titles => "32 titles",
            Self::Descriptions => "32 descriptions",
        }
    }

    /// The class's share of the requests.
    pub(crate) fn share(self) -> f64 {
        match self {
            Self::Query => 0.8,
            Self::Titles => 0.15,
            Self::Descriptions => 0.05,
        }
    }

    pub(crate) fn texts(self) -> usize {
        match self {
            Self::Query => 1,
            Self::Titles | Self::Descriptions => TEXTS,
        }
    }
}

/// Texts of each class.
pub(crate) struct Mix {
    queries: Vec<String>,
    titles: Vec<String>,
    descriptions: Vec<String>,
}

impl Mix {
    pub(crate) fn read(folder: &Path) -> Result<Self, BenchmarkError> {
        let read = |name: &str| lines(&folder.join(name));
        Ok(Self {
            queries: read("queries.txt")?,
            titles: read("titles.txt")?,
            descriptions: read("descriptions.txt")?,
        })
    }

    /// The next request; of one class if that is given.
    pub(crate) fn next(&self, random: &mut Random, only: Option<Class>) -> (Class, Vec<String>) {
        let class = only.unwrap_or_else(|| match random.below(20) {
            0..16 => Class::Query,
            16..19 => Class::Titles,
            _ => Class::Descriptions,
        });
        let texts = match class {
            Class::Query => &self.queries,
            Class::Titles => &self.titles,
            Class::Descriptions => &self.descriptions,
        };
        let first = random.below(texts.len().max(1));
        let chosen = texts.iter().cycle().skip(first).take(class.texts());
        (class, chosen.cloned().collect())
    }
}

pub(crate) fn lines(path: &Path) -> Result<Vec<String>, BenchmarkError> {
    let text = std::fs::read_to_string(path).map_err(|source| BenchmarkError::Io {
        path: path.to_owned(),
        source,
    })?;
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    Ok(lines.map(str::to_owned).collect())
}

/// SplitMix64 (Steele, Lea and Flood, OOPSLA 2014): the same requests in every run.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        bits ^ (bits >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    /// The time to the next arrival of a Poisson process with so many arrivals per second.
    pub(crate) fn pause(&mut self, rate: f64) -> Duration {
        // In (0, 1].
        let share = ((self.next() >> 11) + 1) as f64 / (1u64 << 53) as f64;
        Duration::from_secs_f64(-share.ln() / rate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrivals_have_their_rate_and_classes_their_share() {
        let mut random = Random::new(1);
        let time: f64 = (0..10_000).map(|_| random.pause(50.0).as_secs_f64()).sum();
        // The mean of 10,000 exponential times has a standard error of a hundredth.
        assert!(
            (time / 10_000.0 - 0.02).abs() < 5.0 * 0.02 / 100.0,
            "{time}"
        );
        let mix = Mix {
            queries: vec!["q".to_owned()],
            titles: vec!["t".to_owned(), "u".to_owned()],
            descriptions: vec!["d".to_owned()],
        };
        let mut counts = [0; 3];
        for _ in 0..10_000 {
            let (class, _) = mix.next(&mut random, None);
            counts[class as usize] += 1;
        }
        // Five standard errors of a share of one half, the widest.
        for (count, share) in counts.into_iter().zip(Class::ALL.map(Class::share)) {
            assert!(
                (f64::from(count) / 10_000.0 - share).abs() < 5.0 * 0.005,
                "{counts:?}"
            );
        }
        let (_, titles) = mix.next(&mut random, Some(Class::Titles));
        assert_eq!(titles.len(), 32);
    }
}
