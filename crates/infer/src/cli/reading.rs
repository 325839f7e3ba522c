//! The options of files of texts.

use std::path::PathBuf;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueEnum};
use records::{Delimiter, Encoding, Format, Quoting, Shard};

/// The format and the columns of a file of texts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
#[command(next_help_heading = "Reading")]
pub struct ReadArgs {
    /// Read the text from this column, key or path of keys (product.title); repeat it to join several
    /// by a space [default: the only column, or `text`].
    #[arg(long = "column", value_name = "NAME")]
    pub columns: Vec<String>,
    /// Read an id from this column, key or path of keys.
    #[arg(long, value_name = "NAME")]
    pub id_column: Option<String>,
    /// Read the file as text, csv, tsv, jsonl, json or parquet [default: by its name and content].
    #[arg(long, value_name = "FORMAT", ignore_case = true, value_parser = format_parser())]
    pub format: Option<Format>,
    /// Split CSV at this character, or at `tab` [default: by the header].
    #[arg(long, value_name = "CHAR")]
    pub delimiter: Option<Delimiter>,
    /// Read the quotes of CSV and TSV as those of quoted fields (auto), or as text (none).
    #[arg(long, value_name = "MODE", default_value = "auto")]
    pub quoting: QuotingChoice,
    /// Read text of this encoding, such as windows-1252 or utf-16le [default: that of the byte order
    /// mark, else utf-8].
    #[arg(long, value_name = "NAME")]
    pub encoding: Option<Encoding>,
    /// Turn HTML in texts into plain text: drop tags and decode entities.
    #[arg(long)]
    pub clean_html: bool,
    /// Take a row without a text in this column as a bad row; repeat it for several.
    #[arg(long, value_name = "NAME")]
    pub require: Vec<String>,
    /// Skip and count bad rows instead of stopping at the first.
    #[arg(long)]
    pub skip_bad_rows: bool,
    /// The part of the rows to read, which only `embed` asks for.
    #[arg(skip)]
    pub shard: Option<Shard>,
}

/// Meaning of `"` in CSV and TSV.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum QuotingChoice {
    /// Quoted fields in CSV, and in TSV where all its quotes are those of quoted fields
    #[default]
    Auto,
    /// An ordinary character
    None,
}

impl From<QuotingChoice> for Quoting {
    fn from(choice: QuotingChoice) -> Self {
        match choice {
            QuotingChoice::Auto => Self::Auto,
            QuotingChoice::None => Self::None,
        }
    }
}

/// Reads a format, and lists all of them in the help.
fn format_parser() -> impl TypedValueParser<Value = Format> {
    let values = Format::ALL.map(|format| {
        let help = match format {
            Format::Text => "One text per line",
            Format::Csv => "Fields between commas or another delimiter, with a header line",
            Format::Tsv => "Fields between tabs, with a header line",
            Format::Jsonl => "One JSON object per line",
            Format::Json => "A JSON array of objects, or one object after another",
            Format::Parquet => "Columns of an Apache Parquet file",
        };
        PossibleValue::new(format.name())
            .aliases(format.alias())
            .help(help)
    });
    PossibleValuesParser::new(values).try_map(|word| word.parse::<Format>())
}

/// The corpus that is searched.
#[derive(Clone, Debug, Args)]
pub struct CorpusArgs {
    /// Search the texts of this file; repeat it, or quote a pattern such as 'products-*.csv', for
    /// several.
    #[arg(long, value_name = "FILE", required_unless_present = "searched")]
    pub corpus: Vec<PathBuf>,
    /// Take the vectors of the corpus from this file of `infer embed` instead of embedding it again.
    #[arg(long, value_name = "FILE")]
    pub vectors: Option<PathBuf>,
    /// The format and the columns of the corpus.
    #[command(flatten)]
    pub read: ReadArgs,
}

/// Rows, by their ids.
#[derive(Debug, Args)]
pub struct IdsArgs {
    /// Remove the rows with these ids.
    #[arg(value_name = "ID", required_unless_present = "file")]
    pub ids: Vec<String>,
    /// Remove the rows whose ids are in this file, one per line; - is standard input.
    #[arg(long = "ids", value_name = "FILE|-")]
    pub file: Option<PathBuf>,
}
