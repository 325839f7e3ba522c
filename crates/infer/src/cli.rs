//! The command line.

use std::path::PathBuf;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use model::{Device, ThreadCount};
use records::Format;
use search::Similarity;

use crate::precision::PrecisionChoice;
use crate::vectors::VectorFormat;

const EXAMPLES: &str = "\
Examples:
  infer                                               embed three sample queries
  infer embed \"high end water bottle\"                 one vector as JSON
  infer embed --input products.csv --column title --id-column sku --output products.npy
  infer similarity \"smart speaker\" \"voice assistant\"
  infer search \"gift for a runner\" --corpus products.jsonl --column title -k 5
  infer recommend B0042 --corpus products.csv --column title --id-column sku
  infer doctor                                        what runs where, and whether it is right";

/// Sentence embeddings for product search: embed, compare, search and recommend texts with
/// all-mpnet-base-v2.
///
/// Without a command, embeds three sample queries and saves them to sample_embeddings.pt.
#[derive(Debug, Parser)]
#[command(name = "infer", version, after_help = EXAMPLES, max_term_width = 100)]
pub struct Cli {
    /// The model and where it runs.
    #[command(flatten)]
    pub model: ModelArgs,
    /// Print errors only, no progress and no notes.
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// What to do.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// Which model, and where it runs.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Model")]
pub struct ModelArgs {
    /// A model's name on the Hugging Face hub, or a folder.
    #[arg(long, global = true, value_name = "NAME|DIR", default_value = model::hub::DEFAULT_MODEL)]
    pub model: String,
    /// Branch, tag or commit of the model on the hub.
    #[arg(long, global = true, value_name = "REV")]
    pub revision: Option<String>,
    /// Use only what is on this machine already (as HF_HUB_OFFLINE=1 does).
    #[arg(long, global = true)]
    pub offline: bool,
    /// auto, cpu, ndarray, wgpu, wgpu:N, cuda or cuda:N, among those this program was built with.
    #[arg(long, global = true, value_name = "DEVICE", default_value = "auto")]
    pub device: Device,
    /// How exactly the weights are kept: f32, bf16 (half the memory), int8 (a quarter, and faster; on
    /// the processor) or f16 (half, on a GPU); auto is as the model's file has them.
    #[arg(long, global = true, value_name = "PRECISION", default_value = "auto")]
    pub precision: PrecisionChoice,
    /// How many threads compute on the processor; they may run on any core [default:
    /// RAYON_NUM_THREADS, or as many as physical cores].
    #[arg(long, global = true, value_name = "N")]
    pub threads: Option<ThreadCount>,
    /// The most tokens of a batch, padding included.
    #[arg(long, global = true, value_name = "N")]
    pub batch_tokens: Option<usize>,
    /// The most tokens of a text that are read [default: as the model says].
    #[arg(long, global = true, value_name = "N")]
    pub max_length: Option<usize>,
}

/// What becomes of a vector.
#[derive(Clone, Copy, Debug, Default, Args)]
#[command(next_help_heading = "Vectors")]
pub struct VectorArgs {
    /// Do not scale vectors to length 1.
    #[arg(long)]
    pub no_normalize: bool,
    /// Keep the first N dimensions (and scale again).
    #[arg(long, value_name = "N")]
    pub dimensions: Option<usize>,
}

/// How vectors are compared.
#[derive(Clone, Copy, Debug, Args)]
#[command(next_help_heading = "Vectors")]
pub struct CompareArgs {
    /// What counts as close: the cosine of vectors, or for models trained so their dot product.
    #[arg(long, value_enum, value_name = "WHAT", default_value_t = Comparison::Cosine)]
    pub similarity: Comparison,
    /// Keep the first N dimensions of each vector.
    #[arg(long, value_name = "N")]
    pub dimensions: Option<usize>,
}

impl CompareArgs {
    /// The vectors that are compared.
    #[must_use]
    pub fn vectors(self) -> VectorArgs {
        VectorArgs {
            dimensions: self.dimensions,
            ..VectorArgs::default()
        }
    }
}

/// What counts as close.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Comparison {
    /// The cosine of the angle between vectors, whatever their lengths.
    Cosine,
    /// Their dot product.
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

/// How a file of texts is read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
#[command(next_help_heading = "Reading")]
pub struct ReadArgs {
    /// How the file is written: text (one a line), csv, tsv, jsonl or parquet [default: as its name
    /// ends, also before .gz].
    #[arg(long, value_name = "FORMAT", ignore_case = true, value_parser = format_parser())]
    pub format: Option<Format>,
    /// The column or key with the text; several are joined by a space [default: the only column,
    /// or `text`].
    #[arg(long = "column", value_name = "NAME")]
    pub columns: Vec<String>,
    /// The column or key with an id.
    #[arg(long, value_name = "NAME")]
    pub id_column: Option<String>,
    /// Skip and count rows that cannot be read, instead of stopping at the first.
    #[arg(long)]
    pub skip_bad_rows: bool,
}

/// Reads a format, and lists all of them in the help.
fn format_parser() -> impl TypedValueParser<Value = Format> {
    let values = Format::ALL.map(|format| {
        let help = match format {
            Format::Text => "One text a line",
            Format::Csv => "Comma-separated values with a header line",
            Format::Tsv => "Tab-separated values with a header line, without quoting",
            Format::Jsonl => "One JSON object a line",
            Format::Parquet => "Columns of an Apache Parquet file",
        };
        PossibleValue::new(format.name())
            .aliases(format.alias())
            .help(help)
    });
    PossibleValuesParser::new(values).try_map(|word| word.parse::<Format>())
}

/// The texts that are searched.
#[derive(Clone, Debug, Args)]
pub struct CorpusArgs {
    /// The file to search.
    #[arg(long, value_name = "FILE")]
    pub corpus: PathBuf,
    /// Vectors of the corpus, saved by `infer embed`, to save embedding it again.
    #[arg(long, value_name = "FILE")]
    pub vectors: Option<PathBuf>,
    /// How the corpus is read.
    #[command(flatten)]
    pub read: ReadArgs,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Turn texts into vectors.
    #[command(after_help = "\
Examples:
  infer embed \"smart home speaker\" \"compact wireless keyboard\"
  infer embed --input queries.txt --output queries.npy
  infer embed --input products.csv --column title --column description --id-column sku --output products.safetensors
  zcat products.jsonl.gz | infer embed --input - --format jsonl --column title > vectors.jsonl

Ids are written into .jsonl; beside the other formats, into FILE.ids.txt, one a line.")]
    Embed(EmbedArgs),
    /// Compare two texts, or two columns of a file, by the cosine of their vectors.
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
    /// Recommend products that are like one of a file, or like a text.
    #[command(after_help = "\
Examples:
  infer recommend B0042 --corpus products.csv --column title --id-column sku
  infer recommend --text \"stainless bottle that keeps drinks cold\" --corpus products.csv --column title

In a file of lines, or without --id-column, ID is the number of the record, the first being 1.")]
    Recommend(RecommendArgs),
    /// Measure this machine: texts/s for each file, load time and memory.
    #[command(after_help = "\
Examples:
  infer bench datasets/bench/queries.txt datasets/bench/titles.txt
  infer bench datasets/bench/singles.txt --precision int8 --threads 2 --json

A file named singles.* is encoded with one text per call, which measures latency.")]
    Bench(BenchArgs),
    /// Show device, threads, model and load time, and check one known vector.
    Doctor(DoctorArgs),
    /// Fetch the model and print its folder.
    Fetch,
    /// Write the model as a folder of its own, with weights in fewer bits or in more.
    #[command(after_help = "\
Examples:
  infer export --precision int8 --output all-mpnet-base-v2-int8
  infer embed \"high end water bottle\" --model all-mpnet-base-v2-int8

sentence-transformers opens a folder of f32, f16 or bf16, and of int8 with the compressed-tensors package.
A model folder that is there already is replaced.")]
    Export(ExportArgs),
    /// Print a completion script for a shell.
    #[command(
        after_help = "Example:\n  infer completions bash > ~/.local/share/bash-completion/completions/infer"
    )]
    Completions {
        /// The shell.
        shell: Shell,
    },
}

/// Arguments of `embed`.
#[derive(Debug, Args)]
pub struct EmbedArgs {
    /// Texts to embed.
    #[arg(value_name = "TEXT")]
    pub texts: Vec<String>,
    /// A file of texts; - is standard input.
    #[arg(long, value_name = "FILE|-")]
    pub input: Option<PathBuf>,
    /// Where the vectors go [default: standard output, as JSON lines].
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// How the vectors are written: npy, safetensors, pt or jsonl [default: as the output's name
    /// ends].
    #[arg(long, value_name = "FORMAT", ignore_case = true, requires = "output")]
    pub output_format: Option<VectorFormat>,
    /// How the file is read.
    #[command(flatten)]
    pub read: ReadArgs,
    /// What becomes of a vector.
    #[command(flatten)]
    pub vectors: VectorArgs,
}

/// Arguments of `similarity`.
#[derive(Debug, Args)]
pub struct SimilarityArgs {
    /// The two texts to compare.
    #[arg(value_names = ["A", "B"], num_args = 2, conflicts_with = "input", required_unless_present = "input")]
    pub texts: Vec<String>,
    /// A file with two columns to compare; - is standard input.
    #[arg(long, value_name = "FILE|-")]
    pub input: Option<PathBuf>,
    /// How the file is read.
    #[command(flatten)]
    pub read: ReadArgs,
    /// How vectors are compared.
    #[command(flatten)]
    pub compare: CompareArgs,
    /// Print JSON, one pair a line.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `search`.
#[derive(Debug, Args)]
pub struct SearchArgs {
    /// Queries.
    #[arg(value_name = "QUERY", required = true)]
    pub queries: Vec<String>,
    /// The texts that are searched.
    #[command(flatten)]
    pub corpus: CorpusArgs,
    /// How many texts to show for each query.
    #[arg(short, value_name = "K", default_value_t = 10)]
    pub k: usize,
    /// How vectors are compared.
    #[command(flatten)]
    pub compare: CompareArgs,
    /// Print JSON, one query a line.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `recommend`.
#[derive(Debug, Args)]
pub struct RecommendArgs {
    /// The record to find others for.
    #[arg(
        value_name = "ID",
        conflicts_with = "text",
        required_unless_present = "text"
    )]
    pub id: Option<String>,
    /// A text to find records for.
    #[arg(long, value_name = "TEXT")]
    pub text: Option<String>,
    /// The texts that are searched.
    #[command(flatten)]
    pub corpus: CorpusArgs,
    /// How many records to recommend.
    #[arg(short, value_name = "K", default_value_t = 5)]
    pub k: usize,
    /// How vectors are compared.
    #[command(flatten)]
    pub compare: CompareArgs,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `bench`.
#[derive(Debug, Args)]
pub struct BenchArgs {
    /// Files of texts, one per line.
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    /// Timed repetitions of each file after a warm-up; the table shows the best and the median.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    pub runs: u32,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `export`; the precision is the model's.
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// The folder to write.
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
}
