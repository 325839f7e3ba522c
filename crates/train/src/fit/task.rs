//! A run on the chosen backend.

use std::sync::{Arc, Mutex, PoisonError};

use burn::backend::Autodiff;
use burn::prelude::DeviceOps;
use burn::tensor::backend::DeviceId;
use burn::train::logger::InMemoryMetricLogger;
use burn::train::metric::LearningRateMetric;
use burn::train::renderer::tui::TuiMetricsRendererWrapper;
use burn::train::{Interrupter, Learner, SupervisedTraining, TrainingStrategy};
use guard::guarded;
use model::backend::{BackendTask, EncoderOps};
use model::parts::SentenceModel;
use model::{Checkpoint, Device, SentenceEncoder};
use program::Console;

use super::finish::{Finish, check_best_model, save_model};
use super::freeze::freeze;
use super::plan::plan;
use super::{FitResult, OutputFolder, Rows, RunContext};
use crate::error::TrainError;
use crate::options::FitOptions;
use crate::report::{MetricsLog, ProgressLine, ReferenceCurve, SharedHistory};
use crate::settings::{Settings, Trained};
use crate::shell::quoted;
use crate::step::{StepSettings, TrainingModel};
use crate::stop::Phase;
use crate::training::checkpoint::{CheckpointFolder, Position};
use crate::training::dashboard::{LossGauge, NoDashboard, ScoreGauge, interruptible};
use crate::training::optimizer::{AdamWSettings, DecoupledAdamW};
use crate::training::recorder::{CheckpointRecorder, SaveOnRequest};
use crate::training::schedule::Schedule;
use crate::training::strategy::{Components, Ending, Outcome, StepStrategy};
use crate::training::supervisor::{Keep, Supervisor, Validate, has_noted_collapse};

pub(super) struct Fit<'a> {
    pub(super) settings: &'a Settings,
    pub(super) devices: &'a [Device],
    pub(super) checkpoint: Checkpoint,
    /// Commit of a model from the hub.
    pub(super) commit: Option<String>,
    pub(super) rows: Rows,
    pub(super) output: Option<OutputFolder>,
    pub(super) context: &'a RunContext,
    pub(super) reference: Option<ReferenceCurve>,
}

impl BackendTask for Fit<'_> {
    type Output = Result<FitResult, TrainError>;

    fn run<B: EncoderOps>(mut self, device: B::Device) -> Self::Output {
        let settings = self.settings;
        let notes = self.context.notes;
        let tokenizer = Arc::new(self.checkpoint.tokenizer()?);
        let model = trainable::<Autodiff<B>>(settings, &self.checkpoint, &device)?;

        let train = self.rows.train_loader(settings, Arc::clone(&tokenizer))?;
        if let Some(note) = self.rows.waiting_rows(settings, &train) {
            notes.note(note);
        }
        let valid = self.rows.valid_loader(settings, tokenizer)?;
        let checkpoints = self.output.as_ref().map(OutputFolder::checkpoints);
        let start = self.start(checkpoints.as_ref())?;
        let validate = self.validate::<B>()?;
        let step_settings = step_settings(settings, self.devices, &self.checkpoint)?;
        let plan = plan(settings, &train, &self.context.stop, notes)?;
        let warmup_steps = Schedule::warmup_steps(plan.total_steps, settings.warmup);
        notes.note(format_args!(
            "{} optimiser steps on {}",
            plan.total_steps,
            self.devices[0].description()
        ));

        self.context.stop.check()?;
        let options = self.resolved_options();
        if let Some(output) = &mut self.output {
            output.begin(&options)?;
        }
        let mut log = match &self.output {
            Some(output) if start.step > 0 => {
                Some(MetricsLog::resume(&output.metrics(), start.events)?)
            }
            Some(output) => Some(MetricsLog::create(&output.metrics())?),
            None => Some(MetricsLog::in_memory()),
        };
        let shared_log = log.as_ref().map(MetricsLog::history);
        let before = shared_log
            .as_ref()
            .map(SharedHistory::snapshot)
            .unwrap_or_default();

        let dashboard = self.context.dashboard && notes.shows_dashboard();
        let supervisor = Supervisor::<Autodiff<B>> {
            log: log.take(),
            line: (!dashboard).then(|| ProgressLine::new(plan.total_steps, plan.epochs)),
            notes: if dashboard { Console::new(true) } else { notes },
            dashboard,
            folder: self.output.as_ref().map(|output| output.path.clone()),
            table: Arc::clone(&self.rows.train),
            validate,
            keep_best: match &checkpoints {
                Some(folder) if !settings.keep_last => Some(self.keep_in::<B>(folder)),
                _ => None,
            },
            patience: settings.patience,
            better_loss: settings
                .objective
                .loss
                .better_choice()
                .map(|better| better.name()),
            collapse_noted: has_noted_collapse(&before),
            passes: before.steps().last().map_or(0.0, |step| step.epoch),
        };

        let outcome: Arc<Mutex<Option<Outcome>>> = Arc::default();
        let recorder = CheckpointRecorder::default();
        let strategy = StepStrategy {
            device: device.clone(),
            plan: plan.clone(),
            start: start.clone(),
            cursor: train.cursor(),
            checkpoints: checkpoints.clone(),
            writer: recorder.writer(),
            supervisor: Mutex::new(Some(supervisor)),
            outcome: Arc::clone(&outcome),
        };
        let schedule = Schedule::new(
            settings.learning_rate,
            warmup_steps,
            plan.total_steps,
            settings.decay,
        );
        let optimizer = DecoupledAdamW::optimizer(AdamWSettings {
            weight_decay: settings.weight_decay as f32,
            ..AdamWSettings::default()
        });
        let training_model = TrainingModel::new(model, step_settings);
        let learner = Learner::<Components<Autodiff<B>>>::new(training_model, optimizer, schedule);

        let interrupter = Interrupter::new();
        self.context.stop.of(&interrupter);
        let scratch = tempfile::tempdir().map_err(TrainError::io("temporary folder"))?;
        let folder = self
            .output
            .as_ref()
            .map_or(scratch.path(), |output| &output.path);
        let mut training = SupervisedTraining::new(folder, Arc::new(train), Arc::new(valid))
            .num_epochs(plan.epochs)
            .metric_train_numeric(LossGauge::new("Loss"))
            .metric_train_numeric(LearningRateMetric::new())
            .metric_valid_numeric(LossGauge::new("Loss"))
            .metric_valid_numeric(ScoreGauge::new("Score"))
            .with_metric_logger(InMemoryMetricLogger::default())
            .with_application_logger(None)
            .with_checkpointing_strategy(SaveOnRequest)
            .with_interrupter(interrupter.clone())
            .with_training_strategy(TrainingStrategy::Custom(Arc::new(strategy)));
        if checkpoints.is_some() {
            training = training.with_file_checkpointer(recorder);
        }
        let training = if dashboard {
            training.renderer(interruptible(|| {
                TuiMetricsRendererWrapper::new(interrupter, None)
            }))
        } else {
            training.renderer(NoDashboard)
        };
        self.context.stop.enter(Phase::Training);
        let result = guarded(|| Ok::<_, TrainError>(training.launch(learner)));
        self.context.stop.enter(Phase::Finishing);
        let result = result.map_err(|panic| TrainError::Compute {
            source: match guard::place_of_last_panic() {
                Some(place) => format!("{panic} ({place})").into(),
                None => panic,
            },
        });
        let history = shared_log
            .map(|history| history.snapshot())
            .unwrap_or_default();
        if dashboard {
            // The dashboard covered the notes.
            for note in history.notes() {
                notes.warning(note);
            }
        }
        let result = result?;

        let outcome = outcome
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let (ending, position) = outcome.unwrap_or(Ok((Ending::Interrupted, start)))?;
        if ending == Ending::Interrupted {
            return Err(self.interrupted(position.step));
        }
        Finish {
            settings,
            options,
            checkpoint: &self.checkpoint,
            rows: &self.rows,
            output: self.output.as_ref(),
            context: self.context,
            device_name: self.devices[0],
            history,
            reference: self.reference.as_ref(),
            position,
            stopped: match ending {
                Ending::Stopped(reason) => Some(reason),
                _ => None,
            },
        }
        .run::<B>(result.model.model, &device)
    }
}

impl Fit<'_> {
    /// A function that scores a model on the validation rows; `None` without such rows.
    fn validate<B: EncoderOps>(&self) -> Result<Option<Validate<Autodiff<B>>>, TrainError> {
        let Some(rows) = self.rows.validation() else {
            return Ok(None);
        };
        // Fails before the first step if the rows cannot be evaluated.
        rows.evaluator()?;
        let checkpoint = self.checkpoint.clone();
        let (name, stop) = (self.devices[0], self.context.stop.clone());
        Ok(Some(Box::new(move |model: &SentenceModel<B>| {
            let encoder = SentenceEncoder::builder()
                .device(name)
                .with_model(checkpoint.clone(), model.clone())?;
            let mut go_on = |_| {
                if stop.is_asked() {
                    std::ops::ControlFlow::Break(())
                } else {
                    std::ops::ControlFlow::Continue(())
                }
            };
            let evaluator = rows.evaluator()?;
            Ok(evaluator.evaluate_with_progress(&encoder, &mut go_on)?)
        })))
    }

    /// A function that saves a model as the best so far.
    fn keep_in<B: EncoderOps>(&self, folder: &CheckpointFolder) -> Keep<Autodiff<B>> {
        let folder = folder.clone();
        let (checkpoint, trained) = (self.checkpoint.clone(), self.settings.trained);
        let base = self.settings.model.clone();
        Box::new(move |model: &SentenceModel<B>, step: usize| {
            folder.keep_best(step, |path| {
                save_model(&checkpoint, trained, &base, &model.network, path)
            })
        })
    }

    /// The position where the run starts or resumes.
    fn start(&self, checkpoints: Option<&CheckpointFolder>) -> Result<Position, TrainError> {
        let new_run = Position {
            train: Some(self.rows.train_fingerprint()),
            validation: self.rows.validation_fingerprint(),
            model: self.checkpoint.identity()?,
            ..Position::default()
        };
        if !self.context.resume {
            return Ok(new_run);
        }
        let notes = self.context.notes;
        let latest = match checkpoints {
            Some(checkpoints) => checkpoints.latest()?,
            None => None,
        };
        let Some(position) = latest else {
            notes.note("no checkpoint exists: starting from the beginning");
            return Ok(new_run);
        };
        self.check_data(&position, &new_run)?;
        if let (Some(checkpoints), false, Some(best)) =
            (checkpoints, self.settings.keep_last, position.best)
        {
            check_best_model(&checkpoints.best_model(best.step), best.step)?;
        }
        notes.note(format_args!("resuming from step {}", position.step));
        Ok(position)
    }

    /// Refuses another base model, and other rows, which would change the order of batches and the schedule.
    fn check_data(&self, before: &Position, now: &Position) -> Result<(), TrainError> {
        if let Some(output) = self.output.as_ref().filter(|_| before.model != now.model) {
            return Err(TrainError::OtherModel {
                path: output.path.clone(),
                model: self.settings.model.clone(),
            });
        }
        for (what, before, now) in [
            ("training", before.train, now.train),
            ("validation", before.validation, now.validation),
        ] {
            if let (Some(before), Some(now), Some(output)) = (before, now, &self.output)
                && before != now
            {
                return Err(TrainError::OtherData {
                    path: output.path.clone(),
                    what,
                    before: before.rows,
                    now: now.rows,
                });
            }
        }
        Ok(())
    }

    fn interrupted(&self, step: usize) -> TrainError {
        let advice = match &self.output {
            Some(output) => format!(
                "resume with `train fit --output {} --resume`",
                quoted(&output.path.to_string_lossy())
            ),
            None => "without --output nothing was saved".to_owned(),
        };
        TrainError::Interrupted { step, advice }
    }

    /// The options of the run, with the values that depend on the model, and its commit. The default of `--replicas` is left out: it
    /// depends on the device, which may change.
    fn resolved_options(&self) -> FitOptions {
        let config = &self.checkpoint.config;
        let mut options = self.settings.options.clone();
        if self.commit.is_some() {
            options.revision.clone_from(&self.commit);
        }
        options
            .max_length
            .get_or_insert(self.checkpoint.max_seq_length);
        // The setting has one value for both.
        if config.hidden_dropout == config.attention_dropout {
            options.dropout.get_or_insert(config.hidden_dropout);
        }
        options
    }
}

/// The model, with all weights frozen that are not trained.
fn trainable<B: EncoderOps>(
    settings: &Settings,
    checkpoint: &Checkpoint,
    device: &B::Device,
) -> Result<SentenceModel<B>, TrainError> {
    let mut checkpoint = checkpoint.clone();
    if let Some(dropout) = settings.dropout {
        checkpoint.config.hidden_dropout = dropout;
        checkpoint.config.attention_dropout = dropout;
    }
    let mut model = checkpoint.load::<B>(device)?;
    let layers = checkpoint.config.num_hidden_layers;
    model.network = match settings.trained {
        Trained::All => model.network,
        Trained::Above(frozen) if frozen >= layers => {
            return Err(TrainError::Usage(format!(
                "--freeze {frozen} leaves nothing to train: the model has {layers} layers; freeze fewer"
            )));
        }
        Trained::Above(frozen) => freeze(model.network, frozen),
        Trained::Adapters(config, _) if config.rank > checkpoint.config.hidden_size => {
            return Err(TrainError::Usage(format!(
                "--lora {} is above the width of the model; it must be at most {}",
                config.rank, checkpoint.config.hidden_size
            )));
        }
        Trained::Adapters(_, true) if checkpoint.config.attention_modules().is_none() => {
            return Err(TrainError::Usage(format!(
                "adapters of {} cannot be saved by themselves, because it has one layer for query, key and value; \
                 leave out the option, and the tuned model has them merged",
                checkpoint.config.model_type()
            )));
        }
        Trained::Adapters(config, _) => model.network.with_adapters(config),
    };
    Ok(model)
}

fn step_settings(
    settings: &Settings,
    devices: &[Device],
    checkpoint: &Checkpoint,
) -> Result<StepSettings, TrainError> {
    let ids = if devices.len() > 1 {
        devices
            .iter()
            .map(|device| device.run(IdOf))
            .collect::<Result<Vec<_>, _>>()?
    } else {
        Vec::new()
    };
    let objective = settings.objective.clone();
    let mut step = StepSettings::for_device(devices[0], objective, checkpoint.config.pad_token_id);
    step.activations = settings.activations;
    step.devices = ids;
    if let Some(replicas) = settings.replicas {
        step.replicas_per_device = replicas;
    }
    if let Some(texts) = settings.mini_batch_size {
        step.micro_batch.texts = texts;
    }
    Ok(step)
}

/// burn's id of a device.
struct IdOf;

impl BackendTask for IdOf {
    type Output = DeviceId;

    fn run<B: EncoderOps>(self, device: B::Device) -> DeviceId {
        device.to_id()
    }
}
