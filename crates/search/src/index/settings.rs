//! What an index was made for. It is fixed when the index is created.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use crate::filter::FilterColumn;
use crate::index::error::IndexError;
use crate::query::Fusion;
use crate::vectors::Similarity;
use crate::words::{Language, WordsField, WordsSettings};

/// The model whose vectors an index holds. Vectors of two models cannot be compared.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelFingerprint {
    /// The name that the model was opened by, for messages. Two names may be the same model.
    pub name: String,
    /// A hash of the files that the vectors depend on.
    pub identity: String,
    /// The precision that the vectors were computed in.
    pub precision: String,
    /// How many of the model's dimensions the vectors keep; of none, all.
    pub dimensions: Option<usize>,
    /// The most tokens of a text; longer ones are truncated.
    pub max_length: usize,
    /// The text before every query.
    pub query_prompt: String,
    /// The text before every document.
    pub document_prompt: String,
}

impl ModelFingerprint {
    /// Fails where vectors of `given` cannot be compared with vectors of this model.
    ///
    /// # Errors
    ///
    /// [`IndexError::OtherModel`], which names the first difference.
    pub fn check(&self, given: &Self) -> Result<(), IndexError> {
        let dimensions = |of: &Self| of.dimensions.map_or("all".to_owned(), |n| n.to_string());
        let fields = [
            ("files", self.identity.clone(), given.identity.clone()),
            ("precision", self.precision.clone(), given.precision.clone()),
            ("dimensions", dimensions(self), dimensions(given)),
            (
                "maximum length",
                self.max_length.to_string(),
                given.max_length.to_string(),
            ),
            (
                "query prompt",
                self.query_prompt.clone(),
                given.query_prompt.clone(),
            ),
            (
                "document prompt",
                self.document_prompt.clone(),
                given.document_prompt.clone(),
            ),
        ];
        for (field, index, other) in fields {
            if index != other {
                return Err(IndexError::OtherModel {
                    field,
                    model: self.name.clone(),
                    value: index,
                    given_model: given.name.clone(),
                    given: other,
                });
            }
        }
        Ok(())
    }
}

/// A column of texts, in which words are searched and which are returned with a hit.
#[derive(Clone, Debug, PartialEq)]
pub struct TextColumn {
    /// The name in the file of the corpus.
    pub name: String,
    /// What a word of this column counts for, compared with the other columns: above 0.
    pub weight: f32,
}

/// What an index was made for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings {
    /// The model of the vectors.
    pub model: ModelFingerprint,
    /// Width of every vector, above 0.
    pub width: usize,
    /// The measure that orders vectors.
    pub similarity: Similarity,
    /// The column of the ids in the file of the corpus, for later additions.
    pub id_column: String,
    /// The texts of a row.
    pub text_columns: Vec<TextColumn>,
    /// The values of a row.
    pub filter_columns: Vec<FilterColumn>,
    /// The names of those filter columns whose values come from a file of attributes beside the corpus, for later
    /// additions.
    pub attribute_columns: Vec<String>,
    /// The language of the texts.
    pub language: Language,
    /// How [`Mode::Hybrid`](crate::Mode::Hybrid) joins both rankings unless a query says it.
    pub fusion: Fusion,
}

impl Settings {
    /// How words of the texts are searched.
    pub(super) fn words(&self) -> WordsSettings {
        let field = |column: &TextColumn| WordsField {
            name: column.name.clone(),
            weight: column.weight,
        };
        WordsSettings {
            fields: self.text_columns.iter().map(field).collect(),
            language: self.language,
        }
    }

    /// Whether an index of other settings holds the same: only how hybrid search ranks unless a query says it may differ.
    #[must_use]
    pub fn holds_like(&self, other: &Self) -> bool {
        let other = Self {
            fusion: self.fusion,
            ..other.clone()
        };
        *self == other
    }

    /// Fails where no index can be made for these settings.
    ///
    /// # Errors
    ///
    /// [`IndexError::Settings`], which says what is wrong.
    pub fn check(&self) -> Result<(), IndexError> {
        let wrong = |reason: String| Err(IndexError::Settings { reason });
        if self.width == 0 {
            return wrong("the vectors have a width of 0".to_owned());
        }
        if let Some(column) = self
            .text_columns
            .iter()
            .find(|column| !(column.weight > 0.0 && column.weight.is_finite()))
        {
            return wrong(format!(
                "text column `{}` has the weight {}: give a number above 0",
                column.name, column.weight
            ));
        }
        if let Fusion::WeightedSum { weight } = self.fusion
            && !(0.0..=1.0).contains(&weight)
        {
            return wrong(format!(
                "the weight of words is {weight}: give a number from 0 to 1"
            ));
        }
        // A text may be filtered by too, so a name may be in both lists, but once in each.
        for names in [
            self.text_columns
                .iter()
                .map(|c| &c.name)
                .collect::<Vec<_>>(),
            self.filter_columns.iter().map(|c| &c.name).collect(),
        ] {
            let mut seen = HashSet::new();
            if let Some(name) = names.into_iter().find(|name| !seen.insert(name.as_str())) {
                return wrong(format!("column `{name}` is named twice"));
            }
        }
        let is_column = |name: &&String| self.filter_columns.iter().any(|c| c.name == **name);
        if let Some(name) = self.attribute_columns.iter().find(|name| !is_column(name)) {
            return wrong(format!("attribute column `{name}` is no filter column"));
        }
        Ok(())
    }
}
