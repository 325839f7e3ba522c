//! A training run and its folder: from the settings to the tuned model.
//!
//! [`fit`] reads the rows, finds the model and the device, and resumes or begins the output folder. `task` makes what
//! [`train`](crate::train) needs on the backend of the device, and `finish` keeps the best weights and writes the report.

mod adapter;
mod change;
mod dataset;
mod failed_batch;
mod finish;
mod folder;
mod freeze;
mod guide;
mod install;
mod monitor;
mod plan;
mod prompts;
mod rows;
pub(crate) mod static_model;
mod task;
mod temperature;
mod validate;

use std::path::{Path, PathBuf};

use model::Checkpoint;
use model::hub::{self, HubError, Origin};
use program::Console;

pub use change::SAMPLE_QUERIES;
pub(crate) use change::{Samples, WeightChange};
pub(crate) use dataset::files_of;

use self::folder::OutputFolder;
use self::guide::Guides;
use self::rows::Rows;
use crate::config::{Given, Task};
use crate::download::hub_options;
use crate::error::TrainError;
use crate::evaluation::Scores;
use crate::report::History;
use crate::settings::Settings;
use crate::stop::Stop;

const MODEL_IS_GONE: &str = "the run started from this model, and the folder does not exist any more; give its new \
                             place with --model";

/// Context of a run besides its settings.
#[derive(Clone)]
pub struct RunContext {
    /// The command, for messages.
    pub name: &'static str,
    /// Whether to resume the run in the output folder.
    pub resume: bool,
    /// Notes on stderr.
    pub notes: Console,
    /// Whether to show burn's dashboard on a terminal.
    pub dashboard: bool,
    /// Stops the run from outside.
    pub stop: Stop,
    /// The command line, for the report.
    pub command: String,
}

/// Result of a run.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct FitResult {
    /// Events of the run, as in metrics.jsonl.
    pub history: History,
    /// Scores before the first step; `None` without validation rows.
    pub before: Option<Scores>,
    /// Scores of the kept weights; `None` without validation rows.
    pub after: Option<Scores>,
    /// Change of the weights.
    pub change: WeightChange,
    /// Vectors of three queries, before and after; `None` for a reranker or a tagger.
    pub samples: Option<Samples>,
    /// Folder of the tuned model; `None` without an output folder.
    pub output: Option<PathBuf>,
    /// Number of optimiser steps.
    pub steps: usize,
    /// Why the run ended before its last step; `None` if it did not.
    pub stopped: Option<String>,
}

/// Trains a model with the given settings. Returns `None` if the run to resume had already finished; nothing is changed then.
///
/// # Errors
///
/// Errors of the data, the model, the settings or the device; [`TrainError::Interrupted`] after a
/// stop, when the checkpoint is written.
pub fn fit(given: &Given, context: &RunContext) -> Result<Option<FitResult>, TrainError> {
    let output = given.value("output").map(PathBuf::from);
    let (config, resumed) = match (output, context.resume) {
        (Some(output), true) => {
            let Some((folder, config)) = OutputFolder::resume(&output, given)? else {
                context.notes.note(format_args!(
                    "{}: the run has already finished; nothing changed",
                    output.display()
                ));
                return Ok(None);
            };
            (config, Some(folder))
        }
        (None, true) => {
            return Err(TrainError::usage(
                "--resume needs the folder of the run: give --output DIR",
            ));
        }
        (_, false) => (given.complete()?, None),
    };
    let settings = Settings::resolve(config)?;
    let notes = context.notes;
    let output = match (resumed, &settings.output) {
        (Some(folder), _) => Some(folder),
        (None, Some(path)) => Some(OutputFolder::new(path)?),
        (None, None) => None,
    };
    let reference = settings.reference.as_deref();
    let reference = reference.map(finish::reference_curve).transpose()?;
    let devices = settings
        .device
        .iter()
        .map(|device| device.select())
        .collect::<Result<Vec<_>, _>>()?;

    context.stop.check()?;
    let rows = Rows::read(&settings)?;
    context.stop.check()?;
    notes.note(format_args!(
        "{} training rows ({}), {} validation rows",
        rows.train_count(),
        rows.train.kind(),
        rows.valid_count()
    ));
    for note in rows.train.notes_on_texts() {
        notes.note(note);
    }
    if settings.is_tagger() {
        note_labels(&rows, notes)?;
    }
    rows.warn_of_skipped(notes);

    let mut hub_options = hub_options(
        settings.revision.clone(),
        settings.offline,
        notes,
        context.stop.clone(),
    );
    if !settings.is_encoder() {
        hub_options = hub_options.of_reranker();
    }
    let found = hub::resolve(&settings.model, &hub_options).map_err(|error| match error {
        HubError::NoFolder { path } if context.resume => TrainError::folder(path, MODEL_IS_GONE),
        error => model::ModelError::from(error).into(),
    })?;
    let mut checkpoint = match settings.task {
        Task::Encoder => Checkpoint::open_found(&found)?,
        Task::Reranker => Checkpoint::open_reranker(&found, settings.seed)?,
        Task::Tagger => {
            let labels = &rows.train.annotations.labels;
            let mut checkpoint = Checkpoint::new_tagger(&found, labels, settings.seed)?;
            checkpoint.set_tagger_settings(rows.schema());
            checkpoint
        }
    };
    if checkpoint.is_plain_reranker() {
        return Err(TrainError::Usage(format!(
            "--model {} is a reranker, which `train rerank` trains; give an encoder",
            settings.model
        )));
    }
    for note in checkpoint.notes() {
        notes.note(format_args!("note: {note}"));
    }
    if let Some(length) = settings.max_length {
        checkpoint.max_seq_length = length;
    }
    prompts::set_prompts(&mut checkpoint, &settings.config);
    if !settings.layers.is_empty() {
        keep_layers(&mut checkpoint, &settings.layers)?;
    }
    settings.objective.validate(checkpoint.width())?;
    let ignored = checkpoint.ignored_tensors()?;
    if let Some(first) = ignored.first() {
        notes.note(format_args!(
            "ignored {} tensors of a head, such as `{first}`: the tuned model will not have them",
            ignored.len()
        ));
    }

    let guides = Guides::load(&settings, &checkpoint, context)?;

    let result = devices[0].run(task::Fit {
        settings: &settings,
        devices: &devices,
        checkpoint,
        commit: commit_of(&found.path, found.origin),
        rows,
        guides,
        output,
        context,
        reference,
    })??;
    Ok(Some(result))
}

/// Says which labels the rows have, and what was noticed while they were read.
fn note_labels(rows: &Rows, notes: Console) -> Result<(), TrainError> {
    let annotations = &rows.train.annotations;
    if annotations.labels.is_empty() {
        return Err(TrainError::Usage(
            "no training row has a span; check the labels of --train".to_owned(),
        ));
    }
    for note in &annotations.notes {
        notes.warning(note);
    }
    let spans = annotations
        .rows
        .iter()
        .map(|row| row.spans.len())
        .sum::<usize>();
    notes.note(format_args!(
        "{spans} spans of {}",
        annotations.labels.join(", ")
    ));
    let unknown = rows.labels_of_validation_alone();
    if !unknown.is_empty() {
        notes.warning(format_args!(
            "no training row has the labels {} of the validation rows: the model cannot find them",
            unknown.join(", ")
        ));
    }
    Ok(())
}

fn keep_layers(checkpoint: &mut Checkpoint, layers: &[usize]) -> Result<(), TrainError> {
    let all = checkpoint.config.num_hidden_layers;
    if let Some(layer) = layers.iter().find(|layer| **layer >= all) {
        return Err(TrainError::Usage(format!(
            "--student: there is no layer {layer}: the teacher has {all}, counted from 0"
        )));
    }
    Ok(checkpoint.keep_layers(layers)?)
}

/// The commit of a model from the hub: the name of its folder in the cache of Hugging Face.
fn commit_of(folder: &Path, origin: Origin) -> Option<String> {
    if !matches!(origin, Origin::HuggingFaceCache | Origin::HuggingFaceHub) {
        return None;
    }
    let name = folder.file_name()?.to_str()?;
    let is_commit = name.len() == 40 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_commit.then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_of_the_hub_has_a_commit() {
        let commit = "e8c3b32edf5434bc2275fc9bab85f82640a19130";
        let cached = Path::new("hub/models--a--b/snapshots").join(commit);
        for origin in [Origin::HuggingFaceCache, Origin::HuggingFaceHub] {
            assert_eq!(commit_of(&cached, origin).as_deref(), Some(commit));
            assert_eq!(commit_of(Path::new("snapshots/main"), origin), None);
        }
        // A folder of the user's may have any name.
        assert_eq!(commit_of(&cached, Origin::Folder), None);
    }
}
