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

/// Start, end and label of a span.
type NamedSpan = (usize, usize, String);

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
    /// Further places of their values: nothing says whether the text has a span there, too. In the order of the text.
    pub(crate) repeats: Vec<LabelledSpan>,
    /// The labels that are not open.
    pub(crate) known: Known,
    /// The category of the text.
    pub(crate) category: Option<String>,
}

/// The spans of all rows of a table.
#[derive(Debug, Default)]
pub(crate) struct Annotations {
    /// Labels by their numbers, in the order of their first spans.
    pub(crate) labels: Vec<String>,
    /// The other labels that a row or an option names: the rows have no span of them. Sorted.
    pub(crate) without_spans: Vec<String>,
    /// One per row.
    pub(crate) rows: Vec<Annotation>,
    /// What was noticed while reading, a sentence each.
    pub(crate) notes: Vec<String>,
}

impl Annotations {
    /// The labels that are open in a row, of those that the rows and the options name: the text may have further spans of
    /// them.
    pub(crate) fn open_labels<'a>(
        &'a self,
        annotation: &'a Annotation,
    ) -> impl Iterator<Item = &'a str> {
        let names = self.labels.iter().chain(&self.without_spans);
        let open = names.filter(|label| annotation.known.is_open(label));
        open.map(String::as_str)
    }
}

/// What a row says about its text, by the names of labels.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct ReadRow {
    text: String,
    spans: Vec<NamedSpan>,
    /// Further places of the values of the spans.
    repeats: Vec<NamedSpan>,
    /// Open labels that the row names, where `known` does not.
    named_open: Vec<String>,
    known: Known,
    category: Option<String>,
}

/// The labels about which a row says everything. The others are open: nothing says that the text has no further span of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Known {
    /// All labels: what has no span is outside.
    #[default]
    All,
    /// All labels except these.
    AllBut(Vec<String>),
    /// These labels alone.
    Only(Vec<String>),
}

impl Known {
    /// Whether a label is open, also one that no row has.
    pub(crate) fn is_open(&self, label: &str) -> bool {
        match self {
            Self::All => false,
            Self::AllBut(open) => open.iter().any(|open| open == label),
            Self::Only(stated) => !stated.iter().any(|stated| stated == label),
        }
    }

    /// The labels that it names.
    fn names(&self) -> &[String] {
        match self {
            Self::All => &[],
            Self::AllBut(names) | Self::Only(names) => names,
        }
    }
}

/// The characters of a text from `start` to `end`.
pub(crate) fn value(text: &str, start: usize, end: usize) -> String {
    text.chars()
        .skip(start)
        .take(end.saturating_sub(start))
        .collect()
}
