//! Options of reading.

use std::fmt;
use std::str::FromStr;

use crate::encoding::Encoding;
use crate::format::Format;
use crate::shard::Shard;

/// Options of a [`RowReader`](crate::RowReader).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReaderOptions {
    /// Format; `None` takes it from the file's name and content, see [the crate](crate#formats).
    pub format: Option<Format>,
    /// Columns of the text; empty for the default column, see [the crate](crate#columns).
    pub columns: Vec<String>,
    /// Column of the id; `None` reads no ids.
    pub id_column: Option<String>,
    /// Columns that must have a text: a row without it is bad.
    pub require: Vec<String>,
    /// Delimiter of CSV; `None` finds it out from the header.
    pub delimiter: Option<Delimiter>,
    /// Meaning of `"` in CSV and TSV.
    pub quoting: Quoting,
    /// Encoding of files without a byte order mark; `None` is UTF-8.
    pub encoding: Option<Encoding>,
    /// Turn HTML into plain text: drop tags and decode entities.
    pub clean_html: bool,
    /// Skip and count bad rows instead of returning their errors.
    pub skip_bad_rows: bool,
    /// Skip and count rows without any text instead of returning them.
    pub skip_empty_rows: bool,
    /// How many of the columns, from the first one, have the text whose lack makes a row empty; `None` for all.
    pub text_columns: Option<usize>,
    /// The part of the rows to read; `None` reads all. Rows of other parts are neither returned nor counted.
    pub shard: Option<Shard>,
    /// Take a key that a JSON row lacks, and a null, as a bad row instead of an empty text. The first
    /// row of JSON then determines the columns.
    pub missing_is_bad: bool,
    /// Keep every row of JSON as its file has it, in [`Row::object`](crate::Row::object).
    pub keep_objects: bool,
}

/// Meaning of `"` in CSV and TSV.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Quoting {
    /// CSV has quoted fields, as RFC 4180 says. TSV has them where all its quotes are such.
    #[default]
    Auto,
    /// A quote is an ordinary character.
    None,
}

/// The character between the fields of CSV: one ASCII character.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delimiter(pub(crate) u8);

impl fmt::Display for Delimiter {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            b'\t' => formatter.pad("tab"),
            byte => char::from(byte).fmt(formatter),
        }
    }
}

/// A word that is not a delimiter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no delimiter; give one ASCII character except a quote and a line break, or `tab`"
)]
pub struct UnknownDelimiter(pub String);

impl FromStr for Delimiter {
    type Err = UnknownDelimiter;

    /// One ASCII character, `tab` or `\t`.
    fn from_str(word: &str) -> Result<Self, UnknownDelimiter> {
        match word.as_bytes() {
            b"tab" | b"\\t" => Ok(Self(b'\t')),
            [byte] if byte.is_ascii() && !matches!(byte, b'"' | b'\n' | b'\r' | 0) => {
                Ok(Self(*byte))
            }
            _ => Err(UnknownDelimiter(word.to_owned())),
        }
    }
}
