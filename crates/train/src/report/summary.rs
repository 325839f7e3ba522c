//! Summary of a run, and the report files.

use std::path::PathBuf;

use super::format::counted;
use crate::config::Task;
use crate::evaluation::{ScoreChange, Scores, signed};

/// Use of the rows of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DataRole {
    /// Training rows.
    Train,
    /// Rows of scores during the run, which choose the weights to keep.
    Validation,
}

impl DataRole {
    /// The use in one word: `training` or `validation`.
    #[must_use]
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Train => "training",
            Self::Validation => "validation",
        }
    }
}

/// A file of rows that a run read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DataFile {
    /// Use of its rows.
    pub role: DataRole,
    /// Path of the file.
    pub path: PathBuf,
    /// Number of used rows.
    pub rows: u64,
    /// Number of skipped bad rows.
    pub skipped: u64,
}

/// The losses of another run, to draw next to this one's.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ReferenceCurve {
    /// Short label.
    pub label: String,
    /// Pairs of step (may be fractional) and loss.
    pub points: Vec<(f64, f64)>,
}

/// Input and result of a run.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct RunSummary {
    /// What was trained.
    pub task: Task,
    /// The base model: a name on the Hugging Face hub, or a folder.
    pub base_model: String,
    /// The folder of the run, and of the tuned model.
    pub output: PathBuf,
    /// The files of rows.
    pub data: Vec<DataFile>,
    /// Maximum number of tokens per text of the tuned model.
    pub max_length: usize,
    /// The loss and its parameters in one line.
    pub loss: String,
    /// Names and values of all settings.
    pub settings: Vec<(String, String)>,
    /// Scores of the base model, of which higher is better; `None` without validation rows.
    pub before: Option<Scores>,
    /// Scores of the tuned model.
    pub after: Option<Scores>,
    /// Number of optimiser steps.
    pub steps: usize,
    /// Passes over the training rows, as a fraction: a limit of steps may end the last one early.
    pub epochs: f64,
    /// Seconds of training steps, without loading, validation and saving.
    pub seconds: f64,
    /// Computed tokens per second of training steps: with padding on a GPU, without on a CPU.
    pub tokens_per_second: f64,
    /// Peak memory of the process in bytes; `None` if the system does not report it.
    pub peak_memory_bytes: Option<u64>,
    /// Description of the device.
    pub device: String,
    /// The command line of the run.
    pub command: String,
    /// Version of this program.
    pub program_version: String,
    /// Warnings for users of the model.
    pub warnings: Vec<String>,
    /// Why the run ended before its last step; `None` if it did not.
    pub stopped: Option<String>,
}

impl RunSummary {
    /// Scores before and after: those of the base model in order, then new ones.
    pub(super) fn score_changes(&self) -> Vec<ScoreChange<'_>> {
        ScoreChange::all(self.before.as_ref(), self.after.as_ref())
    }

    /// How the run ended, in one sentence.
    pub(super) fn ending(&self) -> String {
        let steps = counted(self.steps as u64, "step");
        match &self.stopped {
            Some(reason) => format!("The run stopped early, after {steps}: {reason}"),
            None => format!("The run completed all {steps}."),
        }
    }
}

/// The drop of a score as a sentence without its name; `None` if it did not drop.
pub(super) fn fall(change: &ScoreChange<'_>) -> Option<String> {
    let (before, after) = change
        .before
        .zip(change.after)
        .filter(|_| change.is_worse())?;
    Some(if after.is_nan() {
        format!("dropped: it was {before:.4} and is now NaN.")
    } else {
        let difference = before - after;
        format!("dropped by {difference:.4}, from {before:.4} to {after:.4}.")
    })
}

/// A score with four decimals, or the reason for a missing one.
pub(super) fn score(value: Option<f64>) -> String {
    match value {
        Some(value) if value.is_finite() => format!("{value:.4}"),
        Some(_) => "not finite".to_owned(),
        None => "not measured".to_owned(),
    }
}

/// A difference with sign and four decimals; empty if undefined.
pub(super) fn difference(change: &ScoreChange<'_>) -> String {
    let difference = change.difference().filter(|value| value.is_finite());
    difference.map_or_else(String::new, signed)
}

#[cfg(test)]
pub(super) mod tests;
