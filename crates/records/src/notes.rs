//! Notes of a reader about its files.

use std::fmt;

use crate::error::shown;
use crate::format::Format;
use crate::options::Delimiter;
use crate::source::Source;

/// Something that a user should know about the files that were read. Its text is one line, without
/// "note:" before it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Note {
    /// The content told the format: the name tells none, or another one.
    Format {
        /// The file.
        file: Source,
        /// Its format.
        format: Format,
    },
    /// A file was read as lines of text, but looks like another format.
    LooksLike {
        /// The file.
        file: Source,
        /// The other format.
        format: Format,
    },
    /// A table has another delimiter than the comma, or its header has several.
    Delimiter {
        /// The file.
        file: Source,
        /// Its delimiter.
        delimiter: Delimiter,
    },
    /// A TSV file has quoted fields.
    QuotedTsv {
        /// The file.
        file: Source,
    },
    /// A quote with a backslash before it ended a quoted field within its text.
    BackslashQuote {
        /// The file.
        file: Source,
    },
    /// A file is a single JSON object, and a chosen column is within an array of objects.
    InnerRows {
        /// The file.
        file: Source,
        /// The path of the array.
        array: String,
    },
    /// Rows without a text in some of the columns.
    Missing {
        /// The columns and the number of rows that have no text in them.
        columns: Vec<(String, u64)>,
        /// Number of good rows.
        rows: u64,
    },
    /// Rows that were skipped because they have no text at all.
    Empty {
        /// Number of such rows.
        skipped: u64,
    },
    /// Bad rows that were skipped.
    Skipped {
        /// Number of such rows.
        skipped: u64,
        /// The error of the first.
        first: String,
    },
    /// Many rows hold HTML.
    Html {
        /// Number of such rows.
        found: u64,
        /// Number of good rows.
        rows: u64,
    },
}

impl fmt::Display for Note {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Format { file, format } => {
                write!(formatter, "{file}: read as {format}, by its content")
            }
            Self::LooksLike { file, format } => write!(
                formatter,
                "{file}: read as lines, but it looks like {format}; name it with --format {format}"
            ),
            Self::Delimiter { file, delimiter } => write!(
                formatter,
                "{file}: the delimiter is `{delimiter}`; --delimiter gives another"
            ),
            Self::QuotedTsv { file } => write!(
                formatter,
                "{file}: quotes around fields are dropped, as pandas and Excel write them; --quoting none keeps them"
            ),
            Self::BackslashQuote { file } => write!(
                formatter,
                "{file}: a quote after a backslash ends its field, and text follows; write quotes within fields twice (\"\"), as CSV has them, or check the texts"
            ),
            Self::InnerRows { file, array } => write!(
                formatter,
                "{file}: the file is one row, and `{}` in it an array of objects, whose texts are joined; if they are the rows, save the array as a file of its own",
                shown(array)
            ),
            Self::Missing { columns, rows } => {
                for (place, (column, missing)) in columns.iter().enumerate() {
                    let column = shown(column);
                    if place == 0 {
                        let verb = if *missing == 1 { "has" } else { "have" };
                        write!(formatter, "{missing} of {rows} rows {verb} no `{column}`")?;
                    } else {
                        write!(formatter, ", {missing} no `{column}`")?;
                    }
                }
                Ok(())
            }
            Self::Empty { skipped } => {
                write!(formatter, "skipped {} without any text", rows(*skipped, ""))
            }
            Self::Skipped { skipped, first } => {
                write!(
                    formatter,
                    "skipped {}; the first: {first}",
                    rows(*skipped, "bad ")
                )
            }
            Self::Html { found, rows } => write!(
                formatter,
                "{found} of {rows} rows hold HTML tags or entities; --clean-html turns them into plain text"
            ),
        }
    }
}

fn rows(count: u64, kind: &str) -> String {
    format!("{count} {kind}{}", if count == 1 { "row" } else { "rows" })
}
