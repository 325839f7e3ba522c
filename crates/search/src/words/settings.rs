//! How words are made and weighed.

use tantivy::schema::{Field, IndexRecordOption, Schema, TextFieldIndexing, TextOptions};

use super::error::WordsError;
use super::language::Language;

/// The name of our tokenizer in tantivy's files.
pub(super) const TOKENIZER: &str = "words";

/// A column of texts in which words are searched.
#[derive(Clone, Debug, PartialEq)]
pub struct WordsField {
    /// The name of the column, for messages.
    pub name: String,
    /// The factor of its BM25 in a row's score; 0 leaves the column out.
    pub weight: f32,
}

/// How the words of a segment are made and weighed.
#[derive(Clone, Debug, PartialEq)]
pub struct WordsSettings {
    /// The columns, in the order of a row's texts.
    pub fields: Vec<WordsField>,
    /// The language of the texts.
    pub language: Language,
}

impl WordsSettings {
    /// # Errors
    ///
    /// [`WordsError::Weight`] if a weight is negative or not finite.
    pub(super) fn check(&self) -> Result<(), WordsError> {
        let wrong = |field: &&WordsField| !(field.weight.is_finite() && field.weight >= 0.0);
        match self.fields.iter().find(wrong) {
            None => Ok(()),
            Some(field) => Err(WordsError::Weight {
                field: field.name.clone(),
                weight: field.weight,
            }),
        }
    }
}

/// Fields by number: names of columns need not be names of tantivy's.
pub(super) fn schema(fields: usize) -> (Schema, Vec<Field>) {
    let indexing = TextFieldIndexing::default()
        .set_tokenizer(TOKENIZER)
        .set_index_option(IndexRecordOption::WithFreqs);
    let options = TextOptions::default().set_indexing_options(indexing);
    let mut builder = Schema::builder();
    let fields = (0..fields)
        .map(|number| builder.add_text_field(&format!("text{number}"), options.clone()))
        .collect();
    (builder.build(), fields)
}
