//! Words: their language.

mod language;

pub use language::Language;
