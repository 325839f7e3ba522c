//! The options of vectors and their comparison.

use clap::{Args, ValueEnum};
use model::{Prompt, SentenceEncoder};
use search::Similarity;

use super::PromptArgs;

/// The form of a vector.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Vectors")]
pub struct VectorArgs {
    /// Keep the length of vectors instead of normalizing it to 1.
    #[arg(long)]
    pub no_normalize: bool,
    /// Keep the first N dimensions of each vector, and normalize again [default: those that the model
    /// keeps].
    #[arg(long, value_name = "N", value_parser = super::at_least_one)]
    pub dimensions: Option<usize>,
    /// The prompt.
    #[command(flatten)]
    pub prompts: PromptArgs,
    /// The prompt of a corpus, instead of the model's own.
    #[arg(skip)]
    pub corpus_prompt: Option<Prompt>,
}

/// The comparison of vectors.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Vectors")]
pub struct CompareArgs {
    /// Compare vectors by their cosine, their dot product, or a distance [default: as the model's files
    /// say].
    #[arg(long, value_enum, value_name = "SIMILARITY")]
    pub similarity: Option<Comparison>,
    /// Keep the first N dimensions of each vector [default: those that the model keeps].
    #[arg(long, value_name = "N", value_parser = super::at_least_one)]
    pub dimensions: Option<usize>,
    /// The prompt.
    #[command(flatten)]
    pub prompts: PromptArgs,
    /// The prompt of the corpus, instead of the model's own.
    #[arg(skip)]
    pub corpus_prompt: Option<Prompt>,
}

impl CompareArgs {
    /// The form of the vectors that are compared.
    #[must_use]
    pub fn vectors(&self) -> VectorArgs {
        VectorArgs {
            no_normalize: false,
            dimensions: self.dimensions,
            prompts: self.prompts.clone(),
            corpus_prompt: self.corpus_prompt.clone(),
        }
    }

    /// The similarity of the option, or that of the model.
    #[must_use]
    pub fn similarity(&self, encoder: &SentenceEncoder) -> Similarity {
        match self.similarity {
            Some(comparison) => comparison.into(),
            None => encoder.similarity(),
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
    /// Negative Euclidean distance
    Euclidean,
    /// Negative Manhattan distance
    Manhattan,
}

impl From<Comparison> for Similarity {
    fn from(comparison: Comparison) -> Self {
        match comparison {
            Comparison::Cosine => Self::Cosine,
            Comparison::Dot => Self::DotProduct,
            Comparison::Euclidean => Self::Euclidean,
            Comparison::Manhattan => Self::Manhattan,
        }
    }
}
