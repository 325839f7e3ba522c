//! The options of vectors and their comparison.

use clap::{Args, ValueEnum};
use search::Similarity;

/// The form of a vector.
#[derive(Clone, Copy, Debug, Default, Args)]
#[command(next_help_heading = "Vectors")]
pub struct VectorArgs {
    /// Keep the length of vectors instead of normalizing it to 1.
    #[arg(long)]
    pub no_normalize: bool,
    /// Keep the first N dimensions of each vector, and normalize again.
    #[arg(long, value_name = "N", value_parser = super::at_least_one)]
    pub dimensions: Option<usize>,
}

/// The comparison of vectors.
#[derive(Clone, Copy, Debug, Args)]
#[command(next_help_heading = "Vectors")]
pub struct CompareArgs {
    /// Compare vectors by their cosine, or by their dot product for models trained with it.
    #[arg(long, value_enum, value_name = "SIMILARITY", default_value_t = Comparison::Cosine)]
    pub similarity: Comparison,
    /// Keep the first N dimensions of each vector.
    #[arg(long, value_name = "N", value_parser = super::at_least_one)]
    pub dimensions: Option<usize>,
}

impl CompareArgs {
    /// The form of the vectors that are compared.
    #[must_use]
    pub fn vectors(self) -> VectorArgs {
        VectorArgs {
            dimensions: self.dimensions,
            ..VectorArgs::default()
        }
    }
}

/// The similarity of two vectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Comparison {
    /// Cosine of the angle between the vectors; their lengths do not count
    Cosine,
    /// Dot product
    Dot,
}

impl From<Comparison> for Similarity {
    fn from(comparison: Comparison) -> Self {
        match comparison {
            Comparison::Cosine => Self::Cosine,
            Comparison::Dot => Self::DotProduct,
        }
    }
}
