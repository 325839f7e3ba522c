//! Checkpoints: the files of a run from which it can go on.
//!
//! burn's learner writes three files a checkpoint, `model-N.bin`, `optim-N.bin` and
//! `scheduler-N.bin`, where N is the number of optimiser steps; `position-N.json` says where in the
//! data the run was. Each appears whole, by a rename; a checkpoint counts once all four are there,
//! and an older one goes only then. So whenever a run is killed there is a checkpoint to go on from,
//! once there has been one.

use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use bincode::error::EncodeError;
use burn::record::{BinFileRecorder, FileRecorder, FullPrecisionSettings, Recorder, RecorderError};
use burn::tensor::backend::Backend;
use burn::train::checkpoint::{CheckpointingAction, CheckpointingStrategy};
use burn::train::metric::store::EventStoreClient;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::data::Fingerprint;
use crate::error::TrainError;
use crate::files::write_whole;

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

/// What files and folders that are being written are called, in front: ours, those of
/// [`write_whole`] and those of a model.
const UNFINISHED: [&str; 3] = [PARTIAL, ".tmp", ".model"];

/// What files of burn's are called, in front, until they are whole.
const PARTIAL: &str = "partial-";

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
    #[serde(default)]
    pub validation_due: bool,
    /// Seconds of training so far, of all runs together.
    pub seconds: f64,
    /// The rows that are trained on; not known of a run of an older version.
    #[serde(default)]
    pub train: Option<Fingerprint>,
    /// The rows that are validated with, where they come from files of their own.
    #[serde(default)]
    pub validation: Option<Fingerprint>,
}

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
    pub(crate) fn remove_unfinished(output: &Path) {
        for folder in [output, &Self::of_run(output).path] {
            for (name, path) in entries(folder) {
                if UNFINISHED.iter().any(|begin| name.starts_with(begin)) {
                    discard(&path);
                }
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
    /// When its position cannot be read.
    pub fn latest(&self) -> Result<Option<Position>, TrainError> {
        let Some(step) = self.whole().into_iter().max() else {
            return Ok(None);
        };
        let path = self.part("position", "json", step);
        let bytes = std::fs::read(&path).map_err(TrainError::io(&path))?;
        let position = serde_json::from_slice(&bytes).map_err(|source| TrainError::Config {
            path,
            source: Box::new(source),
        })?;
        Ok(Some(position))
    }

    /// Writes the position of a checkpoint, whose other parts burn writes.
    pub(crate) fn write_position(&self, position: &Position) -> Result<(), TrainError> {
        std::fs::create_dir_all(&self.path).map_err(TrainError::io(&self.path))?;
        let path = self.part("position", "json", position.step);
        let text = serde_json::to_vec_pretty(position).map_err(|source| TrainError::Config {
            path: path.clone(),
            source: Box::new(source),
        })?;
        write_whole(&path, &text).map_err(TrainError::io(&path))
    }

    /// Removes what the latest whole checkpoint makes superfluous.
    pub(crate) fn prune(&self) {
        let Some(latest) = self.whole().into_iter().max() else {
            return;
        };
        for step in self.steps().into_iter().filter(|&step| step < latest) {
            for (name, extension) in PARTS {
                discard(&self.part(name, extension, step));
            }
        }
        let best_models = self.best_models();
        if best_models.len() > 1
            && let Ok(Some(Position {
                best: Some(best), ..
            })) = self.latest()
        {
            // Later ones belong to the next checkpoint.
            for step in best_models.into_iter().filter(|&step| step < best.step) {
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

/// burn's recorder of full-precision binary files, except that files appear whole, and that what
/// keeps them from it is told.
///
/// burn writes checkpoints on threads of its own. One that fails there stops the run by the
/// `Interrupter`, as Ctrl-C does; [`failure`](Self::failure) tells the two apart. burn's own
/// recorder also leaves the last bytes of a file to a buffer that is dropped without a word when
/// the disk is full.
#[derive(Clone, Debug, Default)]
pub(crate) struct WholeFileRecorder {
    burns: BinFileRecorder<FullPrecisionSettings>,
    failure: WriteFailure,
}

/// The first file of a checkpoint that could not be written. Copies share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct WriteFailure(Arc<Mutex<Option<(PathBuf, String)>>>);

impl WriteFailure {
    fn keep(&self, path: &Path, reason: &str) {
        let mut first = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        first.get_or_insert_with(|| (path.to_owned(), reason.to_owned()));
    }

    /// Fails where a file could not be written.
    pub(crate) fn check(&self) -> Result<(), TrainError> {
        match &*self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            Some((path, reason)) => Err(TrainError::Checkpoint {
                path: path.clone(),
                reason: reason.clone(),
            }),
            None => Ok(()),
        }
    }
}

impl WholeFileRecorder {
    const EXTENSION: &'static str = "bin";

    /// What became of the files.
    pub(crate) fn failure(&self) -> WriteFailure {
        self.failure.clone()
    }

    fn write(item: &impl Serialize, file: &Path) -> Result<(), String> {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        let partial = file.with_file_name(format!("{PARTIAL}{name}"));
        let words = |error: std::io::Error| error.to_string();
        if let Some(folder) = file.parent() {
            std::fs::create_dir_all(folder).map_err(words)?;
        }
        let mut writer = BufWriter::new(File::create(&partial).map_err(words)?);
        // As burn's recorder does, which reads it.
        bincode::serde::encode_into_std_write(item, &mut writer, bincode::config::standard())
            .map_err(|error| match error {
                EncodeError::Io { inner, .. } => words(inner),
                error => error.to_string(),
            })?;
        let written = writer.into_inner().map_err(|error| words(error.into()))?;
        written.sync_all().map_err(words)?;
        std::fs::rename(&partial, file).map_err(words)
    }
}

impl<B: Backend> FileRecorder<B> for WholeFileRecorder {
    fn file_extension() -> &'static str {
        Self::EXTENSION
    }
}

impl<B: Backend> Recorder<B> for WholeFileRecorder {
    type Settings = FullPrecisionSettings;
    type RecordArgs = PathBuf;
    type RecordOutput = ();
    type LoadArgs = PathBuf;

    fn save_item<I: Serialize>(&self, item: I, file: PathBuf) -> Result<(), RecorderError> {
        let file = file.with_extension(Self::EXTENSION);
        Self::write(&item, &file).map_err(|reason| {
            self.failure.keep(&file, &reason);
            RecorderError::Unknown(format!("cannot write {}: {reason}", file.display()))
        })
    }

    fn load_item<I: DeserializeOwned>(&self, file: &mut PathBuf) -> Result<I, RecorderError> {
        Recorder::<B>::load_item(&self.burns, file)
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
        folder.prune();
        // Neither the one to go on from nor the one in the making.
        assert_eq!(folder.steps(), [10, 20]);
        write(&folder, &ALL, 20);
        folder.prune();
        assert_eq!(folder.steps(), [20]);
        assert_eq!(folder.latest().unwrap().unwrap().step, 20);
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
        folder.prune();
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
        std::fs::create_dir(run.path().join(".model")).unwrap();
        for path in [
            "checkpoint/partial-model-2.bin",
            "checkpoint/.tmpAbc",
            ".tmpDef",
        ] {
            std::fs::write(run.path().join(path), "x").unwrap();
        }
        std::fs::write(run.path().join("metrics.jsonl"), "").unwrap();
        CheckpointFolder::remove_unfinished(run.path());
        let mut left: Vec<String> = entries(run.path())
            .chain(entries(&folder.path))
            .map(|(name, _)| name)
            .collect();
        left.sort();
        assert_eq!(
            left,
            [
                "best-1",
                "checkpoint",
                "metrics.jsonl",
                "model-1.bin",
                "optim-1.bin",
                "position-1.json",
                "scheduler-1.bin",
            ]
        );
    }

    #[test]
    fn the_best_model_of_the_latest_checkpoint_stays_until_a_better_one_is_known() {
        let run = tempfile::tempdir().unwrap();
        let folder = CheckpointFolder::of_run(run.path());
        let known = |step: usize, best: usize| {
            write(&folder, &ALL, step);
            let best = Some(Best {
                score: 0.5,
                step: best,
            });
            let position = Position {
                step,
                best,
                ..Position::default()
            };
            folder.write_position(&position).unwrap();
        };
        let kept = || {
            folder.prune();
            let mut kept = folder.best_models();
            kept.sort_unstable();
            kept
        };
        std::fs::create_dir_all(folder.best_model(3)).unwrap();
        known(3, 3);
        assert_eq!(kept(), [3]);
        // Killed now, the run goes on from step 3.
        std::fs::create_dir_all(folder.best_model(6)).unwrap();
        assert_eq!(kept(), [3, 6]);
        known(6, 6);
        assert_eq!(kept(), [6]);
        folder.remove_best_models();
        assert_eq!(kept(), [0; 0]);
    }

    type Backend = crate::testing::TestBackend;

    #[test]
    fn what_is_recorded_is_what_burn_reads() {
        let folder = tempfile::tempdir().unwrap();
        let recorder = WholeFileRecorder::default();
        let item: Vec<f32> = (0..5000).map(|value| value as f32 / 7.0).collect();
        let name = folder.path().join("optim-3");
        Recorder::<Backend>::save_item(&recorder, item.clone(), name.clone()).unwrap();
        recorder.failure().check().unwrap();
        assert_eq!(
            entries(folder.path())
                .map(|(name, _)| name)
                .collect::<Vec<_>>(),
            ["optim-3.bin"]
        );
        let plain = BinFileRecorder::<FullPrecisionSettings>::default();
        let read: Vec<f32> = Recorder::<Backend>::load_item(&plain, &mut name.clone()).unwrap();
        assert_eq!(read, item);
        let read: Vec<f32> = Recorder::<Backend>::load_item(&recorder, &mut name.clone()).unwrap();
        assert_eq!(read, item);
    }

    /// Also where the file is so small that the buffer holds all of it.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_file_for_which_there_is_no_room_does_not_appear() {
        let folder = tempfile::tempdir().unwrap();
        for length in [1, 5000] {
            let recorder = WholeFileRecorder::default();
            let partial = folder.path().join("partial-optim-3.bin");
            std::os::unix::fs::symlink("/dev/full", &partial).unwrap();
            let name = folder.path().join("optim-3");
            let item = vec![0.5f32; length];
            Recorder::<Backend>::save_item(&recorder, item, name.clone()).unwrap_err();
            let message = recorder.failure().check().unwrap_err().to_string();
            assert!(
                message.contains("optim-3.bin") && message.contains("space"),
                "{message}"
            );
            assert!(!name.with_extension("bin").exists());
            std::fs::remove_file(partial).unwrap();
        }
    }

    #[test]
    fn a_position_of_an_older_version_is_read() {
        let run = tempfile::tempdir().unwrap();
        let folder = CheckpointFolder::of_run(run.path());
        write(&folder, &ALL, 4);
        let old = r#"{"step": 4, "epoch": 1, "batch": 2, "best": {"score": 0.5, "step": 2},
                      "without_improvement": 1, "seconds": 9.5}"#;
        std::fs::write(folder.part("position", "json", 4), old).unwrap();
        let position = folder.latest().unwrap().unwrap();
        assert!(!position.validation_due);
        assert_eq!((position.step, position.train), (4, None));
    }
}
