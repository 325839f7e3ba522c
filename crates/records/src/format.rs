//! How a file of texts is written, and which ending says so.

use std::fmt;
use std::path::Path;

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
            assert_eq!(Format::from_str(&format.to_string(), false), Ok(format));
        }
        assert_eq!(Format::from_str("TXT", true), Ok(Format::Text));
    }
}
