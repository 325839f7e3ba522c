//! File formats and their endings.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

/// Format of a file of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// One text per line.
    Text,
    /// Comma-separated values with a header line.
    Csv,
    /// Tab-separated values with a header line, without quoting.
    Tsv,
    /// One JSON object per line.
    Jsonl,
    /// Columns of an Apache Parquet file.
    Parquet,
}

impl Format {
    /// Every format.
    pub const ALL: [Self; 5] = [Self::Text, Self::Csv, Self::Tsv, Self::Jsonl, Self::Parquet];

    /// Name of the format, which [`FromStr`] reads and [`fmt::Display`] writes.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Csv => "csv",
            Self::Tsv => "tsv",
            Self::Jsonl => "jsonl",
            Self::Parquet => "parquet",
        }
    }

    /// A second name, which [`FromStr`] also reads.
    #[must_use]
    pub fn alias(self) -> Option<&'static str> {
        match self {
            Self::Text => Some("txt"),
            Self::Jsonl => Some("ndjson"),
            Self::Csv | Self::Tsv | Self::Parquet => None,
        }
    }

    /// The format by the ending of a file's name: `.csv`, `.tsv`, `.jsonl`, `.ndjson` or `.parquet`,
    /// in any case and also before `.gz`. Any other name is [`Format::Text`].
    #[must_use]
    pub fn from_path(path: &Path) -> Self {
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .to_ascii_lowercase();
        let name = name.strip_suffix(".gz").unwrap_or(&name);
        match name.rsplit_once('.') {
            Some((_, "csv")) => Self::Csv,
            Some((_, "tsv")) => Self::Tsv,
            Some((_, "jsonl" | "ndjson")) => Self::Jsonl,
            Some((_, "parquet")) => Self::Parquet,
            _ => Self::Text,
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
#[error("no format `{0}`; there are: text, csv, tsv, jsonl and parquet")]
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
            ("queries.txt", Format::Text),
            ("queries", Format::Text),
            ("csv", Format::Text),
            ("products.csv", Format::Csv),
            ("folder.csv/products.tsv", Format::Tsv),
            ("PRODUCTS.CSV.GZ", Format::Csv),
            ("products.tsv.gz", Format::Tsv),
            ("products.jsonl", Format::Jsonl),
            ("products.ndjson.gz", Format::Jsonl),
            ("products.parquet", Format::Parquet),
            ("Products.Parquet", Format::Parquet),
            ("products.gz", Format::Text),
            ("", Format::Text),
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
