//! Rows of a tagger: texts with spans, from four kinds of files.
//!
//! | subject | module |
//! | --- | --- |
//! | reading files of any form | `read` |
//! | JSON Lines with spans, attributes or tokens | `json_row` |
//! | CoNLL | `conll` |
//! | columns of a product file | `product_columns` |
//! | the place of a value in a text | `find` |
//! | errors of a row | `fault` |
//! | the tags of tokens | `targets` |
//! | the labels of a category, and those of one value | `schema` |
//! | writing rows as JSON Lines with spans | `write` |

mod conll;
mod fault;
mod find;
mod json_row;
mod product_columns;
mod read;
mod schema;
mod targets;
mod write;

pub use fault::TaggedFault;
pub(crate) use product_columns::LabelColumn;
pub(crate) use read::TaggedOptions;
pub(crate) use schema::schema;
pub(crate) use targets::targets;
pub(crate) use write::write;

/// A part of a text with a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct LabelledSpan {
    /// Where it begins, in Unicode scalar values from 0.
    pub(crate) start: usize,
    /// The position behind its last character.
    pub(crate) end: usize,
    /// The number of its label in the table.
    pub(crate) label: usize,
}

/// What is known of the spans of a text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Annotation {
    /// The spans, in the order of the text.
    pub(crate) spans: Vec<LabelledSpan>,
    /// The numbers of the labels of which the text may have further spans: nothing says that it has none. In ascending order.
    pub(crate) open: Vec<usize>,
    /// The category of the text.
    pub(crate) category: Option<String>,
}

/// The spans of all rows of a table.
#[derive(Debug, Default)]
pub(crate) struct Annotations {
    /// Labels by their numbers, in the order of their first spans.
    pub(crate) labels: Vec<String>,
    /// One per row.
    pub(crate) rows: Vec<Annotation>,
    /// What was noticed while reading, a sentence each.
    pub(crate) notes: Vec<String>,
}

/// What a row says about its text, by the names of labels.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct ReadRow {
    text: String,
    spans: Vec<(usize, usize, String)>,
    known: Known,
    category: Option<String>,
}

/// The labels about which a row says everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Known {
    /// All labels: what has no span is outside.
    #[default]
    All,
    /// All labels except these.
    AllBut(Vec<String>),
    /// These labels alone.
    Only(Vec<String>),
}

/// The characters of a text from `start` to `end`.
pub(crate) fn value(text: &str, start: usize, end: usize) -> String {
    text.chars()
        .skip(start)
        .take(end.saturating_sub(start))
        .collect()
}
