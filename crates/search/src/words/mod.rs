//! Words: their language, how a text is cut into them, and their search by BM25.
//!
//! An immutable [tantivy](https://docs.rs/tantivy) segment holds the words of a segment: the first text added
//! is row 0. Scores depend on how often words occur in all segments together, so that they are the same however rows
//! are divided among segments.

mod analyzer;
mod error;
mod language;
mod matches;
mod pieces;
mod segment;
mod settings;
mod words_query;
mod writer;

pub use analyzer::{Analyzer, QueryWord, Word};
pub use error::WordsError;
pub use language::Language;
pub use segment::Words;
pub use settings::{WordsField, WordsSettings};
pub use words_query::WordsQuery;
pub use writer::WordsWriter;
