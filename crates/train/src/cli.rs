//! The command line.

use std::path::PathBuf;
use std::sync::LazyLock;

use clap::{Args, Parser, Subcommand};
use model::{Device, ThreadCount};
use program::Version;

use crate::options::FitOptions;

const EXAMPLES: &str = "\
Examples:
  train fit                                            the five pairs of the seed, before and after
  train fit --train pairs.tsv --split 0.1 --output tuned
  train fit --config training.toml --resume
  train evaluate --similarity datasets/sts/stsb_open_test.tsv --model tuned
  train losses                                         which loss for which data";

static SHORT_VERSION: LazyLock<String> = LazyLock::new(|| version().short());

static LONG_VERSION: LazyLock<String> = LazyLock::new(|| version().long());

fn version() -> Version {
    Version::new(env!("CARGO_PKG_VERSION"), &Device::compiled_in())
}

/// Fine-tune all-mpnet-base-v2 on your own queries and products, and measure what it gained.
#[derive(Debug, Parser)]
#[command(
    name = "train",
    version = SHORT_VERSION.as_str(),
    long_version = LONG_VERSION.as_str(),
    after_help = EXAMPLES,
    max_term_width = 100
)]
pub struct Cli {
    /// Print results, warnings and errors only, no progress.
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// How many threads compute on the processor; they may run on any core [default:
    /// RAYON_NUM_THREADS, or as many as physical cores].
    #[arg(long, global = true, value_name = "N")]
    pub threads: Option<ThreadCount>,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Train a model on rows of texts.
    #[command(after_help = FIT_EXAMPLES)]
    Fit(Box<FitArgs>),
    /// Score one model, or set several side by side.
    #[command(after_help = EVALUATE_EXAMPLES)]
    Evaluate(Box<EvaluateArgs>),
    /// List the losses: what each needs and when to use it.
    Losses,
    /// Write man pages and completion scripts to a folder, for a release archive.
    #[command(hide = true)]
    Manual {
        /// Write to this folder.
        folder: PathBuf,
    },
}

const FIT_EXAMPLES: &str = "\
Examples:
  train fit
  train fit --train clicks.tsv --columns anchor=query,positive=title --split 0.1 --output tuned
  train fit --train triplets.jsonl.gz --loss triplet-cosine --epochs 3 --output tuned
  train fit --train pairs.parquet --valid sts.tsv --lora 16 --batch-size 128 --mini-batch-size 32 \\
      --output tuned
  train fit --output tuned --resume";

/// Arguments of `fit`.
#[derive(Clone, Debug, Args)]
pub struct FitArgs {
    /// Settings from a TOML or JSON file; what stands on the command line counts before it. How a
    /// run is shown, continued and shared out (--quiet, --no-dashboard, --resume, --threads) is for
    /// the command line alone.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Go on with the run in the output folder, from its last checkpoint.
    #[arg(long)]
    pub resume: bool,
    /// Print plain lines of progress even on a terminal.
    #[arg(long)]
    pub no_dashboard: bool,
    /// Settings of the run.
    #[command(flatten)]
    pub options: FitOptions,
}

const EVALUATE_EXAMPLES: &str = "\
Examples:
  train evaluate
  train evaluate --model sentence-transformers/all-mpnet-base-v2 --model tuned
  train evaluate --model tuned --pairs test.tsv --columns anchor=title,positive=description
  train evaluate --model tuned --queries q.jsonl --corpus docs.jsonl.gz --qrels qrels.tsv --json

Without data, the judged products of datasets/chorus-electronics and the open sentence pairs of
datasets/sts are used.";

/// Arguments of `evaluate`.
#[derive(Clone, Debug, Args)]
pub struct EvaluateArgs {
    /// A model to score, by name or folder; several are compared with the first [default:
    /// sentence-transformers/all-mpnet-base-v2].
    #[arg(long, value_name = "NAME|DIR")]
    pub model: Vec<String>,
    /// auto, cpu, ndarray, wgpu, wgpu:N, cuda or cuda:N, among those this program was built with.
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    pub device: Device,
    /// The most tokens of a text that are read [default: as each model says].
    #[arg(long, value_name = "N")]
    pub max_length: Option<usize>,
    /// Use only what is on this machine already (as HF_HUB_OFFLINE=1 does).
    #[arg(long)]
    pub offline: bool,

    /// Pairs of texts with a score: how well cosines follow it (Spearman, Pearson).
    #[arg(long, value_name = "FILE", help_heading = "Data")]
    pub similarity: Vec<PathBuf>,
    /// Pairs of texts that belong together: where does each second text stand among all of them?
    #[arg(long, value_name = "FILE", help_heading = "Data")]
    pub pairs: Vec<PathBuf>,
    /// Anchor, positive, negative: is the positive nearer?
    #[arg(long, value_name = "FILE", help_heading = "Data")]
    pub triplets: Vec<PathBuf>,
    /// Columns of the files above, as anchor=title,positive=description (roles: anchor or first,
    /// positive or second, negative or third, score or label); a file that lacks one goes by its own
    /// [default: by their names, else by their order, as in training].
    #[arg(long, value_name = "ROLE=NAME,...", help_heading = "Data")]
    pub columns: Option<String>,
    /// Queries with an id, for --qrels [default: the qrels hold the queries themselves].
    #[arg(long, value_name = "FILE", requires = "qrels", help_heading = "Data")]
    pub queries: Option<PathBuf>,
    /// Documents with an id, for --qrels.
    #[arg(long, value_name = "FILE", requires = "qrels", help_heading = "Data")]
    pub corpus: Option<PathBuf>,
    /// Which document answers which query, and how well.
    #[arg(long, value_name = "FILE", requires = "corpus", help_heading = "Data")]
    pub qrels: Option<PathBuf>,
    /// The column of the ids of the queries, then those of their text.
    #[arg(
        long,
        value_name = "ID,NAME,...",
        value_delimiter = ',',
        requires = "queries",
        help_heading = "Data"
    )]
    pub query_columns: Vec<String>,
    /// The column of the ids of the corpus, then those of the text of a document.
    #[arg(
        long,
        value_name = "ID,NAME,...",
        value_delimiter = ',',
        requires = "corpus",
        help_heading = "Data"
    )]
    pub corpus_columns: Vec<String>,
    /// The columns of the qrels: of the query, the document and the grade.
    #[arg(
        long,
        value_name = "QUERY,DOC,GRADE",
        value_delimiter = ',',
        requires = "qrels",
        help_heading = "Data"
    )]
    pub qrels_columns: Vec<String>,
    /// How many results count for accuracy, precision and recall in retrieval; with
    /// `1,3,5,10,100` recall@100 too [default: 1,3,5,10].
    #[arg(
        long,
        value_name = "N,...",
        value_delimiter = ',',
        help_heading = "Data"
    )]
    pub cutoffs: Vec<usize>,
    /// Rank only the documents that were judged for a query, not the whole corpus.
    #[arg(long, requires = "qrels", help_heading = "Data")]
    pub judged_only: bool,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}
