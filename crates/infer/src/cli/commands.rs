//! The arguments of each command.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use records::Shard;

use super::{
    AskArgs, AttributeArgs, CompareArgs, CorpusArgs, CorpusPromptArgs, DeviceArgs, HubArgs,
    ModelArgs, RankArgs, ReadArgs, Task, VectorArgs, at_least_one,
};
use crate::precision::PrecisionChoice;
use crate::vectors::{OutputType, VectorFormat};

/// Arguments of `embed`.
#[derive(Debug, Args)]
pub struct EmbedArgs {
    /// Embed these texts [default: those of --input, or of standard input if it is piped].
    #[arg(value_name = "TEXT")]
    pub texts: Vec<String>,
    /// Embed the texts of this file; - is standard input. Repeat it, or quote a pattern such as
    /// 'products-*.csv', for several.
    #[arg(long, value_name = "FILE|-")]
    pub input: Vec<PathBuf>,
    /// Write the vectors to this file; - is standard output [default: standard output, as JSON
    /// Lines].
    #[arg(long, short, value_name = "FILE|-")]
    pub output: Option<PathBuf>,
    /// Write parquet, safetensors, npy, pt or jsonl [default: by the ending of the output's name].
    #[arg(
        long,
        value_name = "FORMAT",
        ignore_case = true,
        requires = "output",
        hide_possible_values = true
    )]
    pub output_format: Option<VectorFormat>,
    /// Write numbers of this type: f32, f16, i8, u8, binary or ubinary.
    ///
    /// The numbers are those of encode(precision=…) of sentence-transformers, whose names are
    /// accepted too. i8 and u8 take a quarter of the space of f32, binary takes a 32nd.
    #[arg(
        long,
        value_name = "TYPE",
        ignore_case = true,
        requires = "output",
        default_value = "f32",
        hide_possible_values = true
    )]
    pub output_type: OutputType,
    /// Read the smallest and largest value of each dimension for i8 and u8 from this .npy file
    /// [default: those of the first 10,000 rows, which are saved in OUTPUT.ranges.npy].
    #[arg(long, value_name = "FILE", requires = "output")]
    pub ranges: Option<PathBuf>,
    /// Continue an interrupted run from its journal OUTPUT.partial.
    #[arg(long, requires = "output", conflicts_with = "restart")]
    pub resume: bool,
    /// Drop the journal of an interrupted run, and begin at the first row.
    #[arg(long, requires = "output")]
    pub restart: bool,
    /// Embed the K-th of N parts of the rows, as 3/16: one of N runs that share a file. Rows K, K + N and so on are in it.
    #[arg(long, value_name = "K/N")]
    pub shard: Option<Shard>,
    /// Start at once, without reading the whole input for bad rows first.
    #[arg(long)]
    pub no_check: bool,
    /// The format and the columns of the input.
    #[command(flatten)]
    pub read: ReadArgs,
    /// Embed texts as queries or as documents of a search, with the prompt and the route that the model has for them.
    #[arg(long, value_name = "TASK", help_heading = "Vectors")]
    pub task: Option<Task>,
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
    /// Compare the two columns of this file; - is standard input. Repeat it, or quote a pattern, for
    /// several.
    #[arg(long, value_name = "FILE|-")]
    pub input: Vec<PathBuf>,
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
    /// Search for these queries [default: those of --queries, or of standard input if it is piped].
    #[arg(value_name = "QUERY", conflicts_with_all = ["queries", "query_column"])]
    pub texts: Vec<String>,
    /// Show the K closest texts for each query.
    #[arg(long, short = 'k', value_name = "K", default_value_t = 10, value_parser = at_least_one)]
    pub top_k: usize,
    /// Print JSON, one query per line.
    #[arg(long)]
    pub json: bool,
    /// The corpus that is searched.
    #[command(flatten)]
    pub corpus: CorpusArgs,
    /// Search for the queries of this file, one per row; - is standard input. Repeat it for several.
    #[arg(long, value_name = "FILE|-", help_heading = "Queries")]
    pub queries: Vec<PathBuf>,
    /// Read the queries from this column or key of their file.
    #[arg(long, value_name = "NAME", help_heading = "Queries")]
    pub query_column: Option<String>,
    /// The comparison of the vectors.
    #[command(flatten)]
    pub compare: CompareArgs,
    /// The prompt of the corpus.
    #[command(flatten)]
    pub corpus_prompts: CorpusPromptArgs,
    /// What is asked of an index.
    #[command(flatten)]
    pub ask: AskArgs,
    /// Attributes of products and queries.
    #[command(flatten)]
    pub attributes: AttributeArgs,
    /// How an index ranks.
    #[command(flatten)]
    pub rank: RankArgs,
    /// The second ranking.
    #[command(flatten)]
    pub rerank: RerankArgs,
}

/// A second ranking of the hits of `search`.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Second ranking")]
pub struct RerankArgs {
    /// Order the best hits again by this reranker: a name on the Hugging Face hub, or a folder.
    #[arg(long, value_name = "NAME|DIR", conflicts_with = "sort")]
    pub rerank: Option<String>,
    /// Let the reranker read N hits of each query, or those that are shown if they are more.
    #[arg(long, value_name = "N", default_value_t = 50, requires = "rerank", value_parser = at_least_one)]
    pub rerank_depth: usize,
}

/// Arguments of `rerank`.
#[derive(Debug, Args)]
pub struct RerankFileArgs {
    /// The query.
    #[arg(value_name = "QUERY")]
    pub query: String,
    /// Order the texts of this file; repeat it, or quote a pattern such as 'products-*.csv', for several.
    #[arg(long, value_name = "FILE", required = true)]
    pub corpus: Vec<PathBuf>,
    /// Show the K best texts.
    #[arg(long, short = 'k', value_name = "K", default_value_t = 10, value_parser = at_least_one)]
    pub top_k: usize,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    /// The format and the columns of the file.
    #[command(flatten)]
    pub read: ReadArgs,
}

/// Arguments of `recommend`.
#[derive(Debug, Args)]
pub struct RecommendArgs {
    /// Recommend products that are similar to the product with this id, or to several.
    #[arg(
        value_name = "ID",
        conflicts_with = "text",
        required_unless_present = "text"
    )]
    pub ids: Vec<String>,
    /// Recommend products that are unlike the product with this id; repeat it for several.
    #[arg(long, value_name = "ID", conflicts_with = "text")]
    pub not: Vec<String>,
    /// Show the K closest products.
    #[arg(long, short = 'k', value_name = "K", default_value_t = 5, value_parser = at_least_one)]
    pub top_k: usize,
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
    /// What is asked of an index.
    #[command(flatten)]
    pub ask: AskArgs,
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

/// Arguments of `export`.
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// Write this folder.
    #[arg(long, short, value_name = "DIR")]
    pub output: PathBuf,
    /// Write weights in f32, bf16, f16 or int8 [default: the precision of the model's file].
    #[arg(
        long,
        value_name = "PRECISION",
        default_value = "auto",
        hide_default_value = true
    )]
    pub precision: PrecisionChoice,
    /// Write a static model in this format [default: that of the model].
    #[arg(long, value_name = "FORMAT")]
    pub static_format: Option<StaticFormatChoice>,
    /// The model.
    #[command(flatten)]
    pub hub: HubArgs,
}

/// The format of a static model's folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum StaticFormatChoice {
    /// `StaticEmbedding` of sentence-transformers: f32, f16 or bf16.
    SentenceTransformers,
    /// model2vec: also int8, with a factor for each token.
    Model2vec,
}

/// Arguments of `doctor`.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    /// The model.
    #[command(flatten)]
    pub hub: HubArgs,
    /// Truncate texts to N tokens [default: the model's maximum length].
    #[arg(long, value_name = "N", value_parser = at_least_one, help_heading = "Model")]
    pub max_length: Option<usize>,
    /// The device.
    #[command(flatten)]
    pub device: DeviceArgs,
}

impl DoctorArgs {
    /// The model and its device.
    #[must_use]
    pub fn model(&self) -> ModelArgs {
        ModelArgs {
            hub: self.hub.clone(),
            max_length: self.max_length,
            device: self.device.clone(),
            batch_tokens: None,
        }
    }
}
