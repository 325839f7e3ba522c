//! Checkpoints: the files from which a run resumes.
//!
//! burn's learner writes three files per checkpoint, `model-N.bin`, `optim-N.bin` and
//! `scheduler-N.bin`, where N is the number of optimiser steps. `position-N.json` holds the position
//! in the data. Each file is written atomically, and a checkpoint is complete once all four exist;
//! only then the older one is removed. So a run that is killed after its first checkpoint can always
//! resume.

use std::path::{Path, PathBuf};

use burn::train::checkpoint::{CheckpointingAction, CheckpointingStrategy};
use burn::train::metric::store::EventStoreClient;
use program::atomic_file;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::data::Fingerprint;
use crate::error::TrainError;

/// Folder of checkpoints; burn sets the name.
const FOLDER: &str = "checkpoint";

/// Names and endings of the files; burn sets the first three.
const PARTS: [(&str, &str); 4] = [
    ("model", "bin"),
    ("optim", "bin"),
    ("scheduler", "bin"),
    ("position", "json"),
];

/// Prefix of the folder of the best model, before its step.
const BEST: &str = "best-";

/// Prefixes of temporary files and folders in the folder of checkpoints: those of [`atomic_file`] and
/// those of a model.
const UNFINISHED: [&str; 2] = [".tmp", ".model"];

/// Format version; bump it when older files would be misread. Version 1 had separate optimisers for
/// parameters with and without weight decay, version 2 has one for both.
const FORMAT: u64 = 2;

/// Position of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Position {
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
pub struct Best {
    /// The score; higher is better.
    pub score: f64,
    /// Number of optimiser steps.
    pub step: usize,
}

/// The checkpoints of a run.
#[derive(Clone, Debug)]
pub struct CheckpointFolder {
    path: PathBuf,
}

impl CheckpointFolder {
    /// The checkpoints in the output folder `output`.
    #[must_use]
    pub fn of_run(output: &Path) -> Self {
        Self {
            path: output.join(FOLDER),
        }
    }

    /// Folder of the model of `step`, the best so far, in the layout of sentence-transformers.
    ///
    /// Each best model has its own folder: a better one is written before the position that refers to
    /// it, and a run killed in between resumes from a position that refers to the previous one.
    #[must_use]
    pub fn best_model(&self, step: usize) -> PathBuf {
        self.path.join(format!("{BEST}{step}"))
    }

    /// Removes temporary files of a killed run: everything in the folder with one of their prefixes.
    pub(crate) fn remove_unfinished(&self) {
        for (name, path) in entries(&self.path) {
            if UNFINISHED.iter().any(|begin| name.starts_with(begin)) {
                discard(&path);
            }
        }
    }

    /// Removes checkpoints after a step, also incomplete ones: a run that resumes from there writes
    /// them again, and must not mix old and new files if it is killed.
    pub(crate) fn forget_after(&self, step: usize) {
        for later in self.steps().into_iter().filter(|&later| later > step) {
            for (name, extension) in PARTS {
                discard(&self.part(name, extension, later));
            }
        }
    }

    /// Removes all best models, once the output folder holds the tuned model.
    pub(crate) fn remove_best_models(&self) {
        for step in self.best_models() {
            discard(&self.best_model(step));
        }
    }

    /// Position of the latest complete checkpoint; `None` if none is complete.
    ///
    /// # Errors
    ///
    /// The position cannot be read, or has the format of another version.
    pub fn latest(&self) -> Result<Option<Position>, TrainError> {
        let Some(step) = self.whole().into_iter().max() else {
            return Ok(None);
        };
        self.position(step).map(Some)
    }

    fn position(&self, step: usize) -> Result<Position, TrainError> {
        let path = self.part("position", "json", step);
        let bytes = std::fs::read(&path).map_err(TrainError::io(&path))?;
        let unreadable = |source| TrainError::Config {
            path: path.clone(),
            source: Box::new(source),
        };
        let mut fields: Map<String, Value> = serde_json::from_slice(&bytes).map_err(unreadable)?;
        if fields.remove(FORMAT_FIELD) != Some(FORMAT.into()) {
            return Err(TrainError::Checkpoint {
                path,
                reason: "another version of the program wrote this checkpoint, and a run resumed from it \
                         would differ: start a new run with another --output"
                    .to_owned(),
            });
        }
        serde_json::from_value(fields.into()).map_err(unreadable)
    }

    /// Writes the position of a checkpoint; burn writes the other files.
    pub(crate) fn write_position(&self, position: &Position) -> Result<(), TrainError> {
        std::fs::create_dir_all(&self.path).map_err(TrainError::io(&self.path))?;
        let path = self.part("position", "json", position.step);
        let written = Written {
            format: FORMAT,
            position,
        };
        let text = serde_json::to_vec_pretty(&written).map_err(|source| TrainError::Config {
            path: path.clone(),
            source: Box::new(source),
        })?;
        atomic_file::write(&path, &text).map_err(TrainError::io(&path))
    }

    /// Removes checkpoints older than the latest complete one, and best models that neither the run
    /// (`best`) nor any checkpoint refers to.
    pub(crate) fn prune(&self, best: Option<Best>) {
        if let Some(latest) = self.whole().into_iter().max() {
            for step in self.steps().into_iter().filter(|&step| step < latest) {
                for (name, extension) in PARTS {
                    discard(&self.part(name, extension, step));
                }
            }
        }
        let positions = self.steps().into_iter().map(|step| self.position(step));
        let of_checkpoints = positions.filter_map(|position| position.ok()?.best);
        let known: Vec<usize> = of_checkpoints.chain(best).map(|best| best.step).collect();
        for step in self.best_models() {
            if !known.contains(&step) {
                discard(&self.best_model(step));
            }
        }
    }

    /// Steps with a saved best model.
    fn best_models(&self) -> Vec<usize> {
        entries(&self.path)
            .filter(|(_, path)| path.is_dir())
            .filter_map(|(name, _)| name.strip_prefix(BEST)?.parse().ok())
            .collect()
    }

    /// Steps with all files of a checkpoint.
    fn whole(&self) -> Vec<usize> {
        self.steps()
            .into_iter()
            .filter(|&step| {
                PARTS
                    .iter()
                    .all(|(name, extension)| self.part(name, extension, step).is_file())
            })
            .collect()
    }

    /// Steps with any file of a checkpoint.
    fn steps(&self) -> Vec<usize> {
        let mut steps: Vec<usize> = entries(&self.path)
            .filter_map(|(name, _)| {
                let stem = name.split_once('.')?.0;
                let (part, step) = stem.rsplit_once('-')?;
                PARTS
                    .iter()
                    .any(|(known, _)| *known == part)
                    .then_some(())?;
                step.parse().ok()
            })
            .collect();
        steps.sort_unstable();
        steps.dedup();
        steps
    }

    fn part(&self, name: &str, extension: &str, step: usize) -> PathBuf {
        self.path.join(format!("{name}-{step}.{extension}"))
    }
}

/// Names and paths of the entries of a folder; nothing if it does not exist.
fn entries(folder: &Path) -> impl Iterator<Item = (String, PathBuf)> {
    let entries = folder.read_dir().into_iter().flatten().flatten();
    entries.filter_map(|entry| Some((entry.file_name().into_string().ok()?, entry.path())))
}

/// Removes a file or a folder. Ignores errors: a leftover only takes space.
fn discard(path: &Path) {
    let _ = if path.is_dir() {
        std::fs::remove_dir_all(path)
    } else {
        std::fs::remove_file(path)
    };
}

/// Saves whenever the training loop requests it; [`CheckpointFolder::prune`] removes old checkpoints.
pub(crate) struct SaveOnRequest;

impl CheckpointingStrategy for SaveOnRequest {
    fn checkpointing(&mut self, _: usize, _: &EventStoreClient) -> Vec<CheckpointingAction> {
        vec![CheckpointingAction::Save]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(folder: &CheckpointFolder, parts: &[&str], step: usize) {
        std::fs::create_dir_all(&folder.path).unwrap();
        for (name, extension) in PARTS {
            if name == "position" {
                let position = Position {
                    step,
                    ..Position::default()
                };
                folder.write_position(&position).unwrap();
            } else if parts.contains(&name) {
                std::fs::write(folder.part(name, extension, step), "x").unwrap();
            }
        }
    }

    const ALL: [&str; 3] = ["model", "optim", "scheduler"];

    #[test]
    fn a_checkpoint_counts_once_it_is_complete() {
        let run = tempfile::tempdir().unwrap();
        let folder = CheckpointFolder::of_run(run.path());
        assert_eq!(folder.latest().unwrap(), None);
        write(&folder, &ALL, 10);
        write(&folder, &["model", "optim"], 20);
        assert_eq!(folder.latest().unwrap().unwrap().step, 10);
        folder.prune(None);
        // Neither the complete one nor the incomplete newer one is removed.
        assert_eq!(folder.steps(), [10, 20]);
        write(&folder, &ALL, 20);
        folder.prune(None);
        assert_eq!(folder.steps(), [20]);
        assert_eq!(folder.latest().unwrap().unwrap().step, 20);
    }

    /// A score that came back a little lower would let an equal one of a later step take its place.
    #[test]
    fn a_score_is_read_as_it_was_written() {
        let run = tempfile::tempdir().unwrap();
        let folder = CheckpointFolder::of_run(run.path());
        for part in 1..200 {
            let best = Some(Best {
                score: f64::from(part) / 1_999.0,
                step: 7,
            });
            let position = Position {
                step: 9,
                best,
                ..Position::default()
            };
            folder.write_position(&position).unwrap();
            assert_eq!(folder.position(9).unwrap().best, best);
        }
    }

    #[test]
    fn other_files_are_left_alone() {
        let run = tempfile::tempdir().unwrap();
        let folder = CheckpointFolder::of_run(run.path());
        write(&folder, &ALL, 1);
        write(&folder, &ALL, 2);
        for name in ["notes-1.txt", "best", ".tmp-model-1.bin-Ab12Cd"] {
            std::fs::write(folder.path.join(name), "x").unwrap();
        }
        folder.prune(None);
        assert!(folder.path.join("notes-1.txt").is_file());
        assert!(folder.path.join("best").is_file());
    }

    #[test]
    fn temporary_files_are_removed_before_a_run_resumes() {
        let run = tempfile::tempdir().unwrap();
        let folder = CheckpointFolder::of_run(run.path());
        write(&folder, &ALL, 1);
        std::fs::create_dir_all(folder.best_model(1)).unwrap();
        for name in [".model-x", ".model-old-y/model"] {
            std::fs::create_dir_all(folder.path.join(name)).unwrap();
        }
        for name in [".tmp-model-2.bin-Ab12Cd", ".tmpAbc"] {
            std::fs::write(folder.path.join(name), "x").unwrap();
        }
        folder.remove_unfinished();
        let mut left: Vec<String> = entries(&folder.path).map(|(name, _)| name).collect();
        left.sort();
        assert_eq!(
            left,
            [
                "best-1",
                "model-1.bin",
                "optim-1.bin",
                "position-1.json",
                "scheduler-1.bin",
            ]
        );
    }

    #[test]
    fn files_of_later_checkpoints_are_removed_when_a_run_resumes_from_an_earlier_one() {
        let run = tempfile::tempdir().unwrap();
        let folder = CheckpointFolder::of_run(run.path());
        write(&folder, &ALL, 10);
        write(&folder, &["model", "optim"], 12);
        folder.forget_after(10);
        assert_eq!(folder.steps(), [10]);
        assert_eq!(folder.latest().unwrap().unwrap().step, 10);
    }

    #[test]
    fn a_best_model_stays_as_long_as_a_checkpoint_or_the_run_refers_to_it() {
        let run = tempfile::tempdir().unwrap();
        let folder = CheckpointFolder::of_run(run.path());
        let best = |step: usize| Some(Best { score: 0.5, step });
        let known = |step: usize, of: usize| {
            write(&folder, &ALL, step);
            let position = Position {
                step,
                best: best(of),
                ..Position::default()
            };
            folder.write_position(&position).unwrap();
        };
        let kept = |of_run: usize| {
            std::fs::create_dir_all(folder.best_model(of_run)).unwrap();
            folder.prune(best(of_run));
            let mut kept = folder.best_models();
            kept.sort_unstable();
            kept
        };
        // Before the first checkpoint only the best one takes room.
        assert_eq!((kept(1), kept(2), kept(3)), (vec![1], vec![2], vec![3]));
        known(3, 3);
        // If it is killed now, the run resumes from step 3.
        assert_eq!((kept(5), kept(6)), (vec![3, 5], vec![3, 6]));
        known(6, 6);
        assert_eq!(kept(6), [6]);
        folder.remove_best_models();
        assert_eq!(folder.best_models(), [0; 0]);
    }

    #[test]
    fn a_checkpoint_of_another_version_is_refused() {
        let run = tempfile::tempdir().unwrap();
        let folder = CheckpointFolder::of_run(run.path());
        write(&folder, &ALL, 4);
        let path = folder.part("position", "json", 4);
        let text = std::fs::read_to_string(&path).unwrap();
        let current = format!("\"format\": {FORMAT}");
        assert!(text.contains(&current), "{text}");
        for other in ["\"format\": 1", "\"format\": 99", "\"format\": \"new\""] {
            std::fs::write(&path, text.replace(&current, other)).unwrap();
            let message = folder.latest().unwrap_err().to_string();
            assert!(message.contains("position-4.json"), "{message}");
            assert!(message.contains("start a new run"), "{message}");
        }
        std::fs::write(&path, text.replace(&format!("{current},"), "")).unwrap();
        let message = folder.latest().unwrap_err().to_string();
        assert!(message.contains("start a new run"), "{message}");
    }
}
