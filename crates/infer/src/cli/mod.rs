//! The command line.
//!
//! An option belongs to the commands that use it; the others refuse it. It may also come before the
//! command, see [`program::arguments`].
//!
//! clap applies `next_help_heading` to all later options of a command, so options without a heading
//! come before the flattened groups.

mod attributes;
mod commands;
mod device;
mod index;
mod prompts;
mod reading;
mod search_attributes;
#[cfg(feature = "serve")]
mod serve;
mod store;
mod vectors;

use std::path::PathBuf;
use std::sync::LazyLock;

use clap::{Args, CommandFactory, Parser, Subcommand};
use clap_complete::Shell;
use model::Device;
use program::Version;

pub use attributes::{AttributesArgs, AttributesForm};
pub use commands::{
    BenchArgs, DoctorArgs, EmbedArgs, ExportArgs, RecommendArgs, RerankArgs, RerankFileArgs,
    SearchArgs, SimilarityArgs, StaticFormatChoice,
};
pub use device::{DeviceArgs, HubArgs, ModelArgs};
pub use index::{
    AddArgs, AskArgs, BuildArgs, FolderArgs, FusionChoice, IndexCommand, InfoArgs, RankArgs,
    RebuildArgs, RemoveArgs,
};
pub use prompts::{CorpusPromptArgs, PromptArgs, Task};
pub use reading::{CorpusArgs, IdsArgs, ReadArgs};
pub use search_attributes::AttributeArgs;
#[cfg(feature = "serve")]
pub use serve::ServeArgs;
pub use store::{LoadArgs, RenameArgs, StoreArgs, StoreCommand, StoreInfoArgs, StoreRemoveArgs};
pub use vectors::{CompareArgs, Comparison, VectorArgs};

const EXAMPLES: &str = "\
Examples:
  infer search \"gift for a runner\" --corpus products.csv --column title -k 5
  infer index build --corpus products.csv --column title --id-column sku --output products.index
  infer search \"gift for a runner\" --index products.index
  infer embed --input products.csv --column title --id-column sku --output products.parquet
  infer recommend B0042 --corpus products.csv --column title --id-column sku
  infer similarity \"smart speaker\" \"voice assistant\"
  infer doctor                                        device, model and a self-check
  infer                                               embed three sample queries";

static SHORT_VERSION: LazyLock<String> = LazyLock::new(|| version().short());

static LONG_VERSION: LazyLock<String> = LazyLock::new(|| version().long());

fn version() -> Version {
    Version::new(env!("CARGO_PKG_VERSION"), &Device::compiled_in())
}

/// Search products by meaning: embed, compare, search and recommend texts with all-mpnet-base-v2.
///
/// Without a command, infer embeds three sample queries and saves them to sample_embeddings.pt.
#[derive(Debug, Parser)]
#[command(
    name = "infer",
    version = SHORT_VERSION.as_str(),
    long_version = LONG_VERSION.as_str(),
    after_help = EXAMPLES,
    max_term_width = 100
)]
pub struct Cli {
    /// Print errors only, without progress and notes.
    #[arg(short, long, global = true, display_order = 900)]
    pub quiet: bool,
    /// Print also the device, the threads, the model, the precision, and where vectors come from.
    #[arg(
        short,
        long,
        global = true,
        conflicts_with = "quiet",
        display_order = 901
    )]
    pub verbose: bool,
    /// The model and its device, without a command.
    #[command(flatten)]
    pub model: ModelArgs,
    /// The command.
    #[command(subcommand)]
    pub command: Option<Command>,
}

impl Cli {
    /// The command line of this process. A wrong one ends the process, as `--help` does.
    #[must_use]
    pub fn of_process() -> Self {
        program::arguments::parse(Self::command())
    }
}

/// The arguments of a command, and the options of its model.
#[derive(Debug, Args)]
pub struct WithModel<A: Args> {
    /// The arguments of the command.
    #[command(flatten)]
    pub args: A,
    /// The model and its device.
    #[command(flatten)]
    pub model: ModelArgs,
}

/// Larger numbers could overflow in sums and products.
const MOST: usize = usize::MAX >> 24;

/// A number from 1, for options where 0 makes no sense.
fn at_least_one(word: &str) -> Result<usize, String> {
    match word.parse() {
        Ok(0) => Err("it must be at least 1".to_owned()),
        Ok(number) if number > MOST => Err(format!("it must be at most {MOST}")),
        Ok(number) => Ok(number),
        Err(_) => Err("it must be a whole number from 1".to_owned()),
    }
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Turn texts into vectors.
    #[command(after_help = "\
Examples:
  infer embed \"smart home speaker\" \"compact wireless keyboard\"
  infer embed --input queries.txt --output queries.npy
  infer embed --input products.csv --column title --column description --id-column sku --output products.parquet
  zcat products.jsonl.gz | infer embed --format jsonl --column title > vectors.jsonl

Prefer .parquet: it holds ids, texts and vectors, and a search can verify them. .npy and .pt hold vectors alone; with \
--id-column, their ids are in FILE.ids.txt, one per line. After an interruption, the same command with --resume \
continues the run; --restart starts again.")]
    Embed(WithModel<EmbedArgs>),
    /// Find brands, colours and other attributes in texts, with a model of `train tag`.
    #[command(after_help = "\
Examples:
  infer attributes \"acme steel water bottle, 1 l, dark blue\" --model tagger
  infer attributes --model tagger --input products.csv --column title --id-column sku > attributes.jsonl
  infer attributes --model tagger --input products.csv --column title --threshold 0.8 --output products-tagged.csv

The offsets of spans count characters (Unicode scalar values) from 0; the end is behind the last one. After an \
interruption, the same command with --resume continues the run; --restart starts again.")]
    Attributes(WithModel<AttributesArgs>),
    /// Compare two texts, or two columns of a file.
    #[command(after_help = "\
Examples:
  infer similarity \"smart home speaker\" \"voice assistant\"
  infer similarity --input pairs.tsv --column query --column description")]
    Similarity(WithModel<SimilarityArgs>),
    /// Find the texts of a file, or the products of an index, that are closest to a query.
    #[command(after_help = "\
Examples:
  infer search \"high end water bottle\" --corpus products.csv --column title
  infer embed --input products.csv --column title --output products.parquet
  infer search \"high end water bottle\" --corpus products.csv --column title --vectors products.parquet --json
  infer search --queries queries.txt --corpus products.csv --column title --json > hits.jsonl
  infer search \"steel bottle\" --index products.index --filter 'brand = Acme AND price < 50'
  infer search \"acme bottle\" --index products.index --boost brand=0.2 --facets brand,colour

Queries can come from standard input too: cat queries.txt | infer search --corpus products.csv")]
    Search(WithModel<SearchArgs>),
    /// Order the texts of a file by a reranker, which reads each of them together with the query.
    #[command(after_help = "\
Example:
  infer rerank \"steel bottle\" --corpus products.csv --column title --model cross-encoder/ms-marco-MiniLM-L6-v2

It is slow for a whole catalogue: infer search --rerank MODEL reads only the best hits.")]
    Rerank(WithModel<RerankFileArgs>),
    /// Recommend products of a file or an index that are similar to others, or to a text.
    #[command(after_help = "\
Examples:
  infer recommend B0042 --corpus products.csv --column title --id-column sku
  infer recommend --text \"stainless bottle that keeps drinks cold\" --corpus products.csv --column title
  infer recommend B0042 B0043 --not B0099 --index products.index

Several products are twice the mean of their vectors, less the mean of those of --not. Without --id-column, ID is the number of the row, from 1.")]
    Recommend(WithModel<RecommendArgs>),
    /// Build an index of products on disk, and change it.
    #[command(subcommand)]
    Index(IndexCommand),
    /// Load an index into PostgreSQL with pgvector.
    #[command(subcommand)]
    Store(StoreCommand),
    /// Answer clients over HTTP: vectors, search and recommendations.
    #[cfg(feature = "serve")]
    #[command(
        mut_args(serve::with_variable),
        after_help = "\
Examples:
  infer serve
  infer serve --index products.index
  curl 127.0.0.1:8080/embed -H 'content-type: application/json' -d '{\"inputs\": \"steel bottle\"}'

Clients of text-embeddings-inference and of OpenAI need another address alone. /api-doc/openapi.json lists all routes. \
SIGTERM ends it when running requests are finished."
    )]
    Serve(WithModel<ServeArgs>),
    /// Measure this machine: texts/s for each file, load time and memory.
    #[command(after_help = "\
Examples:
  infer bench datasets/bench/singles.txt datasets/bench/queries.txt --json
  infer bench datasets/bench/queries.txt --precision bf16 --threads 2

A file named singles.* is encoded with one text per call, which measures latency.")]
    Bench(WithModel<BenchArgs>),
    /// Show device, threads, model and load time, and check one known vector.
    Doctor(DoctorArgs),
    /// Download the model and print its folder.
    Fetch(HubArgs),
    /// Write the model to a folder, with weights in another precision.
    #[command(after_help = "\
Examples:
  infer export --precision int8 --output all-mpnet-base-v2-int8
  infer embed \"high end water bottle\" --model all-mpnet-base-v2-int8

sentence-transformers opens folders in f32, f16 and bf16, and in int8 with the compressed-tensors package.
An existing model folder is replaced.")]
    Export(ExportArgs),
    /// Print a completion script for a shell.
    #[command(
        after_help = "Example:\n  infer completions bash > ~/.local/share/bash-completion/completions/infer"
    )]
    Completions {
        /// Name the shell.
        shell: Shell,
    },
    /// Write man pages and completion scripts to a folder, for a release archive.
    #[command(hide = true)]
    Manual {
        /// Write to this folder.
        folder: PathBuf,
    },
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    #[test]
    fn the_command_line_is_consistent() {
        super::Cli::command().debug_assert();
    }

    #[test]
    fn options_stand_under_their_own_heading() {
        let mut cli = super::Cli::command();
        cli.build();
        for command in cli.get_subcommands() {
            for (name, heading) in [
                ("top_k", None),
                ("json", None),
                ("quiet", None),
                ("help", None),
                ("verbose", None),
                ("corpus", None),
                ("columns", Some("Reading")),
                ("dimensions", Some("Vectors")),
                ("prompt", Some("Vectors")),
                ("corpus_prompt", Some("Vectors")),
                ("model", Some("Model")),
                ("max_length", Some("Model")),
                ("device", Some("Device")),
                ("batch_tokens", Some("Device")),
            ] {
                let mut arguments = command.get_arguments();
                if let Some(argument) = arguments.find(|argument| argument.get_id() == name) {
                    let command = command.get_name();
                    assert_eq!(argument.get_help_heading(), heading, "{command} {name}");
                }
            }
        }
    }
    #[test]
    fn a_command_refuses_options_that_it_does_not_use() {
        let parse = |line: &str| super::Cli::try_parse_from(line.split(' '));
        for line in [
            "infer fetch --device cuda",
            "infer fetch --batch-tokens 5",
            "infer export --output x --max-length 5",
            "infer export --output x --device cpu",
            "infer completions bash --threads 9",
            "infer completions bash --model x",
            "infer doctor --batch-tokens 5",
            "infer search a --corpus x --no-normalize",
        ] {
            let error = parse(line).unwrap_err();
            assert_eq!(
                error.kind(),
                clap::error::ErrorKind::UnknownArgument,
                "{line}"
            );
        }
        for line in [
            "infer fetch --model x --revision y --offline",
            "infer export --output x --precision int8",
            "infer doctor --model x --max-length 5 --device cpu --threads 2",
            "infer --device cpu --precision bf16 --threads 1",
        ] {
            assert!(parse(line).is_ok(), "{line}");
        }
    }

    #[test]
    fn numbers_from_1_refuse_0() {
        for line in [
            "infer embed a --max-length 0",
            "infer embed a --batch-tokens 0",
            "infer embed a --dimensions 0",
            "infer search a --corpus x --dimensions 0",
            "infer search a --corpus x -k 0",
            "infer search a --corpus x --top-k -1",
            "infer recommend a --corpus x --top-k 0",
            "infer bench a --runs 0",
            "infer doctor --threads 0",
        ] {
            assert!(
                super::Cli::try_parse_from(line.split(' ')).is_err(),
                "{line}"
            );
        }
        let cli =
            super::Cli::try_parse_from(["infer", "search", "a", "--corpus", "x", "--top-k", "3"]);
        match cli.unwrap().command {
            Some(super::Command::Search(search)) => assert_eq!(search.args.top_k, 3),
            other => panic!("{other:?}"),
        }
    }
}
