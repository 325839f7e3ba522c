//! Checkpoints: the folders from which a run resumes.
//!
//! `checkpoint/N` holds the state after N optimiser steps: the three files of burn's learner and `state.json`, the
//! position in the data. It is written as `checkpoint/.new/N` and renamed when all files are complete, so a checkpoint
//! exists exactly when its folder does; only then the older one is removed. A second checkpoint of the same step is
//! `N.1`. Everything unfinished is in `checkpoint/.new`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use program::atomic_file::{self, sync_folder_of};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::data::Fingerprint;
use crate::error::TrainError;

/// Folder of checkpoints; burn sets the name.
pub(crate) const FOLDER: &str = "checkpoint";

/// Folder of everything unfinished in [`FOLDER`].
pub(crate) const UNFINISHED: &str = ".new";

/// File of the position in the data.
const STATE: &str = "state.json";

/// The files of a checkpoint. burn writes all but the last, under the names of [`part_of`].
const PARTS: [&str; 4] = ["model.bin", "optim.bin", "scheduler.bin", STATE];

/// Prefix of the folder of the best model, before its step.
const BEST: &str = "best-";

/// Prefix of the files of vectors.
pub(crate) const VECTORS: &str = "vectors-";

/// Folder of the model of the last step, in [`UNFINISHED`].
const LAST: &str = "last";

/// Format version; bump it when older files would be misread. Until version 2 a checkpoint was four files instead of a
/// folder; until version 3 the head of a tagger was divided by another number.
const FORMAT: u64 = 4;

/// Position of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Position {
    /// Number of completed optimiser steps.
    pub step: usize,
    /// Current epoch, from 0.
    pub epoch: usize,
    /// Number of completed batches of that epoch.
    pub batch: usize,
    /// The best validation so far.
    pub best: Option<Best>,
    /// Number of validations since then.
    pub without_improvement: usize,
    /// Whether a validation at this step was interrupted.
    pub validation_due: bool,
    /// Seconds of training so far, including those before resumptions.
    pub seconds: f64,
    /// Number of events in the log of the run.
    pub events: usize,
    /// Identity of the base model, and of the guide if there is one: hashes of their files.
    pub model: String,
    /// Fingerprint of the training rows.
    pub train: Option<Fingerprint>,
    /// Fingerprint of the validation rows, if they come from separate files.
    pub validation: Option<Fingerprint>,
}

/// Serialized form of a position.
#[derive(Serialize)]
struct Written<'a> {
    format: u64,
    #[serde(flatten)]
    position: &'a Position,
}

/// Name of [`Written::format`].
const FORMAT_FIELD: &str = "format";

/// A validation score and its step.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Best {
    /// The score; higher is better.
    pub score: f64,
    /// Number of optimiser steps.
    pub step: usize,
}

/// The checkpoints of a run.
#[derive(Clone, Debug)]
pub(crate) struct CheckpointFolder {
    path: PathBuf,
}

/// Step of a checkpoint, and which one of this step it is.
type Name = (usize, usize);

impl CheckpointFolder {
    /// The checkpoints in the output folder `output`.
    #[must_use]
    pub(crate) fn of_run(output: &Path) -> Self {
        Self {
            path: output.join(FOLDER),
        }
    }

    /// Folder of all checkpoints.
    #[must_use]
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Folder of the model of `step`, the best so far, in the layout of sentence-transformers.
    ///
    /// Each best model has its own folder: a better one is written before the position that refers to
    /// it, and a run killed in between resumes from a position that refers to the previous one.
    #[must_use]
    pub(crate) fn best_model(&self, step: usize) -> PathBuf {
        self.path.join(format!("{BEST}{step}"))
    }

    /// Folder for the model of the last step, until it is installed.
    pub(crate) fn last_model(&self) -> PathBuf {
        self.path.join(UNFINISHED).join(LAST)
    }

    /// Removes everything unfinished of a killed run.
    pub(crate) fn remove_unfinished(&self) -> Result<(), TrainError> {
        let path = self.path.join(UNFINISHED);
        remove_folder(&path).map_err(TrainError::io(&path))
    }

    /// Writes a best model: `write` creates its folder at the given path.
    pub(crate) fn keep_best(
        &self,
        step: usize,
        write: impl FnOnce(&Path) -> Result<(), TrainError>,
    ) -> Result<(), TrainError> {
        let target = self.best_model(step);
        let unfinished = self.path.join(UNFINISHED).join(format!("{BEST}{step}"));
        write(&unfinished)?;
        // A run that was resumed from before this step may have left it.
        remove_folder(&target)
            .and_then(|()| fs::rename(&unfinished, &target))
            .and_then(|()| sync_folder_of(&target))
            .map_err(TrainError::io(&target))
    }

    /// Removes all best models, once the output folder holds the tuned model.
    pub(crate) fn remove_best_models(&self) {
        for step in self.best_models() {
            discard(&self.best_model(step));
        }
    }

    /// File of the vectors of rows by a guide: identity and precision of the model, its place among several, which may
    /// differ in their prompts alone, and the hash of the rows.
    pub(crate) fn vectors(&self, guide: &str, place: usize, rows: u64) -> PathBuf {
        let place = match place {
            0 => String::new(),
            place => format!("-{place}"),
        };
        self.path
            .join(format!("{VECTORS}{guide}{place}-{rows:016x}.f32"))
    }

    /// Removes the vectors of guides, once the run is over.
    pub(crate) fn remove_vectors(&self) {
        for (_, path) in entries(&self.path).filter(|(name, _)| name.starts_with(VECTORS)) {
            // Like the models: a leftover only takes space.
            let _ = fs::remove_file(path);
        }
    }

    /// Position of the latest checkpoint; `None` if there is none.
    ///
    /// # Errors
    ///
    /// The position cannot be read, or has the format of another version.
    pub(crate) fn latest(&self) -> Result<Option<Position>, TrainError> {
        match self.names().into_iter().max() {
            Some(name) => self.position(name).map(Some),
            // Until format 2 a checkpoint was four files.
            None if entries(&self.path).any(|(name, _)| name.starts_with("position-")) => {
                Err(other_version(self.path.clone()))
            }
            None => Ok(None),
        }
    }

    fn position(&self, name: Name) -> Result<Position, TrainError> {
        let path = self.path.join(folder_name(name)).join(STATE);
        let bytes = fs::read(&path).map_err(TrainError::io(&path))?;
        let unreadable = TrainError::config(&path);
        let mut fields: Map<String, Value> = serde_json::from_slice(&bytes).map_err(&unreadable)?;
        if fields.remove(FORMAT_FIELD) != Some(FORMAT.into()) {
            return Err(other_version(path));
        }
        serde_json::from_value(fields.into()).map_err(unreadable)
    }

    /// Begins a checkpoint: writes the position. burn writes the other files.
    pub(crate) fn write_position(&self, position: &Position) -> Result<(), TrainError> {
        let folder = self.unfinished_checkpoint(position.step);
        let path = folder.join(STATE);
        let written = Written {
            format: FORMAT,
            position,
        };
        let text = serde_json::to_vec_pretty(&written).map_err(TrainError::config(&path))?;
        fs::create_dir_all(&folder)
            .and_then(|()| atomic_file::write(&path, &text))
            .map_err(TrainError::io(&path))
    }

    /// Removes checkpoints older than the latest, and best models that neither the run (`best`) nor the latest checkpoint
    /// refers to.
    pub(crate) fn prune(&self, best: Option<Best>) {
        let names = self.names();
        let latest = names.iter().copied().max();
        for &name in names.iter().filter(|&&name| Some(name) < latest) {
            discard(&self.path.join(folder_name(name)));
        }
        let of_latest = latest.and_then(|name| self.position(name).ok()?.best);
        let known: Vec<usize> = of_latest
            .iter()
            .chain(&best)
            .map(|best| best.step)
            .collect();
        for step in self.best_models() {
            if !known.contains(&step) {
                discard(&self.best_model(step));
            }
        }
    }

    /// Path of a checkpoint's file, while it is written or, with `read`, in the latest checkpoint of the step.
    fn part(&self, part: &str, step: usize, read: bool) -> PathBuf {
        let latest = self.names().into_iter().filter(|name| name.0 == step).max();
        match latest.filter(|_| read) {
            Some(name) => self.path.join(folder_name(name)),
            None => self.unfinished_checkpoint(step),
        }
        .join(part)
    }

    /// Renames the checkpoint of a step if all its files are complete, and returns whether it did.
    pub(crate) fn commit(&self, step: usize) -> io::Result<bool> {
        let unfinished = self.unfinished_checkpoint(step);
        if !PARTS.iter().all(|part| unfinished.join(part).is_file()) {
            return Ok(false);
        }
        let names = self.names().into_iter().filter(|name| name.0 == step);
        let next = names.max().map_or(0, |(_, number)| number + 1);
        let target = self.path.join(folder_name((step, next)));
        fs::rename(&unfinished, &target)?;
        sync_folder_of(&target)?;
        Ok(true)
    }

    fn unfinished_checkpoint(&self, step: usize) -> PathBuf {
        self.path.join(UNFINISHED).join(step.to_string())
    }

    /// Steps with a saved best model.
    fn best_models(&self) -> Vec<usize> {
        entries(&self.path)
            .filter(|(_, path)| path.is_dir())
            .filter_map(|(name, _)| name.strip_prefix(BEST)?.parse().ok())
            .collect()
    }

    /// All checkpoints.
    fn names(&self) -> Vec<Name> {
        entries(&self.path)
            .filter(|(_, path)| path.join(STATE).is_file())
            .filter_map(|(name, _)| {
                let (step, number) = name.split_once('.').unwrap_or((&name, "0"));
                Some((step.parse().ok()?, number.parse().ok()?))
            })
            .collect()
    }
}

fn folder_name((step, number): Name) -> String {
    match number {
        0 => step.to_string(),
        _ => format!("{step}.{number}"),
    }
}

fn other_version(path: PathBuf) -> TrainError {
    TrainError::Checkpoint {
        path,
        reason: "another version of the program wrote this checkpoint, and a run resumed from it would differ: start a \
                 new run with another --output"
            .to_owned(),
    }
}

/// The checkpoints, step and path of a file that burn calls `checkpoint/NAME-STEP`; `None` for another name.
pub(crate) fn part_of(file: &Path, read: bool) -> Option<(CheckpointFolder, usize, PathBuf)> {
    let (part, step) = file.file_name()?.to_str()?.rsplit_once('-')?;
    let step = step.parse().ok()?;
    let folder = CheckpointFolder {
        path: file.parent()?.to_owned(),
    };
    let path = folder.part(&format!("{part}.bin"), step, read);
    Some((folder, step, path))
}

/// Names and paths of the entries of a folder; nothing if it does not exist.
fn entries(folder: &Path) -> impl Iterator<Item = (String, PathBuf)> {
    let entries = folder.read_dir().into_iter().flatten().flatten();
    entries.filter_map(|entry| Some((entry.file_name().into_string().ok()?, entry.path())))
}

fn remove_folder(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// Removes a folder. Ignores errors: a leftover only takes space.
fn discard(path: &Path) {
    let _ = fs::remove_dir_all(path);
}

#[cfg(test)]
mod tests;
