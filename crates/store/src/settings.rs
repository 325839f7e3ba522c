//! What a store holds.

use search::filter::FilterColumn;
use search::{Fusion, Similarity};

/// The model whose vectors a store holds. Vectors of another one cannot be compared with them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ModelFingerprint {
    /// The name, as it was given.
    pub name: String,
    /// A hash of the model's files.
    pub identity: String,
    /// The precision of its computation.
    pub precision: String,
    /// How many of the model's dimensions the vectors keep; of none, all.
    pub dimensions: Option<usize>,
    /// The text before every query.
    pub query_prompt: String,
    /// The text before every document.
    pub document_prompt: String,
}

/// A column whose words are searched.
#[derive(Clone, Debug, PartialEq)]
pub struct TextColumn {
    /// The name in the file of the corpus.
    pub name: String,
    /// The weight of its words, above 0.
    pub weight: f32,
}

/// The language of texts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Language {
    /// None in particular.
    #[default]
    None,
}

impl Language {
    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        "none"
    }

    /// By its name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        (name == "none").then_some(Self::None)
    }
}

/// What a store holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// The model of the vectors.
    pub model: ModelFingerprint,
    /// The width of the vectors.
    pub width: usize,
    /// What is nearest.
    pub similarity: Similarity,
    /// Whose words are searched.
    pub text_columns: Vec<TextColumn>,
    /// What filters may name.
    pub filter_columns: Vec<FilterColumn>,
    /// The language of the words.
    pub language: Language,
    /// How both rankings are joined where a query does not say.
    pub fusion: Fusion,
}

/// A row: an id, its texts and its values.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Document {
    /// Unique; a later row with the same id replaces an earlier one.
    pub id: String,
    /// By [`Settings::text_columns`].
    pub texts: Vec<String>,
    /// By [`Settings::filter_columns`].
    pub values: Vec<Option<search::filter::Value>>,
}
