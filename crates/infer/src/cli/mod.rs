//! The command line.
//!
//! clap applies `next_help_heading` to all later options of a command, so options without a heading
//! come before the flattened groups.

mod commands;
mod device;
mod prompts;
mod reading;
mod vectors;

use std::path::PathBuf;
use std::sync::LazyLock;

use clap::{Parser, Subcommand};
use clap_complete::Shell;
use model::Device;
use program::Version;

pub use commands::{
    BenchArgs, DoctorArgs, EmbedArgs, ExportArgs, RecommendArgs, SearchArgs, SimilarityArgs,
};
pub use device::ModelArgs;
pub use prompts::{CorpusPromptArgs, PromptArgs};
pub use reading::{CorpusArgs, ReadArgs};
pub use vectors::{CompareArgs, Comparison, VectorArgs};

const EXAMPLES: &str = "\
Examples:
  infer search \"gift for a runner\" --corpus products.csv --column title -k 5
  infer embed --input products.csv --column title --id-column sku --output products.npy
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
    /// The model and its device.
    #[command(flatten)]
    pub model: ModelArgs,
    /// The command.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Turn texts into vectors.
    #[command(after_help = "\
Examples:
  infer embed \"smart home speaker\" \"compact wireless keyboard\"
  infer embed --input queries.txt --output queries.npy
  infer embed --input products.csv --column title --column description --id-column sku --output products.safetensors
  zcat products.jsonl.gz | infer embed --input - --format jsonl --column title > vectors.jsonl

A .jsonl output holds the ids; the other formats have them in FILE.ids.txt, one per line.")]
    Embed(EmbedArgs),
    /// Compare two texts, or two columns of a file.
    #[command(after_help = "\
Examples:
  infer similarity \"smart home speaker\" \"voice assistant\"
  infer similarity --input pairs.tsv --column query --column description")]
    Similarity(SimilarityArgs),
    /// Find the texts of a file that are closest to a query.
    #[command(after_help = "\
Examples:
  infer search \"high end water bottle\" --corpus products.csv --column title
  infer embed --input products.csv --column title --output products.npy
  infer search \"high end water bottle\" --corpus products.csv --column title --vectors products.npy --json")]
    Search(SearchArgs),
    /// Recommend products that are similar to a product of a file, or to a text.
    #[command(after_help = "\
Examples:
  infer recommend B0042 --corpus products.csv --column title --id-column sku
  infer recommend --text \"stainless bottle that keeps drinks cold\" --corpus products.csv --column title

Without --id-column, ID is the number of the row, from 1.")]
    Recommend(RecommendArgs),
    /// Measure this machine: texts/s for each file, load time and memory.
    #[command(after_help = "\
Examples:
  infer bench datasets/bench/singles.txt datasets/bench/queries.txt --json
  infer bench datasets/bench/queries.txt --precision bf16 --threads 2

A file named singles.* is encoded with one text per call, which measures latency.")]
    Bench(BenchArgs),
    /// Show device, threads, model and load time, and check one known vector.
    Doctor(DoctorArgs),
    /// Download the model and print its folder.
    Fetch,
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
    use clap::CommandFactory;

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
                ("k", None),
                ("json", None),
                ("quiet", None),
                ("help", None),
                ("corpus", None),
                ("columns", Some("Reading")),
                ("dimensions", Some("Vectors")),
                ("device", Some("Model")),
            ] {
                let mut arguments = command.get_arguments();
                if let Some(argument) = arguments.find(|argument| argument.get_id() == name) {
                    let command = command.get_name();
                    assert_eq!(argument.get_help_heading(), heading, "{command} {name}");
                }
            }
        }
    }
}
