//! How a file of texts is written, and which ending says so.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use clap::ValueEnum;

/// How a file of texts is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, ValueEnum)]
pub enum Format {
    /// One text a line.
    #[value(alias = "txt")]
    Text,
    /// Comma-separated values with a header line.
    Csv,
    /// Tab-separated values with a header line, without quoting.
    Tsv,
    /// One JSON object a line.
    #[value(alias = "ndjson")]
    Jsonl,
}

impl Format {
    /// The format that a file's name tells: `.csv`, `.tsv`, `.jsonl` and `.ndjson`, in any case and
    /// also before `.gz`; any other name is [`Format::Text`].
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
            _ => Self::Text,
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Text => "text",
            Self::Csv => "csv",
            Self::Tsv => "tsv",
            Self::Jsonl => "jsonl",
        })
    }
}

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        <Self as ValueEnum>::from_str(name, true).map_err(|_| UnknownFormat {
            name: name.to_owned(),
        })
    }
}

/// A name that is none of the formats.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` is not a format of texts: give text, csv, tsv or jsonl")]
pub struct UnknownFormat {
    /// The name.
    pub name: String,
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
            ("products.gz", Format::Text),
            ("", Format::Text),
        ] {
            assert_eq!(Format::from_path(Path::new(name)), format, "{name}");
        }
    }

    #[test]
    fn names_are_read_as_they_are_printed() {
        for &format in Format::value_variants() {
            assert_eq!(format.to_string().parse(), Ok(format));
        }
        assert_eq!("TXT".parse(), Ok(Format::Text));
        let error = "xlsx".parse::<Format>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "`xlsx` is not a format of texts: give text, csv, tsv or jsonl"
        );
    }
}
