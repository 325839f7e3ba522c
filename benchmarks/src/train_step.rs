//! The time of a training step: s/step, tokens/s without padding, peak memory.
//!
//! The texts are random tokens of a fixed length or the rows of a file in order; the step is that of
//! `train fit` with `multiple-negatives-ranking`, AdamW and clipped gradients.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use burn::backend::Autodiff;
use burn::data::dataset::Dataset;
use burn::optim::Optimizer;
use burn::train::TrainStep;
use clap::Args;
use model::backend::{BackendTask, EncoderOps};
use model::hub::{self, DEFAULT_MODEL, HubOptions};
use model::parts::EncoderConfig;
use model::threads::ThreadCount;
use model::{Checkpoint, Device, ModelError};
use serde::Serialize;
use train::TrainError;
use train::batch::{TokenBatcher, TrainingBatch};
use train::data::{ColumnMap, ReadOptions, TextTable};
use train::losses::{Loss, Objective};
use train::random::derive_seed;
use train::report::peak_memory_bytes;
use train::train::gradients::{clip, norm};
use train::train::optimizer::{AdamWSettings, DecoupledAdamW};
use train::train::step::{Activations, StepSettings, TrainingModel};

use crate::error::BenchmarkError;
use crate::print_json;
use crate::statistics::median;

/// Arguments of `train-step`.
#[derive(Debug, Args)]
pub(crate) struct TrainStepArgs {
    /// Where the network runs
    #[arg(long, default_value = "auto")]
    device: Device,
    /// A model's name or folder
    #[arg(long, default_value = DEFAULT_MODEL)]
    model: String,
    /// Rows of a batch, each of two texts
    #[arg(long, default_value_t = 32)]
    batch_size: usize,
    /// Tokens of every random text, or the most of a file's texts
    #[arg(long, default_value_t = 128)]
    length: usize,
    /// Rows of texts, instead of random tokens
    #[arg(long, value_name = "FILE")]
    train: Option<PathBuf>,
    /// The file's columns, as `train fit` takes them
    #[arg(long, value_name = "ROLE=NAME,...", requires = "train")]
    columns: Option<ColumnMap>,
    /// Timed steps, after one warm-up step
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    steps: u32,
    /// Keep only the input of each layer (gradient checkpointing)
    #[arg(long)]
    checkpointing: bool,
    /// Hold the activations of this many texts at a time (GradCache)
    #[arg(long)]
    mini_batch_size: Option<usize>,
    /// Model replicas on the device [default: as `train fit`]
    #[arg(long, alias = "lanes")]
    replicas: Option<usize>,
    /// Tokens of a micro-batch [default: as `train fit`]
    #[arg(long, alias = "chunk-tokens")]
    micro_batch_tokens: Option<usize>,
    /// Threads that compute [default: as `train fit`]
    #[arg(long)]
    threads: Option<ThreadCount>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// The figures of a run.
#[derive(Serialize)]
struct Report {
    threads: usize,
    steps: usize,
    seconds_median: f64,
    tokens_per_second: f64,
    peak_memory_bytes: Option<u64>,
}

pub(crate) fn run(arguments: &TrainStepArgs, out: &mut impl Write) -> Result<(), BenchmarkError> {
    model::threads::start(arguments.threads)?;
    let device = arguments.device.select()?;
    let found = hub::resolve(&arguments.model, &HubOptions::default()).map_err(ModelError::from)?;
    let mut checkpoint = Checkpoint::open(&found.path)?;
    checkpoint.max_seq_length = arguments.length;
    let report = device.run(Measure {
        arguments,
        checkpoint,
        device_name: device,
    })??;
    if arguments.json {
        return print_json(&report, out);
    }
    let memory = report.peak_memory_bytes.map_or_else(
        || "unknown".to_owned(),
        |bytes| format!("{:.2} GB", bytes as f64 / 1e9),
    );
    writeln!(
        out,
        "s/step (median of {})  {:.2}\ntokens/s              {:.0}\npeak memory           {memory}",
        report.steps, report.seconds_median, report.tokens_per_second
    )?;
    Ok(())
}

struct Measure<'a> {
    arguments: &'a TrainStepArgs,
    checkpoint: Checkpoint,
    device_name: Device,
}

impl BackendTask for Measure<'_> {
    type Output = Result<Report, TrainError>;

    fn run<B: EncoderOps>(self, device: B::Device) -> Self::Output {
        let arguments = self.arguments;
        let model = self.checkpoint.load::<Autodiff<B>>(&device)?;
        let objective = Objective::new(Loss::MultipleNegativesRanking { scale: 20.0 });
        let pad = self.checkpoint.config.pad_token_id;
        let longest = self.checkpoint.max_seq_length;
        let mut settings = StepSettings::for_device(self.device_name, objective, pad, longest);
        settings.activations = match (arguments.mini_batch_size, arguments.checkpointing) {
            (None, false) => Activations::Stored,
            (None, true) => Activations::Checkpointed,
            (Some(_), false) => Activations::GradCache,
            (Some(_), true) => Activations::GradCacheCheckpointed,
        };
        if let Some(texts) = arguments.mini_batch_size {
            settings.micro_batch.texts = texts;
        }
        if let Some(tokens) = arguments.micro_batch_tokens {
            settings.micro_batch.tokens = tokens;
        }
        if let Some(replicas) = arguments.replicas {
            settings.replicas_per_device = replicas;
        }
        let mut training_model = TrainingModel::new(model, settings);
        let mut optimizer = DecoupledAdamW::optimizer::<TrainingModel<Autodiff<B>>, Autodiff<B>>(
            AdamWSettings::default(),
        );
        let batches = Batches::open(arguments, &self.checkpoint)?;
        let mut seconds = Vec::new();
        let mut tokens = Vec::new();
        for step in 0..=arguments.steps as usize {
            let started = Instant::now();
            let batch = batches.batch(step, arguments);
            if let Some(source) = batch.failure {
                return Err(TrainError::Tokenize { source });
            }
            let of_batch: usize = batch.texts.iter().map(Vec::len).sum();
            let output = TrainStep::step(&training_model, batch);
            let length = norm::<Autodiff<B>, _>(&training_model, &output.grads);
            let gradients = clip::<Autodiff<B>, _>(&training_model, output.grads, length, 1.0);
            training_model = optimizer.step(1e-6, training_model, gradients);
            // A GPU works when its results are read.
            B::sync(&device).map_err(|source| TrainError::Compute {
                source: Box::new(source),
            })?;
            // The first step warms up.
            if step > 0 {
                seconds.push(started.elapsed().as_secs_f64());
                tokens.push(of_batch);
            }
        }
        let rate = tokens.iter().sum::<usize>() as f64 / seconds.iter().sum::<f64>();
        Ok(Report {
            threads: rayon::current_num_threads(),
            steps: seconds.len(),
            seconds_median: median(seconds),
            tokens_per_second: rate,
            peak_memory_bytes: peak_memory_bytes(),
        })
    }
}

/// Where the batches come from.
enum Batches<'a> {
    File(Box<TextTable>, TokenBatcher),
    Random(&'a EncoderConfig),
}

impl<'a> Batches<'a> {
    fn open(arguments: &TrainStepArgs, checkpoint: &'a Checkpoint) -> Result<Self, TrainError> {
        let Some(file) = &arguments.train else {
            return Ok(Self::Random(&checkpoint.config));
        };
        let options = ReadOptions {
            columns: arguments.columns.clone(),
            ..ReadOptions::default()
        };
        let table = TextTable::read(&[file], &options)?;
        let tokenizer = Arc::new(checkpoint.tokenizer()?);
        Ok(Self::File(Box::new(table), TokenBatcher::new(tokenizer)))
    }

    fn batch(&self, step: usize, arguments: &TrainStepArgs) -> TrainingBatch {
        let rows = arguments.batch_size;
        match self {
            Self::File(table, batcher) => {
                let places = (step * rows..(step + 1) * rows).map(|row| row % table.len());
                let rows: Vec<_> = places.filter_map(|row| table.get(row)).collect();
                batcher.tokenize(&rows, 0)
            }
            Self::Random(config) => random_batch(step as u64, arguments, config),
        }
    }
}

/// `<s>` and `</s>` of MPNet. A step takes as long with any others.
const FIRST_TOKEN: u32 = 0;
const LAST_TOKEN: u32 = 2;

fn random_batch(step: u64, arguments: &TrainStepArgs, config: &EncoderConfig) -> TrainingBatch {
    let TrainStepArgs {
        batch_size, length, ..
    } = *arguments;
    let text = |text: u64| -> Vec<u32> {
        let word = |position: usize| {
            let random = derive_seed(derive_seed(step, text), position as u64);
            // Past the special tokens, and never a pad.
            5 + (random % (config.vocab_size as u64 - 5)) as u32
        };
        let inner = length.saturating_sub(2);
        let mut ids = vec![FIRST_TOKEN];
        ids.extend((0..inner).map(word));
        ids.push(LAST_TOKEN);
        ids
    };
    TrainingBatch {
        texts: (0..2 * batch_size as u64).map(text).collect(),
        rows: batch_size,
        seed: step,
        ..TrainingBatch::default()
    }
}
