//! The command line.
//!
//! clap applies `next_help_heading` to all later options of a command, so options without a heading
//! come before the flattened groups.

use std::path::PathBuf;
use std::sync::LazyLock;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use model::Device;
use model::threads::ThreadCount;
use program::Version;
use records::Format;
use search::Similarity;

use crate::precision::PrecisionChoice;
use crate::vectors::VectorFormat;

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

/// The model and its device.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Model")]
pub struct ModelArgs {
    /// Use this model: a name on the Hugging Face hub, or a folder.
    #[arg(long, global = true, value_name = "NAME|DIR", default_value = model::hub::DEFAULT_MODEL)]
    pub model: String,
    /// Take this branch, tag or commit of the model on the hub.
    #[arg(long, global = true, value_name = "REV")]
    pub revision: Option<String>,
    /// Download nothing, as HF_HUB_OFFLINE=1 does.
    #[arg(long, global = true)]
    pub offline: bool,
    /// Compute on auto, cpu, ndarray, wgpu, wgpu:N, cuda or cuda:N; --version lists the backends.
    #[arg(long, global = true, value_name = "DEVICE", default_value = "auto")]
    pub device: Device,
    /// Compute in f32, bf16, int8 (CPU only), f16 (GPU only) or the precision of the model's file
    /// (auto).
    ///
    /// bf16 and f16 take half the memory, int8 a quarter, and they are faster where the device
    /// multiplies them. int8 changes vectors the most: compare the hits on your own products first.
    #[arg(long, global = true, value_name = "PRECISION", default_value = "auto")]
    pub precision: PrecisionChoice,
    /// Compute with N threads on the CPU [default: RAYON_NUM_THREADS, else the number of physical
    /// cores].
    #[arg(long, global = true, value_name = "N")]
    pub threads: Option<ThreadCount>,
    /// Limit a batch to N tokens, padding included.
    #[arg(long, global = true, value_name = "N")]
    pub batch_tokens: Option<usize>,
    /// Truncate texts to N tokens [default: the model's maximum length].
    #[arg(long, global = true, value_name = "N")]
    pub max_length: Option<usize>,
}

/// The form of a vector.
#[derive(Clone, Copy, Debug, Default, Args)]
#[command(next_help_heading = "Vectors")]
pub struct VectorArgs {
    /// Keep the length of vectors instead of normalizing it to 1.
    #[arg(long)]
    pub no_normalize: bool,
    /// Keep the first N dimensions of each vector, and normalize again.
    #[arg(long, value_name = "N")]
    pub dimensions: Option<usize>,
}

/// The comparison of vectors.
#[derive(Clone, Copy, Debug, Args)]
#[command(next_help_heading = "Vectors")]
pub struct CompareArgs {
    /// Compare vectors by their cosine, or by their dot product for models trained with it.
    #[arg(long, value_enum, value_name = "SIMILARITY", default_value_t = Comparison::Cosine)]
    pub similarity: Comparison,
    /// Keep the first N dimensions of each vector.
    #[arg(long, value_name = "N")]
    pub dimensions: Option<usize>,
}

impl CompareArgs {
    /// The form of the vectors that are compared.
    #[must_use]
    pub fn vectors(self) -> VectorArgs {
        VectorArgs {
            dimensions: self.dimensions,
            ..VectorArgs::default()
        }
    }
}

/// The similarity of two vectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Comparison {
    /// Cosine of the angle between the vectors; their lengths do not count
    Cosine,
    /// Dot product
    Dot,
}

impl From<Comparison> for Similarity {
    fn from(comparison: Comparison) -> Self {
        match comparison {
            Comparison::Cosine => Self::Cosine,
            Comparison::Dot => Self::DotProduct,
        }
    }
}

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

/// Arguments of `embed`.
#[derive(Debug, Args)]
pub struct EmbedArgs {
    /// Embed these texts.
    #[arg(value_name = "TEXT")]
    pub texts: Vec<String>,
    /// Embed the texts of this file; - is standard input.
    #[arg(long, value_name = "FILE|-")]
    pub input: Option<PathBuf>,
    /// Write the vectors to this file [default: standard output, as JSON Lines].
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Write npy, safetensors, pt or jsonl [default: by the ending of the output's name].
    #[arg(long, value_name = "FORMAT", ignore_case = true, requires = "output")]
    pub output_format: Option<VectorFormat>,
    /// The format and the columns of the input.
    #[command(flatten)]
    pub read: ReadArgs,
    /// The form of the vectors.
    #[command(flatten)]
    pub vectors: VectorArgs,
}

/// Arguments of `similarity`.
#[derive(Debug, Args)]
pub struct SimilarityArgs {
    /// Compare these two texts.
    #[arg(value_names = ["A", "B"], num_args = 2, conflicts_with = "input", required_unless_present = "input")]
    pub texts: Vec<String>,
    /// Print JSON, one pair per line.
    #[arg(long)]
    pub json: bool,
    /// Compare the two columns of this file; - is standard input.
    #[arg(long, value_name = "FILE|-")]
    pub input: Option<PathBuf>,
    /// The format and the columns of the input.
    #[command(flatten)]
    pub read: ReadArgs,
    /// The comparison of the vectors.
    #[command(flatten)]
    pub compare: CompareArgs,
}

/// Arguments of `search`.
#[derive(Debug, Args)]
pub struct SearchArgs {
    /// Search for these queries.
    #[arg(value_name = "QUERY", required = true)]
    pub queries: Vec<String>,
    /// Show the K closest texts for each query.
    #[arg(short, value_name = "K", default_value_t = 10)]
    pub k: usize,
    /// Print JSON, one query per line.
    #[arg(long)]
    pub json: bool,
    /// The corpus that is searched.
    #[command(flatten)]
    pub corpus: CorpusArgs,
    /// The comparison of the vectors.
    #[command(flatten)]
    pub compare: CompareArgs,
}

/// Arguments of `recommend`.
#[derive(Debug, Args)]
pub struct RecommendArgs {
    /// Recommend products that are similar to the product with this id.
    #[arg(
        value_name = "ID",
        conflicts_with = "text",
        required_unless_present = "text"
    )]
    pub id: Option<String>,
    /// Show the K closest products.
    #[arg(short, value_name = "K", default_value_t = 5)]
    pub k: usize,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    /// Recommend products that are similar to this text.
    #[arg(long, value_name = "TEXT")]
    pub text: Option<String>,
    /// The corpus that is searched.
    #[command(flatten)]
    pub corpus: CorpusArgs,
    /// The comparison of the vectors.
    #[command(flatten)]
    pub compare: CompareArgs,
}

/// Arguments of `bench`.
#[derive(Debug, Args)]
pub struct BenchArgs {
    /// Encode the texts of these files, one per line.
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    /// Time N runs of each file after a warm-up; the fastest and the median are shown.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    pub runs: u32,
}

/// Arguments of `export`; `--precision` belongs to the model.
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// Write this folder.
    #[arg(long, short, value_name = "DIR")]
    pub output: PathBuf,
}

/// Arguments of `doctor`.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
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
