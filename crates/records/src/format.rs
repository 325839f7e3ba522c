//! File formats and their endings.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use crate::compression::Compression;

/// Format of a file of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// One text per line.
    Text,
    /// Fields between commas or another delimiter, with a header line.
    Csv,
    /// Fields between tabs, with a header line.
    Tsv,
    /// One JSON object per line.
    Jsonl,
    /// A JSON array of objects, or one object after another.
    Json,
    /// Columns of an Apache Parquet file.
    Parquet,
}

impl Format {
    /// Every format.
    pub const ALL: [Self; 6] = [
        Self::Text,
        Self::Csv,
        Self::Tsv,
        Self::Jsonl,
        Self::Json,
        Self::Parquet,
    ];

    /// Name of the format, which [`FromStr`] reads and [`fmt::Display`] writes.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Csv => "csv",
            Self::Tsv => "tsv",
            Self::Jsonl => "jsonl",
            Self::Json => "json",
            Self::Parquet => "parquet",
        }
    }

    /// A second name, which [`FromStr`] also reads.
    #[must_use]
    pub fn alias(self) -> Option<&'static str> {
        match self {
            Self::Text => Some("txt"),
            Self::Jsonl => Some("ndjson"),
            Self::Csv | Self::Tsv | Self::Json | Self::Parquet => None,
        }
    }

    /// The format that the ending of a file's name stands for, in any case and also before the ending
    /// of a compression; `None` for any other name.
    #[must_use]
    pub fn from_path(path: &Path) -> Option<Self> {
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .to_ascii_lowercase();
        let (_, ending) = Compression::strip_ending(&name).rsplit_once('.')?;
        match ending {
            "txt" | "text" => Some(Self::Text),
            "csv" => Some(Self::Csv),
            "tsv" | "tab" => Some(Self::Tsv),
            "jsonl" | "ndjson" => Some(Self::Jsonl),
            "json" => Some(Self::Json),
            "parquet" | "pq" => Some(Self::Parquet),
            _ => None,
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}

/// A word that is not the name of a format.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no format `{0}`; there are: text, csv, tsv, jsonl, json and parquet")]
pub struct UnknownFormat(pub String);

impl FromStr for Format {
    type Err = UnknownFormat;

    /// By name or alias, in any case.
    fn from_str(word: &str) -> Result<Self, UnknownFormat> {
        let named = |name: &str| name.eq_ignore_ascii_case(word);
        Self::ALL
            .into_iter()
            .find(|format| named(format.name()) || format.alias().is_some_and(named))
            .ok_or_else(|| UnknownFormat(word.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ending_tells_the_format() {
        for (name, format) in [
            ("queries.txt", Some(Format::Text)),
            ("queries", None),
            ("csv", None),
            ("products.csv", Some(Format::Csv)),
            ("folder.csv/products.tsv", Some(Format::Tsv)),
            ("PRODUCTS.CSV.GZ", Some(Format::Csv)),
            ("products.tsv.zst", Some(Format::Tsv)),
            ("products.jsonl.bz2", Some(Format::Jsonl)),
            ("products.ndjson.xz", Some(Format::Jsonl)),
            ("products.json", Some(Format::Json)),
            ("Products.Parquet", Some(Format::Parquet)),
            ("products.gz", None),
            ("products.xlsx", None),
            ("", None),
        ] {
            assert_eq!(Format::from_path(Path::new(name)), format, "{name}");
        }
    }

    #[test]
    fn names_are_read_as_they_are_printed() {
        for format in Format::ALL {
            assert_eq!(format.to_string().parse(), Ok(format));
        }
        assert_eq!("TXT".parse(), Ok(Format::Text));
        assert_eq!("ndjson".parse(), Ok(Format::Jsonl));
    }

    #[test]
    fn a_word_that_is_no_format_is_answered_with_all_of_them() {
        let message = "xlsx".parse::<Format>().unwrap_err().to_string();
        assert!(message.contains("`xlsx`"), "{message}");
        for format in Format::ALL {
            assert!(message.contains(format.name()), "{message}");
        }
    }
}
