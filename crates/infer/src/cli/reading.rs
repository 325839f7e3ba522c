//! The options of files of texts.

use std::path::PathBuf;

use clap::Args;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use records::Format;

/// The format and the columns of a file of texts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
#[command(next_help_heading = "Reading")]
pub struct ReadArgs {
    /// Read the file as text, csv, tsv, jsonl or parquet [default: by the ending of its name, also
    /// before .gz].
    #[arg(long, value_name = "FORMAT", ignore_case = true, value_parser = format_parser())]
    pub format: Option<Format>,
    /// Read the text from this column or key; repeat it to join several by a space [default: the only
    /// column, or `text`].
    #[arg(long = "column", value_name = "NAME")]
    pub columns: Vec<String>,
    /// Read an id from this column or key.
    #[arg(long, value_name = "NAME")]
    pub id_column: Option<String>,
    /// Skip and count bad rows instead of stopping at the first.
    #[arg(long)]
    pub skip_bad_rows: bool,
}

/// Reads a format, and lists all of them in the help.
fn format_parser() -> impl TypedValueParser<Value = Format> {
    let values = Format::ALL.map(|format| {
        let help = match format {
            Format::Text => "One text per line",
            Format::Csv => "Comma-separated values with a header line",
            Format::Tsv => "Tab-separated values with a header line, without quoting",
            Format::Jsonl => "One JSON object per line",
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
    /// Search the texts of this file.
    #[arg(long, value_name = "FILE")]
    pub corpus: PathBuf,
    /// Take the vectors of the corpus from this file of `infer embed` instead of embedding it again.
    #[arg(long, value_name = "FILE")]
    pub vectors: Option<PathBuf>,
    /// The format and the columns of the corpus.
    #[command(flatten)]
    pub read: ReadArgs,
}
