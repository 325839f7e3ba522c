//! The command line.

use std::path::PathBuf;
use std::sync::LazyLock;

use clap::{ArgGroup, Args, CommandFactory, Parser, Subcommand};
use model::Device;
use model::hub::DEFAULT_MODEL;
use model::threads::ThreadCount;
use program::Version;

use crate::config::{Given, GivenForReranker, at_least_one, share_to_1};
use crate::data::ColumnMap;

mod distill;
mod tag;

pub(crate) use distill::DECIDED;
use distill::DISTILL_EXAMPLES;
pub use distill::DistillArgs;
use tag::TAG_EXAMPLES;
pub use tag::TagArgs;

const EXAMPLES: &str = "\
Examples:
  train fit                                            the five demo pairs, before and after
  train fit --train pairs.tsv --split 0.1 --output tuned
  train fit --config training.toml --resume
  train evaluate --similarity datasets/sts/stsb_open_test.tsv --model tuned
  train rerank --train pairs.tsv --output reranker     a model that orders what a search finds
  train tag --train products.csv --label brand --output tagger   a model that finds brands
  train losses                                         list losses and the data they need";

static SHORT_VERSION: LazyLock<String> = LazyLock::new(|| version().short());

static LONG_VERSION: LazyLock<String> = LazyLock::new(|| version().long());

fn version() -> Version {
    Version::new(env!("CARGO_PKG_VERSION"), &Device::compiled_in())
}

/// Fine-tune all-mpnet-base-v2 on your own queries and products, and measure the gain.
#[derive(Debug, Parser)]
#[command(
    name = "train",
    version = SHORT_VERSION.as_str(),
    long_version = LONG_VERSION.as_str(),
    after_help = EXAMPLES,
    max_term_width = 100
)]
pub struct Cli {
    /// Print only results, warnings and errors, no progress.
    #[arg(short, long, global = true, display_order = 901)]
    pub quiet: bool,
    /// Subcommand.
    #[command(subcommand)]
    pub command: Command,
}

impl Cli {
    /// The command line of this process. A wrong one ends the process, as `--help` does.
    #[must_use]
    pub fn of_process() -> Self {
        program::arguments::parse(Self::command())
    }
}

/// The threads of a command that computes.
#[derive(Clone, Debug, Args)]
pub struct ThreadArgs {
    /// Compute with N threads on the CPU [default: RAYON_NUM_THREADS, else the number of physical
    /// cores].
    #[arg(
        long,
        value_name = "N",
        env = "MPNET_BURN_THREADS",
        hide_env_values = true,
        display_order = 900
    )]
    pub threads: Option<ThreadCount>,
}

/// Where a command computes, and whether it may fetch models.
#[derive(Clone, Debug, Args)]
pub struct MachineArgs {
    /// Compute on auto, cpu, ndarray, wgpu, wgpu:N, cuda or cuda:N, among those compiled in.
    #[arg(
        long,
        value_name = "DEVICE",
        default_value = "auto",
        env = "MPNET_BURN_DEVICE",
        hide_env_values = true
    )]
    pub device: Device,
    /// Threads.
    #[command(flatten)]
    pub threads: ThreadArgs,
    /// Use only files that are already on this machine, as HF_HUB_OFFLINE=1 does.
    #[arg(long)]
    pub offline: bool,
}

/// Subcommands of `train`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Train a model on rows of texts.
    #[command(after_help = FIT_EXAMPLES)]
    Fit(Box<FitArgs<Given>>),
    /// Train a reranker, which reads a query and a text together, on rows of texts.
    #[command(after_help = RERANK_EXAMPLES)]
    Rerank(Box<FitArgs<GivenForReranker>>),
    /// Train a tagger, which finds brands, colours and other attributes in texts.
    #[command(after_help = TAG_EXAMPLES)]
    Tag(Box<TagArgs>),
    /// Make a smaller model that has the vectors of a teacher.
    #[command(after_help = DISTILL_EXAMPLES)]
    Distill(Box<DistillArgs>),
    /// Score a model, or compare several.
    #[command(after_help = EVALUATE_EXAMPLES)]
    Evaluate(Box<EvaluateArgs>),
    /// Find hard negatives: products near a query that are not right for it.
    #[command(after_help = MINE_EXAMPLES)]
    Mine(Box<MineArgs>),
    /// List the losses, the data they need and when to use them.
    Losses,
    /// Write man pages and completion scripts to a folder, for a release archive.
    #[command(hide = true)]
    Manual {
        /// Write to this folder.
        folder: PathBuf,
    },
}

const MINE_EXAMPLES: &str = "\
Examples:
  train mine --pairs clicks.tsv --corpus products.tsv --output mined.jsonl
  train mine --pairs clicks.tsv --columns anchor=query,positive=title --corpus products.csv \\
      --corpus-columns sku,title --model tuned --per-row 5 --output mined.jsonl
  train fit --train mined.jsonl --output tuned2";

const FIT_EXAMPLES: &str = "\
Examples:
  train fit
  train fit --train clicks.tsv --columns anchor=query,positive=title --split 0.1 --output tuned
  train fit --train triplets.jsonl.gz --loss triplet-cosine --epochs 3 --output tuned
  train fit --train pairs.parquet --valid sts.tsv --lora 16 --batch-size 128 --mini-batch-size 32 \\
      --output tuned
  train fit --output tuned --resume";

const RERANK_EXAMPLES: &str = "\
Examples:
  train rerank --train clicks.tsv --columns anchor=query,positive=title --split 0.1 --output reranker
  train rerank --train mined.jsonl --loss binary-cross-entropy --output reranker
  train evaluate --model tuned --reranker reranker --queries q.jsonl --corpus docs.jsonl --qrels qrels.tsv
  infer search \"water bottle\" --corpus products.csv --column title --rerank reranker";

/// Arguments of `fit`, `rerank`, `tag` and `distill`.
#[derive(Clone, Debug, Args)]
pub struct FitArgs<S: Args> {
    /// Read settings from a TOML or JSON file; command-line options override it. The file cannot
    /// set --quiet, --no-dashboard, --resume and --threads.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Resume the run in the output folder from its last checkpoint.
    #[arg(long)]
    pub resume: bool,
    /// Print plain progress lines even on a terminal.
    #[arg(long)]
    pub no_dashboard: bool,
    /// Threads.
    #[command(flatten)]
    pub threads: ThreadArgs,
    /// Settings of the run.
    #[command(flatten)]
    pub settings: S,
}

const EVALUATE_EXAMPLES: &str = "\
Examples:
  train evaluate
  train evaluate --model sentence-transformers/all-mpnet-base-v2 --model tuned
  train evaluate --model tuned --pairs test.tsv --columns anchor=title,positive=description
  train evaluate --model tuned --queries q.jsonl --corpus docs.jsonl.gz --qrels qrels.tsv --json
  train evaluate --index products.index --qrels qrels.tsv --tune
  train evaluate --model tuned --reranker reranker --corpus docs.jsonl.gz --qrels qrels.tsv
  train evaluate --model tagger --tags test.jsonl --seen train.jsonl

Without data, evaluates on the judged products of datasets/chorus-electronics and the sentence
pairs of datasets/sts.";

/// Arguments of `mine`.
#[derive(Clone, Debug, Args)]
pub struct MineArgs {
    /// Read pairs of a query and a right product from this file, or from a folder of Parquet files.
    #[arg(long, value_name = "FILE")]
    pub pairs: PathBuf,
    /// Take negatives from this file of products.
    #[arg(long, value_name = "FILE")]
    pub corpus: PathBuf,
    /// Assign the columns of the pairs to roles, for example anchor=query,positive=title [default: by
    /// name, else by order].
    #[arg(long, value_name = "ROLE=NAME,...")]
    pub columns: Option<ColumnMap>,
    /// Name the column of the pairs that has the id of the right product in the corpus, for products
    /// whose texts differ there.
    #[arg(long, value_name = "NAME")]
    pub positive_id: Option<String>,
    /// Name the id column of the corpus, then its text columns.
    #[arg(long, value_name = "ID,NAME,...", value_delimiter = ',')]
    pub corpus_columns: Vec<String>,
    /// Write rows with negatives to this file of JSON Lines [default: standard output].
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Find N negatives for every pair; a pair with fewer is left out.
    #[arg(long, value_name = "N", value_parser = at_least_one(), default_value_t = 3)]
    pub per_row: usize,
    /// Leave out the N products that are nearest to the query.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub range_min: usize,
    /// Look at the N products that are nearest to the query.
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub range_max: usize,
    /// Take a product only if its score is lower than the positive's by this share of it.
    #[arg(long, value_name = "SHARE", value_parser = share_to_1, default_value_t = 0.05)]
    pub relative_margin: f32,
    /// Embed with this model, a name on the hub or a folder.
    #[arg(
        long,
        value_name = "NAME|DIR",
        default_value = DEFAULT_MODEL,
        env = "MPNET_BURN_MODEL",
        hide_env_values = true
    )]
    pub model: String,
    /// Score the nearest products with this cross-encoder, a name on the hub or a folder, and write its
    /// scores for margin-mse and kl-divergence.
    #[arg(long, value_name = "NAME|DIR")]
    pub reranker: Option<String>,
    /// Device, threads and network.
    #[command(flatten)]
    pub machine: MachineArgs,
}

/// Arguments of `evaluate`.
#[derive(Clone, Debug, Args)]
pub struct EvaluateArgs {
    /// Score this model, a name on the hub or a folder; repeat to compare several with the first
    /// [default: sentence-transformers/all-mpnet-base-v2].
    #[arg(
        long,
        value_name = "NAME|DIR",
        env = "MPNET_BURN_MODEL",
        hide_env_values = true
    )]
    pub model: Vec<String>,
    /// Device, threads and network.
    #[command(flatten)]
    pub machine: MachineArgs,
    /// Truncate texts to N tokens [default: each model's].
    #[arg(long, value_name = "N", value_parser = at_least_one())]
    pub max_length: Option<usize>,
    /// Print JSON instead of a table.
    #[arg(long)]
    pub json: bool,
    /// What to evaluate on.
    #[command(flatten, next_help_heading = "Data")]
    pub data: EvaluationData,
}

/// The data of `evaluate`, and how to read and rank them.
#[derive(Clone, Debug, Args)]
#[command(group(ArgGroup::new("documents").args(["corpus", "index"])))]
pub struct EvaluationData {
    /// Order the documents that the model finds with this reranker, and compare both rankings; repeat for
    /// several.
    #[arg(
        long,
        value_name = "NAME|DIR",
        conflicts_with_all = ["similarity", "pairs", "triplets", "columns", "index"],
    )]
    pub reranker: Vec<String>,
    /// Let the reranker order the first N documents of each query.
    #[arg(
        long,
        value_name = "N",
        requires = "reranker",
        value_parser = at_least_one(),
        default_value_t = 100,
    )]
    pub depth: usize,
    /// Measure how well cosines follow the scores of text pairs (Spearman, Pearson).
    #[arg(long, value_name = "FILE")]
    pub similarity: Vec<PathBuf>,
    /// Rank the second texts of all pairs for each first text (nDCG@10, accuracy@1, MRR@10).
    #[arg(long, value_name = "FILE")]
    pub pairs: Vec<PathBuf>,
    /// Measure how often the positive is nearer to the anchor than the negative.
    #[arg(long, value_name = "FILE")]
    pub triplets: Vec<PathBuf>,
    /// Measure how many spans of these texts taggers find: JSON Lines with spans, or CoNLL.
    #[arg(
        long,
        value_name = "FILE",
        requires = "model",
        conflicts_with_all = ["similarity", "pairs", "triplets", "columns", "corpus", "index", "qrels", "reranker"],
    )]
    pub tags: Vec<PathBuf>,
    /// Also score the spans whose values these training rows do not have.
    #[arg(long, value_name = "FILE", requires = "tags")]
    pub seen: Vec<PathBuf>,
    /// Leave out spans with a score below P, from 0 to 1.
    #[arg(long, value_name = "P", requires = "tags", value_parser = share_to_1, default_value_t = 0.0)]
    pub threshold: f32,
    /// Take attributes that a row of --tags does not state as absent, not as unknown.
    #[arg(long, requires = "tags")]
    pub complete: bool,
    /// Assign the columns of these files to roles, for example anchor=title,positive=description.
    /// Roles: anchor or first, positive or second, negative or third, score or label. A file
    /// without these columns uses its own [default: by name, else by order, as in training].
    #[arg(long, value_name = "ROLE=NAME,...")]
    pub columns: Option<ColumnMap>,
    /// Read queries and their ids, for --qrels [default: the qrels hold the query texts].
    #[arg(long, value_name = "FILE", requires = "qrels")]
    pub queries: Option<PathBuf>,
    /// Read documents and their ids, for --qrels.
    #[arg(long, value_name = "FILE", requires = "qrels")]
    pub corpus: Option<PathBuf>,
    /// Search this folder of `infer index build` instead of a corpus, for --qrels: by meaning, by words
    /// and by both.
    #[arg(
        long,
        value_name = "DIR",
        requires = "qrels",
        conflicts_with_all = ["corpus", "similarity", "pairs", "triplets", "columns", "max_length"],
    )]
    pub index: Option<PathBuf>,
    /// Choose the weight of words in the index on one half of the queries, and test it on the other.
    #[arg(long, requires = "index")]
    pub tune: bool,
    /// Read relevance judgements: a query, a document and its relevance per row.
    #[arg(long, value_name = "FILE", requires = "documents")]
    pub qrels: Option<PathBuf>,
    /// Name the id column of the queries, then their text columns.
    #[arg(
        long,
        value_name = "ID,NAME,...",
        value_delimiter = ',',
        requires = "queries"
    )]
    pub query_columns: Vec<String>,
    /// Name the id column of the corpus, then its text columns.
    #[arg(
        long,
        value_name = "ID,NAME,...",
        value_delimiter = ',',
        requires = "corpus"
    )]
    pub corpus_columns: Vec<String>,
    /// Name the qrels columns of query, document and relevance.
    #[arg(
        long,
        value_name = "QUERY,DOC,RELEVANCE",
        value_delimiter = ',',
        requires = "qrels"
    )]
    pub qrels_columns: Vec<String>,
    /// Count the first N results for accuracy, precision and recall; 1,3,5,10,100 adds recall@100
    /// [default: 1,3,5,10].
    #[arg(
        long,
        value_name = "N,...",
        value_delimiter = ',',
        value_parser = at_least_one(),
    )]
    pub cutoffs: Vec<usize>,
    /// Rank only the documents judged for a query instead of the whole corpus.
    #[arg(long, requires = "qrels")]
    pub judged_only: bool,
}
