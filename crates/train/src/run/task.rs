//! A run on the chosen backend.

use std::sync::Arc;

use burn::backend::Autodiff;
use burn::prelude::DeviceOps;
use burn::tensor::backend::DeviceId;
use model::backend::{BackendTask, EncoderOps};
use model::parts::SentenceModel;
use model::{Checkpoint, Device};
use program::Console;

use super::finish::{Finish, check_best_model, save_model};
use super::folder::OutputFolder;
use super::freeze::freeze;
use super::guide::{self, Guides};
use super::monitor::{Keep, Monitor, Validate, noted};
use super::plan::plan;
use super::rows::{Rows, batcher};
use super::{FitResult, RunContext};
use crate::config::FitConfig;
use crate::error::TrainError;
use crate::report::{MetricsLog, ProgressLine, ReferenceCurve};
use crate::settings::{Settings, Trained};
use crate::shell::quoted;
use crate::train::burn::Training;
use crate::train::checkpoint::Position;
use crate::train::optimizer::{AdamWSettings, DecoupledAdamW};
use crate::train::schedule::Schedule;
use crate::train::step::{StepSettings, TrainingModel};
use crate::train::{Ending, Plan};

pub(super) struct Fit<'a> {
    pub(super) settings: &'a Settings,
    pub(super) devices: &'a [Device],
    pub(super) checkpoint: Checkpoint,
    /// Commit of a model from the hub.
    pub(super) commit: Option<String>,
    pub(super) rows: Rows,
    /// The models whose vectors the loss needs.
    pub(super) guides: Option<Guides>,
    pub(super) output: Option<OutputFolder>,
    pub(super) context: &'a RunContext,
    pub(super) reference: Option<ReferenceCurve>,
}

impl BackendTask for Fit<'_> {
    type Output = Result<FitResult, TrainError>;

    fn run<B: EncoderOps>(mut self, device: B::Device) -> Self::Output {
        let settings = self.settings;
        let stop = &self.context.stop;
        let batcher = batcher(settings, &self.checkpoint, self.rows.train.kind())?;
        let model = trainable::<Autodiff<B>>(settings, &self.checkpoint, &device)?;
        let train = self.rows.train_loader(settings, batcher.clone());
        if let Some(note) = self.rows.waiting_rows(settings, &train) {
            self.context.notes.note(note);
        }
        let valid = self.rows.valid_loader(settings, batcher);
        let start = self.start()?;
        let validate = self.rows.validation();
        let validate = validate.map(|rows| self.validate::<B>(rows)).transpose()?;
        let step_settings = step_settings(settings, self.devices, &self.checkpoint)?;
        let plan = plan(settings, &train, stop, self.context.notes)?;
        self.context.notes.note(format_args!(
            "{} optimiser steps on {}",
            plan.total_steps,
            self.devices[0].description()
        ));
        stop.check()?;
        if let Some(guides) = &self.guides {
            guides.check_count(&self.rows, settings, self.checkpoint.width())?;
        }

        let config = self.resolved_config();
        if let Some(output) = &mut self.output {
            output.begin(&config)?;
        }
        if let Some(guides) = self.guides.take() {
            let folder = self.output.as_ref().map(OutputFolder::checkpoints);
            let (rows, width) = (&self.rows, self.checkpoint.width());
            let embedded = guide::embed_all(
                rows,
                &guides,
                settings,
                width,
                folder.as_ref(),
                self.context,
            );
            embedded.map_err(|error| match (error, self.resumption()) {
                (TrainError::InterruptedBefore, Some(advice)) => {
                    TrainError::InterruptedWithVectors { advice }
                }
                (error, _) => error,
            })?;
        }
        let monitor = self.monitor(&plan, &start, validate)?;
        let trained = Training {
            device: device.clone(),
            model: TrainingModel::new(model, step_settings),
            optimizer: DecoupledAdamW::optimizer(AdamWSettings {
                weight_decay: settings.weight_decay as f32,
                ..AdamWSettings::default()
            }),
            schedule: Schedule::new(
                settings.lr,
                Schedule::warmup_steps(plan.total_steps, settings.warmup),
                plan.total_steps,
                settings.decay,
            ),
            plan,
            start,
            train,
            valid,
            observer: monitor,
            output: self.output.as_ref().map(|output| output.path.as_path()),
            dashboard: self.shows_dashboard(),
            stop,
        }
        .run()?;

        let history = trained.observer.into_history();
        if self.shows_dashboard() {
            // The dashboard covered the notes.
            for note in history.notes() {
                self.context.notes.warning(note);
            }
        }
        let position = trained.position;
        let stopped = match trained.ending? {
            Ending::Finished => None,
            Ending::Stopped(reason) => Some(reason),
            Ending::Interrupted => return Err(self.interrupted(position.step)),
        };
        Finish {
            settings,
            config,
            checkpoint: &self.checkpoint,
            rows: &self.rows,
            output: self.output.as_ref(),
            context: self.context,
            device_name: self.devices[0],
            history,
            reference: self.reference.as_ref(),
            position,
            stopped,
        }
        .run::<B>(trained.model.model, &device)
    }
}

impl Fit<'_> {
    fn shows_dashboard(&self) -> bool {
        self.context.dashboard && self.context.notes.shows_dashboard()
    }

    /// The observer of the training; it continues the log of a resumed run.
    fn monitor<B: EncoderOps>(
        &self,
        plan: &Plan,
        start: &Position,
        validate: Option<Validate<TrainingModel<B>>>,
    ) -> Result<Monitor<TrainingModel<B>>, TrainError> {
        let log = match &self.output {
            Some(output) if start.step > 0 => MetricsLog::resume(&output.metrics(), start.events)?,
            Some(output) => MetricsLog::create(&output.metrics())?,
            None => MetricsLog::in_memory(),
        };
        let dashboard = self.shows_dashboard();
        let better_loss = self.settings.objective.loss.better_choice();
        Ok(Monitor {
            noted: noted(log.history()),
            passes: log.history().steps().last().map_or(0.0, |step| step.epoch),
            log,
            line: (!dashboard).then(|| ProgressLine::new(plan.total_steps, plan.epochs)),
            console: if dashboard {
                Console::new(true)
            } else {
                self.context.notes
            },
            dashboard,
            folder: self.output.as_ref().map(|output| output.path.clone()),
            table: Arc::clone(&self.rows.train),
            validate,
            keep_best: match &self.output {
                Some(output) if !self.settings.keep_last => Some(self.keep_in(output)),
                _ => None,
            },
            patience: self.settings.patience,
            better_loss: better_loss.map(|better| better.name()),
        })
    }

    /// A function that saves a model as the best so far.
    fn keep_in<B: EncoderOps>(&self, output: &OutputFolder) -> Keep<TrainingModel<B>> {
        let folder = output.checkpoints();
        let (checkpoint, trained) = (self.checkpoint.clone(), self.settings.trained);
        let base = self.settings.model.clone();
        Box::new(move |model: &TrainingModel<B>, step: usize| {
            folder.keep_best(step, |path| {
                save_model(&checkpoint, trained, &base, &model.model, path)
            })
        })
    }

    /// The position where the run starts or resumes.
    fn start(&self) -> Result<Position, TrainError> {
        let checkpoints = self.output.as_ref().map(OutputFolder::checkpoints);
        let new_run = Position {
            train: Some(self.rows.train_fingerprint(self.settings)),
            validation: self.rows.validation_fingerprint(),
            model: self.identity()?,
            ..Position::default()
        };
        if !self.context.resume {
            return Ok(new_run);
        }
        let notes = self.context.notes;
        let latest = match &checkpoints {
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

    /// Identity of the base model, and of the guides.
    fn identity(&self) -> Result<String, TrainError> {
        let model = self.checkpoint.identity()?;
        Ok(match &self.guides {
            Some(guides) => format!("{model} {}", guides.identity()?),
            None => model,
        })
    }

    /// Refuses another base model or guide, and other rows, which would change the order of batches and the schedule.
    fn check_data(&self, before: &Position, now: &Position) -> Result<(), TrainError> {
        if let Some(output) = self.output.as_ref().filter(|_| before.model != now.model) {
            let (base, guides) = (&self.settings.model, self.settings.guide.join(" and "));
            let (model, options) = match (guides.is_empty(), self.context.name) {
                (true, _) => (base.clone(), "--model"),
                (false, "distill") => (
                    format!("{base} and the teacher {guides}"),
                    "--student, and every --teacher in the same order",
                ),
                (false, _) => (
                    format!("{base} and the guide {guides}"),
                    "--model, and every --guide in the same order",
                ),
            };
            return Err(TrainError::OtherModel {
                path: output.path.clone(),
                model,
                options,
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

    /// How to resume an interrupted run; `None` without a folder.
    fn resumption(&self) -> Option<String> {
        let output = self.output.as_ref()?;
        let path = quoted(&output.path.to_string_lossy());
        let name = self.context.name;
        Some(format!(
            "resume with `train {name} --output {path} --resume`"
        ))
    }

    fn interrupted(&self, step: usize) -> TrainError {
        let advice = self.resumption();
        let advice = advice.unwrap_or_else(|| "without --output nothing was saved".to_owned());
        TrainError::Interrupted { step, advice }
    }

    /// The settings of the run, with the values that depend on the model, and its commit. The default of `--replicas` is
    /// left out: it depends on the device, which may change.
    fn resolved_config(&self) -> FitConfig {
        let model = &self.checkpoint.config;
        let mut config = self.settings.config.clone();
        if self.commit.is_some() {
            config.revision.clone_from(&self.commit);
        }
        config
            .max_length
            .get_or_insert(self.checkpoint.max_seq_length);
        // The setting has one value for both.
        if model.hidden_dropout == model.attention_dropout {
            config.dropout.get_or_insert(model.hidden_dropout);
        }
        config
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
        checkpoint.set_dropout(dropout);
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
    let pad_token_id = checkpoint.config.pad_token_id;
    let longest = checkpoint.max_seq_length;
    let mut step = StepSettings::for_device(devices[0], objective, pad_token_id, longest);
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
