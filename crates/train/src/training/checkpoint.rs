//! Checkpoints: the files of a run from which it can go on.
//!
//! burn's learner writes three files a checkpoint, `model-N.bin`, `optim-N.bin` and
//! `scheduler-N.bin`, where N is the number of optimiser steps; `position-N.json` says where in the
//! data the run was. Each appears whole, by a rename; a checkpoint counts once all four are there,
//! and an older one goes only then. So whenever a run is killed there is a checkpoint to go on from,
//! once there has been one.

use std::path::{Path, PathBuf};

use burn::train::checkpoint::{CheckpointingAction, CheckpointingStrategy};
use burn::train::metric::store::EventStoreClient;
use program::atomic_file;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::recorder::PARTIAL;
use crate::data::Fingerprint;
use crate::error::TrainError;

/// Name that burn gives the folder.
const FOLDER: &str = "checkpoint";

/// Names that burn gives the files, and ours.
const PARTS: [(&str, &str); 4] = [
    ("model", "bin"),
    ("optim", "bin"),
    ("scheduler", "bin"),
    ("position", "json"),
];

/// What the folder of the best model is called, in front of its step.
const BEST: &str = "best-";

/// What files and folders that are being written are called in the folder of checkpoints, in front: ours, those of
/// [`atomic_file`] and those of a model.
const UNFINISHED: [&str; 3] = [PARTIAL, ".tmp", ".model"];

/// The form of a checkpoint. It rises when files of before would be taken for something else: 1 had an optimiser
/// for what decays and one for what does not, where 2 has one for both.
const FORMAT: u64 = 2;

/// Where a run is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Position {
    /// Optimiser steps done.
    pub step: usize,
    /// The epoch, from 0.
    pub epoch: usize,
    /// Batches of that epoch that are done.
    pub batch: usize,
    /// The best validation so far.
    pub best: Option<Best>,
    /// Validations since then.
    pub without_improvement: usize,
    /// Whether a validation was due here and was interrupted.
    pub validation_due: bool,
    /// Seconds of training so far, of all runs together.
    pub seconds: f64,
    /// The rows that are trained on.
    pub train: Option<Fingerprint>,
    /// The rows that are validated with, where they come from files of their own.
    pub validation: Option<Fingerprint>,
}

/// A position as its file has it.
#[derive(Serialize)]
struct Written<'a> {
    format: u64,
    #[serde(flatten)]
    position: &'a Position,
}

/// Name of [`Written::format`].
const FORMAT_FIELD: &str = "format";

/// A validation score and where it was reached.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Best {
    /// The score; higher is better.
    pub score: f64,
    /// Optimiser steps.
    pub step: usize,
}

/// The checkpoints of a run's folder.
#[derive(Clone, Debug)]
pub struct CheckpointFolder {
    path: PathBuf,
}

impl CheckpointFolder {
    /// The checkpoints in the output folder of a run.
    #[must_use]
    pub fn of_run(output: &Path) -> Self {
        Self {
            path: output.join(FOLDER),
        }
    }

    /// Where the model of a step is kept whose validation score is the best so far, in the layout
    /// of sentence-transformers.
    ///
    /// Each has a folder of its own: a better one is written before the position that knows of it,
    /// and a run that is killed in between goes on from a position that knows the one before.
    #[must_use]
    pub fn best_model(&self, step: usize) -> PathBuf {
        self.path.join(format!("{BEST}{step}"))
    }

    /// Removes what was being written when a run was killed.
    pub(crate) fn remove_unfinished(&self) {
        for (name, path) in entries(&self.path) {
            if UNFINISHED.iter().any(|begin| name.starts_with(begin)) {
                discard(&path);
            }
        }
    }

    /// Removes what there is of checkpoints after a step: a run that goes on from there writes them anew, and one
    /// killed again must not be left with a part of each.
    pub(crate) fn forget_after(&self, step: usize) {
        for later in self.steps().into_iter().filter(|&later| later > step) {
            for (name, extension) in PARTS {
                discard(&self.part(name, extension, later));
            }
        }
    }

    /// Removes all best models, once the output folder holds the one that was wanted.
    pub(crate) fn remove_best_models(&self) {
        for step in self.best_models() {
            discard(&self.best_model(step));
        }
    }

    /// The latest whole checkpoint.
    ///
    /// # Errors
    ///
    /// When its position cannot be read, or is of another version of this program.
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
                reason: "this checkpoint was written by another version of the program, and going on from it \
                         would not be the same run: begin anew with another --output"
                    .to_owned(),
            });
        }
        serde_json::from_value(fields.into()).map_err(unreadable)
    }

    /// Writes the position of a checkpoint, whose other parts burn writes.
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

    /// Removes what the latest whole checkpoint makes superfluous, and the best models of which neither the run, whose
    /// best is `best`, nor any checkpoint knows any more.
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

    /// Steps whose models are kept.
    fn best_models(&self) -> Vec<usize> {
        entries(&self.path)
            .filter(|(_, path)| path.is_dir())
            .filter_map(|(name, _)| name.strip_prefix(BEST)?.parse().ok())
            .collect()
    }

    /// Steps of which all parts are there.
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

    /// Steps of which any part is there.
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

/// Names and paths of what is in a folder; nothing where there is none.
fn entries(folder: &Path) -> impl Iterator<Item = (String, PathBuf)> {
    let entries = folder.read_dir().into_iter().flatten().flatten();
    entries.filter_map(|entry| Some((entry.file_name().into_string().ok()?, entry.path())))
}

/// Removes a file or a folder. What cannot be removed only takes room.
fn discard(path: &Path) {
    let _ = if path.is_dir() {
        std::fs::remove_dir_all(path)
    } else {
        std::fs::remove_file(path)
    };
}

/// Saves whenever the learner asks; what is superfluous is removed by [`CheckpointFolder::prune`].
pub(crate) struct WhenAsked;

impl CheckpointingStrategy for WhenAsked {
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
    fn a_checkpoint_counts_when_it_is_whole() {
        let run = tempfile::tempdir().unwrap();
        let folder = CheckpointFolder::of_run(run.path());
        assert_eq!(folder.latest().unwrap(), None);
        write(&folder, &ALL, 10);
        write(&folder, &["model", "optim"], 20);
        assert_eq!(folder.latest().unwrap().unwrap().step, 10);
        folder.prune(None);
        // Neither the one to go on from nor the one in the making.
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
        for name in ["notes-1.txt", "best", "partial-model-1.bin"] {
            std::fs::write(folder.path.join(name), "x").unwrap();
        }
        folder.prune(None);
        assert!(folder.path.join("notes-1.txt").is_file());
        assert!(folder.path.join("best").is_file());
    }

    #[test]
    fn what_was_being_written_goes_before_a_run_goes_on() {
        let run = tempfile::tempdir().unwrap();
        let folder = CheckpointFolder::of_run(run.path());
        write(&folder, &ALL, 1);
        std::fs::create_dir_all(folder.best_model(1)).unwrap();
        for name in [".model-x", ".model-old-y/model"] {
            std::fs::create_dir_all(folder.path.join(name)).unwrap();
        }
        for name in ["partial-model-2.bin", ".tmpAbc"] {
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
    fn parts_of_later_checkpoints_go_when_a_run_goes_on_from_an_earlier_one() {
        let run = tempfile::tempdir().unwrap();
        let folder = CheckpointFolder::of_run(run.path());
        write(&folder, &ALL, 10);
        write(&folder, &["model", "optim"], 12);
        folder.forget_after(10);
        assert_eq!(folder.steps(), [10]);
        assert_eq!(folder.latest().unwrap().unwrap().step, 10);
    }

    #[test]
    fn a_best_model_stays_as_long_as_a_checkpoint_or_the_run_knows_it() {
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
        // Killed now, the run goes on from step 3.
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
            assert!(message.contains("begin anew"), "{message}");
        }
        std::fs::write(&path, text.replace(&format!("{current},"), "")).unwrap();
        let message = folder.latest().unwrap_err().to_string();
        assert!(message.contains("begin anew"), "{message}");
    }
}
