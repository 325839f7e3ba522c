//! The options of an index on disk: what it holds, and what is asked of it.

use std::path::PathBuf;
use std::str::FromStr;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand, ValueEnum};
use search::filter::{ColumnKind, FilterColumn};
use search::words::Language;
use search::{Mode, Sort};

use super::store::DEFAULT_STORE;
use super::{
    CorpusPromptArgs, DeviceArgs, IdsArgs, ModelArgs, PromptArgs, ReadArgs, WithModel, at_least_one,
};

/// The commands of `index`.
#[derive(Debug, Subcommand)]
pub enum IndexCommand {
    /// Build an index of a file of products.
    #[command(after_help = "\
Examples:
  infer index build --corpus products.csv --column title --id-column sku --output products.index
  infer index build --corpus products.jsonl.gz --column title --column description --id-column id \\
      --filter-column brand --filter-column price:number --filter-column mpn:key --output products.index

After an interruption, the same command continues: rows that are in the index are not embedded again.")]
    Build(WithModel<BuildArgs>),
    /// Add the rows of a file, or replace those with the same id.
    #[command(after_help = "\
Example:
  infer index add products.index --corpus changes.csv

Rows are read as `index build` read them. A row whose texts have not changed is not embedded again.")]
    Add(AddArgs),
    /// Remove rows by their ids.
    #[command(after_help = "\
Examples:
  infer index remove products.index B0042 B0043
  infer index remove products.index --ids sold-out.txt")]
    Remove(RemoveArgs),
    /// Show what an index holds, and what it is made of.
    Info(InfoArgs),
    /// Compare every file of an index with its checksum.
    Verify(FolderArgs),
    /// Join the segments of an index, and drop removed rows and an unfinished rebuild.
    Merge(FolderArgs),
    /// Embed all rows again with another model, and switch the index to it when all are there.
    #[command(after_help = "\
Example:
  infer index rebuild products.index --model tuned

Searches use the earlier vectors until then. After an interruption, the same command continues.")]
    Rebuild(WithModel<RebuildArgs>),
}

/// Arguments of `index build`.
#[derive(Debug, Args)]
pub struct BuildArgs {
    /// Read the rows of this file; - is standard input. Repeat it, or quote a pattern such as
    /// 'products-*.csv', for several.
    #[arg(long, value_name = "FILE|-", required = true)]
    pub corpus: Vec<PathBuf>,
    /// Write the index to this folder.
    #[arg(long, short, value_name = "DIR")]
    pub output: PathBuf,
    /// Keep this column for filters, facets and orders; repeat it for several. Kinds: text (default),
    /// number, boolean, date, and key for part numbers: a query that equals one finds its row first.
    #[arg(
        long = "filter-column",
        value_name = "NAME[:KIND]",
        value_parser = filter_column,
        help_heading = "Index"
    )]
    pub filter_columns: Vec<FilterColumn>,
    /// Keep the attributes in this file of `infer attributes` as filter columns too, by the ids of the rows. A column that
    /// --filter-column names comes from the corpus.
    #[arg(long, value_name = "FILE", help_heading = "Index")]
    pub attributes: Option<PathBuf>,
    /// Weigh the words of a text column N times [default: 1]; repeat it for several.
    #[arg(long = "column-weight", value_name = "NAME=N", value_parser = column_weight, help_heading = "Index")]
    pub column_weights: Vec<(String, f32)>,
    /// Stem words and leave out stop words of this language; none keeps every word as it is.
    #[arg(
        long,
        value_name = "LANGUAGE",
        default_value = "english",
        ignore_case = true,
        value_parser = language_parser(),
        hide_possible_values = true,
        help_heading = "Index"
    )]
    pub language: Language,
    /// The weight of words in a search by meaning and words, from 0 to 1; an index that is there takes another one.
    #[arg(long, value_name = "WEIGHT", value_parser = share, help_heading = "Index")]
    pub weight: Option<f32>,
    /// The format and the columns of the corpus.
    #[command(flatten)]
    pub read: ReadArgs,
    /// Keep the first N dimensions of each vector, and normalize again [default: those that the model
    /// keeps].
    #[arg(long, value_name = "N", value_parser = at_least_one, help_heading = "Vectors")]
    pub dimensions: Option<usize>,
    /// The prompt of queries.
    #[command(flatten)]
    pub prompts: PromptArgs,
    /// The prompt of the corpus.
    #[command(flatten)]
    pub corpus_prompts: CorpusPromptArgs,
}

/// Arguments of `index add`.
#[derive(Debug, Args)]
pub struct AddArgs {
    /// Add to the index in this folder.
    #[arg(value_name = "DIR")]
    pub index: PathBuf,
    /// Read the rows of this file; - is standard input. Repeat it, or quote a pattern, for several.
    #[arg(long, value_name = "FILE|-", required = true)]
    pub corpus: Vec<PathBuf>,
    /// Read the attributes of the rows from this file, where the index was built with attributes.
    #[arg(long, value_name = "FILE")]
    pub attributes: Option<PathBuf>,
    /// The format of the corpus. Its columns are those of the index.
    #[command(flatten)]
    pub read: ReadArgs,
    /// The device, and where the model is.
    #[command(flatten)]
    pub model: ModelArgs,
}

/// Arguments of `index remove`.
#[derive(Debug, Args)]
pub struct RemoveArgs {
    /// Remove from the index in this folder.
    #[arg(value_name = "DIR")]
    pub index: PathBuf,
    /// The rows.
    #[command(flatten)]
    pub rows: IdsArgs,
}

/// Arguments of `index info`.
#[derive(Debug, Args)]
pub struct InfoArgs {
    /// The folder of the index.
    #[arg(value_name = "DIR")]
    pub index: PathBuf,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// An index.
#[derive(Debug, Args)]
pub struct FolderArgs {
    /// The folder of the index.
    #[arg(value_name = "DIR")]
    pub index: PathBuf,
}

/// Arguments of `index rebuild`.
#[derive(Debug, Args)]
pub struct RebuildArgs {
    /// The folder of the index.
    #[arg(value_name = "DIR")]
    pub index: PathBuf,
    /// Keep the first N dimensions of each vector [default: those that the model keeps].
    #[arg(long, value_name = "N", value_parser = at_least_one, help_heading = "Vectors")]
    pub dimensions: Option<usize>,
    /// The prompt of queries.
    #[command(flatten)]
    pub prompts: PromptArgs,
    /// The prompt of the corpus.
    #[command(flatten)]
    pub corpus_prompts: CorpusPromptArgs,
}

/// What is asked of an index.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Index")]
pub struct AskArgs {
    /// Search this folder of `infer index build`, instead of a corpus.
    #[arg(
        long,
        value_name = "DIR",
        groups = ["searched", "with_columns"],
        conflicts_with_all = ["corpus", "vectors"]
    )]
    pub index: Option<PathBuf>,
    /// Search PostgreSQL on these servers, loaded by `infer store load`, as postgres://user@host/database.
    #[arg(
        long,
        value_name = "URL,...",
        value_delimiter = ',',
        groups = ["searched", "with_columns"],
        conflicts_with_all = ["corpus", "vectors"]
    )]
    pub store: Vec<String>,
    /// Search the store of this name on the servers.
    #[arg(long, value_name = "NAME", default_value = DEFAULT_STORE, conflicts_with = "index", requires = "store")]
    pub store_name: String,
    /// Answer without the servers that do not, and say so, instead of failing.
    #[arg(long, conflicts_with = "index", requires = "store")]
    pub partial: bool,
    /// Compare every row of the store, instead of using its HNSW index.
    #[arg(long, conflicts_with = "index", requires = "store")]
    pub exact: bool,
    /// Find only rows with these values, as 'brand = Logitech AND price < 50'.
    #[arg(long, value_name = "FILTER", requires = "with_columns")]
    pub filter: Option<String>,
    /// Count the values of these filter columns over the rows that the filter keeps; its conditions on the column itself
    /// do not count.
    #[arg(
        long,
        value_name = "COLUMN,...",
        value_delimiter = ',',
        requires = "with_columns"
    )]
    pub facets: Vec<String>,
    /// Order by this filter column instead of the score; a - before it puts the largest first. All rows that the filter
    /// keeps are ordered, with hybrid and words those that have a word of the query.
    #[arg(long, value_name = "[-]COLUMN", allow_hyphen_values = true, requires = "searched", value_parser = sort)]
    pub sort: Option<Sort>,
    /// Pass over the first N hits.
    #[arg(long, value_name = "N", default_value_t = 0, requires = "with_columns")]
    pub offset: usize,
    /// Leave out hits with a lower score.
    #[arg(
        long,
        value_name = "SCORE",
        allow_hyphen_values = true,
        requires = "with_columns",
        value_parser = finite
    )]
    pub min_score: Option<f32>,
    /// Scan codes of 1 bit per dimension, so that this share of the exact hits is found [default: an
    /// exact search].
    #[arg(long, value_name = "SHARE", value_parser = share, requires = "searched")]
    pub recall: Option<f32>,
    /// Say for each hit where its score comes from.
    #[arg(long, requires = "searched")]
    pub explain: bool,
}

/// How queries are compared with the rows of an index.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Index")]
pub struct RankArgs {
    /// Rank by meaning, words, or both (hybrid).
    #[arg(long, value_name = "MODE", default_value = "hybrid", requires = "searched", value_parser = mode_parser())]
    pub mode: Mode,
    /// The weight of words, from 0 to 1 [default: that of the index].
    #[arg(long, value_name = "WEIGHT", value_parser = share, requires = "searched")]
    pub weight: Option<f32>,
    /// Join both rankings by a weighted sum of scores, or by reciprocal ranks.
    #[arg(
        long,
        value_name = "FUSION",
        default_value = "sum",
        requires = "searched",
        conflicts_with = "weight"
    )]
    pub fusion: FusionChoice,
    /// Do not look for words within one typing error of an unknown word.
    #[arg(long, requires = "searched")]
    pub no_typos: bool,
}

/// How both rankings are joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FusionChoice {
    /// The weighted sum of scaled scores
    Sum,
    /// Reciprocal rank fusion
    Rrf,
}

impl IndexCommand {
    /// The device of a command that computes.
    #[must_use]
    pub fn device(&self) -> Option<&DeviceArgs> {
        match self {
            Self::Build(command) => Some(&command.model.device),
            Self::Add(args) => Some(&args.model.device),
            Self::Rebuild(command) => Some(&command.model.device),
            Self::Remove(_) | Self::Info(_) | Self::Verify(_) | Self::Merge(_) => None,
        }
    }
}

fn filter_column(word: &str) -> Result<FilterColumn, String> {
    let (name, kind) = match word.rsplit_once(':') {
        Some((name, kind)) => match ColumnKind::from_name(kind) {
            Some(kind) => (name, kind),
            None => {
                let kinds = ColumnKind::ALL.map(ColumnKind::name).join(", ");
                return Err(format!("no kind is called `{kind}`; the kinds are {kinds}"));
            }
        },
        None => (word, ColumnKind::Text),
    };
    if name.is_empty() {
        return Err("the name of the column is missing".to_owned());
    }
    Ok(FilterColumn {
        name: name.to_owned(),
        kind,
    })
}

fn column_weight(word: &str) -> Result<(String, f32), String> {
    let parsed = word.rsplit_once('=').and_then(|(name, weight)| {
        let weight = f32::from_str(weight).ok()?;
        (weight > 0.0 && weight.is_finite()).then(|| (name.to_owned(), weight))
    });
    parsed.ok_or_else(|| "it must be a column, = and a number above 0, as title=2".to_owned())
}

/// A number that orders others.
fn finite(word: &str) -> Result<f32, String> {
    match word.parse::<f32>() {
        Ok(number) if number.is_finite() => Ok(number),
        _ => Err("it must be a number".to_owned()),
    }
}

/// A number from 0 to 1.
fn share(word: &str) -> Result<f32, String> {
    match word.parse() {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
        _ => Err("it must be a number from 0 to 1".to_owned()),
    }
}

fn sort(word: &str) -> Result<Sort, String> {
    let (column, descending) = match word.strip_prefix('-') {
        Some(column) => (column, true),
        None => (word, false),
    };
    if column.is_empty() {
        return Err("the name of the column is missing".to_owned());
    }
    Ok(Sort {
        column: column.to_owned(),
        descending,
    })
}

fn mode_parser() -> impl TypedValueParser<Value = Mode> {
    PossibleValuesParser::new(Mode::ALL.map(Mode::name))
        .map(|word| Mode::from_name(&word).unwrap_or_default())
}

fn language_parser() -> impl TypedValueParser<Value = Language> {
    PossibleValuesParser::new(Language::ALL.map(Language::name))
        .map(|word| Language::from_name(&word.to_lowercase()).unwrap_or_default())
}
