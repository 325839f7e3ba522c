//! How long a training step takes: seconds, tokens a second (without padding), peak memory.
//!
//! Random rows of two texts of a fixed length, or the rows of a file in order, with
//! `multiple-negatives-ranking`, AdamW, gradients clipped: one step as `train fit` takes it.
//! `cargo xtask bench train` runs it.

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use burn::backend::Autodiff;
use burn::data::dataset::Dataset;
use burn::optim::Optimizer;
use burn::train::TrainStep;
use clap::Parser;
use model::hub::{self, DEFAULT_MODEL, HubOptions};
use model::{BackendTask, Checkpoint, Device, EncoderOps, ModelError, MpNetConfig, ThreadCount};
use train::TrainError;
use train::batch::{TokenBatcher, TrainingBatch};
use train::data::{ColumnMap, ReadOptions, TextTable};
use train::losses::{Loss, Objective};
use train::random::mix;
use train::report::peak_memory_bytes;
use train::step::{Activations, StepSettings, TrainingModel};
use train::training::gradients::{clip, norm};
use train::training::optimizer::{AdamWSettings, DecoupledAdamW};

/// Times training steps.
#[derive(Debug, Parser)]
struct Arguments {
    /// Where the network runs.
    #[arg(long, default_value = "auto")]
    device: Device,
    /// A model's name, or a folder.
    #[arg(long, default_value = DEFAULT_MODEL)]
    model: String,
    /// Rows of a batch, each of two texts.
    #[arg(long, default_value_t = 32)]
    batch_size: usize,
    /// Tokens of every text; of a file's texts, the most.
    #[arg(long, default_value_t = 128)]
    length: usize,
    /// Rows of texts, instead of random tokens.
    #[arg(long, value_name = "FILE")]
    train: Option<PathBuf>,
    /// What the file's columns are, as `train fit` takes it.
    #[arg(long, value_name = "ROLE=NAME,...", requires = "train")]
    columns: Option<ColumnMap>,
    /// Steps that are timed, after one that is not.
    #[arg(long, default_value_t = 3)]
    steps: usize,
    /// Keep only the input of each layer.
    #[arg(long)]
    checkpointing: bool,
    /// Hold the activations of that many texts at a time.
    #[arg(long)]
    mini_batch_size: Option<usize>,
    /// Chunks side by side [default: as `train fit`].
    #[arg(long)]
    lanes: Option<usize>,
    /// Tokens of a chunk [default: as `train fit`].
    #[arg(long)]
    chunk_tokens: Option<usize>,
    /// How many threads compute [default: as `train fit`].
    #[arg(long)]
    threads: Option<ThreadCount>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

fn main() -> Result<(), TrainError> {
    let arguments = Arguments::parse();
    model::threads::start(arguments.threads)?;
    let device = arguments.device.select()?;
    let found = hub::resolve(&arguments.model, &HubOptions::default()).map_err(ModelError::from)?;
    let mut checkpoint = Checkpoint::open(&found.path)?;
    checkpoint.max_seq_length = arguments.length;
    let report = device.run(Measure {
        arguments: &arguments,
        checkpoint,
        device_name: device,
    })??;
    io::stdout()
        .write_all(report.as_bytes())
        .map_err(TrainError::Stdout)
}

struct Measure<'a> {
    arguments: &'a Arguments,
    checkpoint: Checkpoint,
    device_name: Device,
}

impl BackendTask for Measure<'_> {
    type Output = Result<String, TrainError>;

    fn run<B: EncoderOps>(self, device: B::Device) -> Self::Output {
        let arguments = self.arguments;
        let model = self.checkpoint.load::<Autodiff<B>>(&device)?;
        let objective = Objective::new(Loss::MultipleNegativesRanking { scale: 20.0 });
        let pad = self.checkpoint.config.pad_token_id;
        let mut settings = StepSettings::for_device(self.device_name, objective, pad);
        settings.activations = match (arguments.mini_batch_size, arguments.checkpointing) {
            (None, false) => Activations::Stored,
            (None, true) => Activations::Checkpointed,
            (Some(_), false) => Activations::GradCache,
            (Some(_), true) => Activations::GradCacheCheckpointed,
        };
        if let Some(texts) = arguments.mini_batch_size {
            settings.micro_batch.texts = texts;
        }
        if let Some(tokens) = arguments.chunk_tokens {
            settings.micro_batch.tokens = tokens;
        }
        if let Some(lanes) = arguments.lanes {
            settings.replicas_per_device = lanes;
        }
        let mut training_model = TrainingModel::new(model, settings);
        let mut optimizer = DecoupledAdamW::optimizer::<TrainingModel<Autodiff<B>>, Autodiff<B>>(
            AdamWSettings::default(),
        );
        let batches = Batches::open(arguments, &self.checkpoint)?;
        let mut seconds = Vec::new();
        let mut tokens = Vec::new();
        for step in 0..=arguments.steps {
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
            // Work on a GPU is done when it is asked for.
            B::sync(&device).map_err(|source| TrainError::Compute {
                source: Box::new(source),
            })?;
            // The first warms up.
            if step > 0 {
                seconds.push(started.elapsed().as_secs_f64());
                tokens.push(of_batch);
            }
        }
        let rate = tokens.iter().sum::<usize>() as f64 / seconds.iter().sum::<f64>();
        seconds.sort_by(f64::total_cmp);
        let median = seconds[seconds.len() / 2];
        let bytes = peak_memory_bytes();
        if arguments.json {
            let report = serde_json::json!({
                "threads": rayon::current_num_threads(),
                "steps": seconds.len(),
                "seconds_median": median,
                "tokens_per_second": rate,
                "peak_memory_bytes": bytes,
            });
            return Ok(format!("{report:#}\n"));
        }
        let memory = bytes.map_or_else(
            || "unknown".to_owned(),
            |bytes| format!("{:.2} GB", bytes as f64 / 1e9),
        );
        Ok(format!(
            "seconds a step (median of {})  {median:.2}\ntokens a second                {rate:.0}\n\
             peak memory                    {memory}\n",
            seconds.len(),
        ))
    }
}

/// Where the batches come from.
enum Batches<'a> {
    File(TextTable, TokenBatcher),
    Random(&'a MpNetConfig),
}

impl<'a> Batches<'a> {
    fn open(arguments: &Arguments, checkpoint: &'a Checkpoint) -> Result<Self, TrainError> {
        let Some(file) = &arguments.train else {
            return Ok(Self::Random(&checkpoint.config));
        };
        let options = ReadOptions {
            columns: arguments.columns.clone(),
            ..ReadOptions::default()
        };
        let table = TextTable::read(&[file], &options)?;
        let tokenizer = Arc::new(checkpoint.tokenizer()?);
        Ok(Self::File(table, TokenBatcher::new(tokenizer)))
    }

    fn batch(&self, step: usize, arguments: &Arguments) -> TrainingBatch {
        let rows = arguments.batch_size;
        match self {
            Self::File(table, batcher) => {
                let places = (step * rows..(step + 1) * rows).map(|row| row % table.len());
                let rows: Vec<_> = places.filter_map(|row| table.get(row)).collect();
                batcher.tokenize(&rows)
            }
            Self::Random(config) => random_batch(step as u64, arguments, config),
        }
    }
}

fn random_batch(step: u64, arguments: &Arguments, config: &MpNetConfig) -> TrainingBatch {
    let Arguments {
        batch_size, length, ..
    } = *arguments;
    let text = |text: u64| -> Vec<u32> {
        let word = |position: usize| {
            let random = mix(mix(step, text), position as u64);
            // Past the special tokens, and never a pad.
            5 + (random % (config.vocab_size as u64 - 5)) as u32
        };
        let inner = length.saturating_sub(2);
        let mut ids = vec![config.bos_token_id];
        ids.extend((0..inner).map(word));
        ids.push(config.eos_token_id);
        ids
    };
    TrainingBatch {
        texts: (0..2 * batch_size as u64).map(text).collect(),
        rows: batch_size,
        seed: step,
        ..TrainingBatch::default()
    }
}
