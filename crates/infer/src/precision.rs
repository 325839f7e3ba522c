//! The option `--precision`.

use std::fmt;
use std::str::FromStr;

use model::Precision;
use model::backend::UnknownPrecision;

/// A precision, or the one of the model's file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PrecisionChoice {
    /// The precision of the model's file.
    Auto,
    /// This precision.
    Exactly(Precision),
}

impl PrecisionChoice {
    /// The chosen precision; `None` for `auto`.
    #[must_use]
    pub fn chosen(self) -> Option<Precision> {
        match self {
            Self::Auto => None,
            Self::Exactly(precision) => Some(precision),
        }
    }
}

impl FromStr for PrecisionChoice {
    type Err = UnknownPrecision;

    fn from_str(text: &str) -> Result<Self, UnknownPrecision> {
        match text {
            "auto" => Ok(Self::Auto),
            other => other.parse().map(Self::Exactly),
        }
    }
}

impl fmt::Display for PrecisionChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Exactly(precision) => precision.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_are_read_and_written() {
        for word in ["auto", "f32", "f16", "bf16", "int8"] {
            let choice: PrecisionChoice = word.parse().unwrap();
            assert_eq!(choice.to_string(), word);
            assert_eq!(choice.chosen().is_none(), word == "auto");
        }
        assert!("int4".parse::<PrecisionChoice>().is_err());
    }
}
