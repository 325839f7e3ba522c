//! Numbers as options take them: whole ones within a range, and finite ones.

use clap::builder::RangedU64ValueParser;

/// Maximum number of tokenizer threads. Each tokenizes its batch on all threads of the CPU, so more only wait.
const MOST_WORKERS: u64 = 16;

/// The largest number of TOML, in which `training.toml` is written.
pub(super) const MOST: u64 = i64::MAX as u64;

pub(super) fn workers() -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(1..=MOST_WORKERS)
}

pub(crate) fn at_least_one() -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(1..=MOST)
}

pub(super) fn from_zero() -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(0..=MOST)
}

pub(super) fn share(text: &str) -> Result<f64, String> {
    number(
        text,
        |value| (0.0..1.0).contains(&value),
        "from 0 to below 1",
    )
}

pub(super) fn share_above_0(text: &str) -> Result<f64, String> {
    let is_part = |value| value > 0.0 && value < 1.0;
    number(text, is_part, "above 0 and below 1")
}

pub(crate) fn share_to_1(text: &str) -> Result<f32, String> {
    let is_share = |value| (0.0..=1.0).contains(&value);
    number(text, is_share, "from 0 to 1").map(|share| share as f32)
}

pub(super) fn above_0(text: &str) -> Result<f64, String> {
    number(text, |value| value > 0.0, "above 0")
}

/// A row that counts more often than this is better copied.
const MOST_WEIGHT: f64 = 100.0;

pub(super) fn weight_of_rows(text: &str) -> Result<f64, String> {
    let fits = |value| value > 0.0 && value <= MOST_WEIGHT;
    number(text, fits, "above 0 and at most 100")
}

pub(super) fn from_0(text: &str) -> Result<f64, String> {
    number(text, |value| value >= 0.0, "at least 0")
}

/// A finite number for which `fits` holds.
fn number(text: &str, fits: impl Fn(f64) -> bool, range: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() && fits(value) => Ok(value),
        _ => Err(format!("it must be a number {range}")),
    }
}
