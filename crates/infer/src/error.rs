//! Errors of the commands, and their exit codes.

use std::path::PathBuf;

use model::ModelError;
use model::threads::ThreadsError;
use program::ProgramError;
use program::exit::{FAILURE, USAGE};
use program::manual::ManualError;
use program::text::quoted;
use records::ReadError;
use search::SearchError;
use search::filter::{FilterError, ValueError};
use search::index::IndexError;
use store::StoreError;

use crate::attributes::AttributesError;
use crate::bad_rows::BadRows;
use crate::repeated_ids::Places;
use crate::vectors::{Difference, JournalErrorKind, VectorError, list};

/// The reason that a command failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The model could not be found, loaded or run.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// A file of texts could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Rows of a file are bad.
    #[error("{0}")]
    BadRows(BadRows),
    /// A file of vectors could not be read or written.
    #[error(transparent)]
    Vectors(#[from] VectorError),
    /// The number of threads cannot be set.
    #[error(transparent)]
    Threads(#[from] ThreadsError),
    /// Vectors have different widths or cannot be compared.
    #[error(transparent)]
    Search(#[from] SearchError),
    /// An index could not be opened, changed or asked.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// A store could not be reached, loaded or asked.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The service could not be started.
    #[cfg(feature = "serve")]
    #[error(transparent)]
    Serve(#[from] serve::ServeError),
    /// The file of keys could not be read.
    #[cfg(feature = "serve")]
    #[error("cannot read the keys in {}: {source}", path.display())]
    Keys {
        /// The file.
        path: PathBuf,
        /// Error of the operating system.
        source: std::io::Error,
    },
    /// A file of attributes cannot be used.
    #[error(transparent)]
    Attributes(#[from] AttributesError),
    /// A filter is wrong.
    #[error(transparent)]
    Filter(#[from] FilterError),
    /// A value does not fit its column.
    #[error("{file}, line {line}, column `{column}`: {source}")]
    BadValue {
        /// The file.
        file: String,
        /// The line of the row, from 1.
        line: u64,
        /// The filter column.
        column: String,
        /// Why.
        source: ValueError,
    },
    /// No row of an index has the id.
    #[error("{catalogue}: no row has the id `{}`", quoted(id))]
    NotInIndex {
        /// The index or the servers.
        catalogue: String,
        /// The id on the command line.
        id: String,
    },
    /// Standard output could not be written.
    #[error("cannot write to standard output: {0}")]
    Stdout(#[from] std::io::Error),
    /// A result could not be written as JSON.
    #[error("cannot write JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// The arguments exclude each other, or one is missing.
    #[error(transparent)]
    Usage(#[from] UsageError),
    /// The man pages could not be written.
    #[error(transparent)]
    Manual(#[from] ManualError),
    /// Saved vectors do not belong to the corpus.
    #[error("{}: {kind}", path.display())]
    MismatchedVectors {
        /// The file of vectors.
        path: PathBuf,
        /// The difference.
        kind: MismatchKind,
    },
    /// No row of the corpus has the id.
    #[error(
        "{}: no row has the id `{}`; without --id-column, give the number of the row, from 1",
        path.display(),
        quoted(id)
    )]
    UnknownId {
        /// The corpus.
        path: PathBuf,
        /// The id on the command line.
        id: String,
    },
    /// Several rows of the corpus have the id.
    #[error(
        "{}: the id `{}` is that of {places}; ids must differ",
        path.display(),
        quoted(id)
    )]
    RepeatedId {
        /// The corpus.
        path: PathBuf,
        /// The id on the command line.
        id: String,
        /// The first two rows.
        places: Places,
    },
    /// The model computes another vector on this machine than PyTorch does.
    #[error(
        "self-check failed: the vector of \"{text}\" differs from PyTorch's by {difference:e}; please report this"
    )]
    SelfCheck {
        /// The text.
        text: &'static str,
        /// Largest difference of a value.
        difference: f32,
    },
}

/// The difference between saved vectors and a corpus.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MismatchKind {
    /// There are more or fewer vectors than rows.
    #[error(
        "{vectors} vectors for a corpus of {rows} rows; embed this corpus again, with the same --column"
    )]
    Count {
        /// Vectors in the file.
        vectors: usize,
        /// Rows of the corpus.
        rows: usize,
    },
    /// The vectors come from another model, or `--dimensions` is another.
    #[error(
        "vectors have {found} dimensions, but this model's have {expected}; give the --model and \
         --dimensions they were embedded with"
    )]
    Width {
        /// Width of the saved vectors.
        found: usize,
        /// Width of the model's vectors.
        expected: usize,
    },
    /// The rows have another order, or are other rows.
    #[error(
        "the vector of the row in line {line} was saved for the id `{}`, not `{}`; embed this \
         corpus again",
        quoted(saved),
        quoted(id)
    )]
    Id {
        /// The line of the row, from 1.
        line: u64,
        /// The id of the row.
        id: String,
        /// The id that the vector was saved with.
        saved: String,
    },
    /// The vectors were made with other settings.
    #[error(
        "the vectors were made with {}; give the options they were embedded with, or embed this \
         corpus again",
        list(differences)
    )]
    Settings {
        /// The settings that differ.
        differences: Vec<Difference>,
    },
    /// The lengths of the vectors count in this similarity, and are not those of the queries.
    #[error(
        "the vectors were made with --no-normalize, and {similarity} compares their lengths too; give \
         --similarity cosine, or embed this corpus again without --no-normalize"
    )]
    Lengths {
        /// The similarity of this search.
        similarity: &'static str,
    },
    /// A vector has the direction of its text's, but another length, which counts in this similarity.
    #[error(
        "the saved vector of the row in line {line} has the length {saved:.3}, and that of its text \
         {computed:.3}, which {similarity} compares too; give --similarity cosine, or embed this corpus \
         again without --no-normalize"
    )]
    Length {
        /// The line of the row, from 1.
        line: u64,
        /// The length of the saved vector.
        saved: f32,
        /// The length of the vector of the text.
        computed: f32,
        /// The similarity of this search.
        similarity: &'static str,
    },
    /// A text has changed, or the rows have another order.
    #[error("the texts of the corpus are not those of the vectors; embed this corpus again")]
    Texts,
    /// The vectors are close to those of the texts, but not the same.
    #[error(
        "the saved vectors differ a little from those of {precision} (their cosine is {cosine:.3}); \
         give the --precision they were embedded with, or embed this corpus again"
    )]
    Precision {
        /// The cosine between a saved vector and the vector of its text.
        cosine: f32,
        /// The precision of this search.
        precision: String,
    },
    /// A vector is not the one of its text.
    #[error(
        "the saved vector does not belong to the row in line {line} (their cosine is {cosine:.3}); \
         give the --model, --column, --precision \
         and --max-length it was embedded with, or embed this corpus again"
    )]
    Text {
        /// The line of the row, from 1.
        line: u64,
        /// The cosine between the saved vector and the vector of the text.
        cosine: f32,
    },
}

impl MismatchKind {
    /// Whether other options would mend it, not other vectors: the message names them.
    fn is_usage(&self) -> bool {
        matches!(
            self,
            Self::Width { .. }
                | Self::Settings { .. }
                | Self::Precision { .. }
                | Self::Lengths { .. }
                | Self::Length { .. }
        )
    }
}

/// Arguments that clap accepts one by one, but not together.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UsageError {
    /// A format of static models for another model.
    #[error("--static-format is for a static model, which this model is not; leave it out")]
    NotStatic,
    /// Texts on the command line and a file.
    #[error("give texts or --input, not both")]
    TextsAndInput,
    /// Neither a text nor a file.
    #[error(
        "no text given: write texts after the command, use --input FILE, or pipe them into standard \
         input"
    )]
    NoText,
    /// Neither a query nor a file of them.
    #[error(
        "no query given: write queries after the command, use --queries FILE, or pipe them into \
         standard input"
    )]
    NoQuery,
    /// No model is named that could score pairs.
    #[error(
        "no reranker given: name one with --model, such as cross-encoder/ms-marco-MiniLM-L6-v2"
    )]
    NoReranker,
    /// No model is named that could find attributes.
    #[error("no tagger given: name a folder of `train tag` with --model")]
    NoTagger,
    /// Two boosts of a column.
    #[error("--boost gives the column `{0}` two weights: give it one")]
    RepeatedBoost(String),
    /// Rows with added columns of texts that are no rows.
    #[error(
        "texts of the command line have no columns: leave --output-format out, or give --input"
    )]
    RowsOfTexts,
    /// Rows with added columns of several files.
    #[error(
        "rows with added columns come from one file: give one --input, or --output-format spans"
    )]
    RowsOfSeveral,
    /// Rows with added columns, without a column of the text.
    #[error("name the column of the text with --column, or give --output-format spans")]
    RowsWithoutColumn,
    /// A column that the input does not have.
    #[error("the input has no column `{name}`; it has {}", columns.join(", "))]
    UnknownColumn {
        /// The name.
        name: String,
        /// The columns that there are.
        columns: Vec<String>,
    },
    /// One column twice.
    #[error("column `{0}` is named twice; name each column once")]
    RepeatedColumn(String),
    /// A query without a word is as close to one text as to another.
    #[error("a query is empty; leave it out")]
    EmptyQuery,
    /// The ending of the name is no format.
    #[error(
        "cannot tell the vector format from `{0}`: end it in .parquet, .safetensors, .npy, .pt or .jsonl"
    )]
    VectorFormat(PathBuf),
    /// A compressed file of attributes, or one of Parquet.
    #[error(
        "attributes are written as JSON Lines, CSV or TSV, not as `{0}`: end it in .jsonl, .csv or .tsv"
    )]
    AttributesFormat(PathBuf),
    /// Standard output takes JSON Lines only.
    #[error("standard output takes jsonl only; name a file with --output for another format")]
    StdoutFormat,
    /// The output would replace an input, that of this option.
    #[error("--output and {0} are the same file; give another --output")]
    OutputIsInput(&'static str),
    /// Every integer of one row would be the smallest.
    #[error(
        "--output-type {0} takes the range of each dimension from the rows, and one row has none; give \
         --ranges FILE"
    )]
    OneRow(String),
    /// Standard output is JSON Lines of float32, and cannot be resumed.
    #[error("{0} needs an --output that is a file")]
    NeedsFile(&'static str),
    /// A `.pt` file holds float32.
    #[error(
        "a .pt file holds f32 only; end the name in .parquet, .safetensors or .npy for --output-type {0}"
    )]
    PtOutputType(String),
    /// Ranges without integers.
    #[error("--ranges belongs to --output-type i8 and u8")]
    RangesWithoutIntegers,
    /// Shards that would each have ranges of their own.
    #[error(
        "--shard with --output-type i8 or u8 needs --ranges: all shards must have the same ones; a run without --shard over some rows saves them in OUTPUT.ranges.npy"
    )]
    ShardsWithoutRanges,
    /// Options for reading a file, without a file.
    #[error("--column, --id-column, --format, --skip-bad-rows and --shard need --input")]
    ReadWithoutInput,
    /// More or fewer columns than two.
    #[error("a comparison needs two columns, but there are {0}: name two with --column")]
    TwoColumns(usize),
    /// Rows of an index are named by ids.
    #[error("an index needs ids: name their column with --id-column")]
    IndexWithoutIds,
    /// The text columns are not named, but others are.
    #[error("--filter-column needs --column: name the columns of the text too")]
    FilterWithoutColumn,
    /// A weight of a column that is not a text.
    #[error("--column-weight names `{0}`, which is no --column")]
    NoTextColumn(String),
    /// The folder holds an index of other columns or settings.
    #[error(
        "{} holds an index with other columns, language or column weights: give another --output, or remove the folder",
        .0.display()
    )]
    OtherIndex(PathBuf),
    /// Rows of an index whose other rows have attributes.
    #[error(
        "{} was built with attributes (columns {columns}): give --attributes with those of these rows",
        index.display()
    )]
    NoAttributes {
        /// The index.
        index: PathBuf,
        /// Their columns.
        columns: String,
    },
    /// A tagger that cannot find the values of a column.
    #[error("{model} has no label `{column}`: its labels are {}", labels.join(", "))]
    NoLabel {
        /// The tagger.
        model: String,
        /// The column.
        column: String,
        /// The labels that there are.
        labels: Vec<String>,
    },
    /// Attributes for an index without columns for them.
    #[error("{} was built without attributes: leave out --attributes", .0.display())]
    IndexWithoutAttributes(PathBuf),
    /// The columns are those of the index.
    #[error(
        "--column belongs to `infer index build`: rows are added with the columns of the index"
    )]
    ColumnsOfIndex,
    /// The precision of an index is none of this version's.
    #[error(
        "the index was built in precision `{0}`, which this version does not know; give --precision"
    )]
    PrecisionOfIndex(String),
    /// An option that the index decides.
    #[error("{0} cannot be given with --index: the index decides it")]
    DecidedByIndex(&'static str),
    /// A file of keys without a key, which would let everybody in or nobody.
    #[cfg(feature = "serve")]
    #[error("{} holds no key: write one per line", .0.display())]
    NoKeys(PathBuf),
    /// Standard input cannot be read twice.
    #[error("the queries and the corpus cannot both come from standard input; give one as a file")]
    StdinTwice,
}

impl ProgramError for Error {
    /// Usage is what another command line would mend; the rest is of the data or the machine.
    fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) | Self::UnknownId { .. } | Self::NotInIndex { .. } | Self::Filter(_) => {
                USAGE
            }
            Self::Index(error) if error.is_usage() => USAGE,
            Self::Model(error) if error.is_usage() => USAGE,
            Self::Read(error) if error.is_usage() => USAGE,
            Self::Attributes(error) if error.kind.is_usage() => USAGE,
            Self::MismatchedVectors { kind, .. } if kind.is_usage() => USAGE,
            Self::Vectors(VectorError::Target { kind, .. }) if !kind.is_io() => USAGE,
            Self::Vectors(VectorError::NoFormat { .. } | VectorError::ForeignFile { .. }) => USAGE,
            Self::Vectors(VectorError::Journal {
                kind:
                    JournalErrorKind::Settings { .. }
                    | JournalErrorKind::Foreign
                    | JournalErrorKind::Interrupted,
                ..
            }) => USAGE,
            _ => FAILURE,
        }
    }

    fn is_closed_pipe(&self) -> bool {
        let source: Option<&std::io::Error> = match self {
            Self::Stdout(source) => Some(source),
            Self::Vectors(error) => error.io_source(),
            Self::Json(error) => {
                return error.io_error_kind() == Some(std::io::ErrorKind::BrokenPipe);
            }
            _ => None,
        };
        source.is_some_and(|source| source.kind() == std::io::ErrorKind::BrokenPipe)
    }
}
