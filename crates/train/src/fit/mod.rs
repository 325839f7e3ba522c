//! A training run from its settings to its folder.

pub mod change;
mod finish;
mod freeze;
mod install;
mod output;
mod plan;
mod rows;
mod task;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use burn::train::Interrupter;
use model::Checkpoint;
use model::hub;
use program::Console;

pub use change::{SAMPLE_QUERIES, Samples, WeightChange};
pub(crate) use output::OutputFolder;
pub(crate) use rows::Rows;

use crate::download::hub_options;
use crate::error::TrainError;
use crate::evaluation::Scores;
use crate::options::FitOptions;
use crate::report::History;
use crate::settings::Settings;

/// Stops a run from outside: it writes a checkpoint and ends.
#[derive(Clone, Default)]
pub struct Stop {
    asked: Arc<AtomicBool>,
    interrupter: Arc<Mutex<Option<Interrupter>>>,
}

impl Stop {
    /// Asks a run to end after its current step.
    pub fn ask(&self) {
        self.asked.store(true, Ordering::Relaxed);
        let interrupter = self
            .interrupter
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(interrupter) = &*interrupter {
            interrupter.stop(Some("interrupted"));
        }
    }

    /// Whether somebody has asked.
    #[must_use]
    pub fn is_asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }

    fn of(&self, interrupter: &Interrupter) {
        *self
            .interrupter
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(interrupter.clone());
        if self.is_asked() {
            interrupter.stop(Some("interrupted"));
        }
    }
}

/// What a run is told beside its settings.
#[derive(Clone)]
pub struct Surroundings {
    /// Whether to go on with the run in the output folder.
    pub resume: bool,
    /// What is said on stderr.
    pub notes: Console,
    /// Whether burn's dashboard is shown where there is a terminal.
    pub dashboard: bool,
    /// Stops the run.
    pub stop: Stop,
    /// The command, for the report.
    pub command: String,
}

/// What a run came to.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct FitResult {
    /// What was written along the way; without an output folder the same, unwritten.
    pub history: History,
    /// Scores before the first step, where there were rows to validate with.
    pub before: Option<Scores>,
    /// Scores of the weights that were kept.
    pub after: Option<Scores>,
    /// How far the weights moved.
    pub change: WeightChange,
    /// The vectors of three queries.
    pub samples: Samples,
    /// The tuned model.
    pub output: Option<PathBuf>,
    /// Optimiser steps.
    pub steps: usize,
    /// Why the run ended before its last step.
    pub stopped: Option<String>,
}

/// Trains a model. `None` says that there was nothing to do: the run that was to go on had come to
/// its end, and nothing was changed.
///
/// # Errors
///
/// When the data, the model, a setting or the device does not do; [`TrainError::Interrupted`] when
/// somebody stopped it, after a checkpoint has been written.
pub fn fit(
    options: FitOptions,
    surroundings: &Surroundings,
) -> Result<Option<FitResult>, TrainError> {
    let (options, resumed) = match (&options.output, surroundings.resume) {
        (Some(output), true) => {
            let output = output.clone();
            let (folder, options) = OutputFolder::resume(&output, options)?;
            (options, Some(folder))
        }
        (None, true) => {
            return Err(TrainError::Usage(
                "--resume needs the folder of the run: --output DIR".to_owned(),
            ));
        }
        (_, false) => (options, None),
    };
    let settings = Settings::resolve(options)?;
    let notes = surroundings.notes;
    if let Some(folder) = &resumed {
        if folder.is_finished() {
            notes.note(format_args!(
                "{}: the run has come to its end already; nothing was changed",
                folder.path.display()
            ));
            return Ok(None);
        }
        folder.remove_unfinished()?;
    }
    let output = match (resumed, &settings.output) {
        (Some(folder), _) => Some(folder),
        (None, Some(path)) => Some(OutputFolder::new(path)?),
        (None, None) => None,
    };
    let reference = settings.reference.as_deref();
    let reference = reference.map(finish::reference_curve).transpose()?;
    let devices = settings
        .devices
        .iter()
        .map(|device| device.select())
        .collect::<Result<Vec<_>, _>>()?;

    let rows = Rows::read(&settings)?;
    notes.note(format_args!(
        "{} rows to train on ({}), {} to validate with",
        rows.train_count(),
        rows.train.kind(),
        rows.valid_count()
    ));
    if let Some(error) = rows.train.first_skipped() {
        notes.warning(format_args!(
            "{} rows were skipped, the first because of {error}",
            rows.train.skipped()
        ));
    }

    let hub_options = hub_options(
        settings.revision.clone(),
        settings.offline,
        notes,
        surroundings.stop.clone(),
    );
    let found = hub::resolve(&settings.model, &hub_options).map_err(model::ModelError::from)?;
    let mut checkpoint = Checkpoint::open(&found.path)?;
    if let Some(length) = settings.max_length {
        checkpoint.max_seq_length = length;
    }
    settings.objective.validate(checkpoint.width())?;

    let result = devices[0].run(task::Fit {
        settings: &settings,
        devices: &devices,
        checkpoint,
        rows,
        output,
        surroundings,
        reference,
    })??;
    Ok(Some(result))
}
