//! The output folder of a run.
//!
//! The tuned model, its card, the report and `training.toml` are for others, and name no folder of this machine.
//! `checkpoint/` is for `--resume`: the checkpoints, the settings with the paths of this machine, and the lock that keeps
//! a second run out. Everything unfinished is in there, too.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use program::atomic_file;

use super::install::{MODEL_MARKER, install};
use crate::config::{FitConfig, Given};
use crate::error::TrainError;
use crate::train::checkpoint::{CheckpointFolder, FOLDER, UNFINISHED, VECTORS};

/// File of all settings of the run, without the folders of this machine.
const SETTINGS: &str = "training.toml";

/// The same with absolute paths, in the folder of checkpoints.
const OWN_SETTINGS: &str = "settings.toml";

/// File in the folder of checkpoints that a run holds a lock on.
const LOCK: &str = "lock";

/// File of the model card.
pub(crate) const MODEL_CARD: &str = "README.md";

/// Settings that a resumed run may change. They do not change the result, except `device`,
/// which changes rounding and dropout masks. `model` and `revision` must lead to the same files.
const CHANGEABLE_ON_RESUME: [&str; 10] = [
    "output",
    "device",
    "offline",
    "workers",
    "save-steps",
    "patience",
    "keep-last",
    "reference",
    "model",
    "revision",
];

/// The setting of the guides, which must lead to the same files, too.
const GUIDE: &str = "guide";

/// Settings that name files of rows: the files may move, but none may be added or removed.
const DATA_FILES: [&str; 2] = ["train", "valid"];

const IN_USE: &str =
    "already holds a training run; resume it with --resume, or choose another --output";
const LOCKED: &str =
    "another run is writing to this folder; wait until it ends, or choose another --output";
const NOT_EMPTY: &str = "is not empty; choose another --output";
const NOTHING_TO_RESUME: &str = "holds no checkpoint to resume from; start without --resume";

/// The output folder of a run.
#[derive(Clone, Debug)]
pub(crate) struct OutputFolder {
    pub(crate) path: PathBuf,
    /// Holds the lock until the run ends; `None` before the run begins.
    lock: Option<Arc<File>>,
}

impl OutputFolder {
    /// The folder of a new run, which must be empty or missing. Writes nothing before
    /// [`begin`](Self::begin).
    pub(crate) fn new(path: &Path) -> Result<Self, TrainError> {
        let folder = Self {
            path: path.to_owned(),
            lock: None,
        };
        folder.check_is_new()?;
        Ok(folder)
    }

    fn check_is_new(&self) -> Result<(), TrainError> {
        let path = &self.path;
        if path.join(SETTINGS).exists() || self.own_settings().exists() {
            return Err(TrainError::folder(path, IN_USE));
        }
        let is_empty = match path.read_dir() {
            Ok(entries) => entries.flatten().all(|entry| {
                let name = entry.file_name();
                // A run that was killed early, or another one that begins now, may have left them.
                name == FOLDER && has_begun_nothing(&entry.path())
                    || atomic_file::is_temporary(&entry.path())
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => true,
            Err(error) => return Err(TrainError::io(path)(error)),
        };
        if is_empty {
            Ok(())
        } else {
            Err(TrainError::folder(path, NOT_EMPTY))
        }
    }

    /// Writes the settings of a run that starts or resumes. Called after all checks, so a refused run
    /// leaves nothing behind.
    pub(crate) fn begin(&mut self, config: &FitConfig) -> Result<(), TrainError> {
        if self.lock.is_none() {
            self.lock = self.lock()?;
            // Another run may have begun since.
            self.check_is_new()?;
        }
        self.checkpoints().remove_unfinished()?;
        let own = config.clone().with_absolute_paths().to_toml()?.to_string();
        let path = self.own_settings();
        atomic_file::write(&path, own.as_bytes()).map_err(TrainError::io(&path))?;
        let published = config.clone().published().to_toml()?.to_string();
        self.write(SETTINGS, published.as_bytes())
    }

    /// Keeps other runs out of the folder of a run without checkpoints.
    pub(crate) fn hold(&mut self) -> Result<(), TrainError> {
        self.lock = self.lock()?;
        self.check_is_new()
    }

    /// Locks the folder for this run; `None` on a file system without locks.
    fn lock(&self) -> Result<Option<Arc<File>>, TrainError> {
        let checkpoints = self.checkpoints();
        let path = checkpoints.path().join(LOCK);
        fs::create_dir_all(checkpoints.path()).map_err(TrainError::io(checkpoints.path()))?;
        let file = File::create(&path).map_err(TrainError::io(&path))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Arc::new(file))),
            Err(TryLockError::WouldBlock) => Err(TrainError::folder(&self.path, LOCKED)),
            Err(TryLockError::Error(_)) => Ok(None),
        }
    }

    /// Whether the run has finished: it writes the card last.
    pub(crate) fn is_finished(&self) -> bool {
        self.path.join(MODEL_CARD).is_file() && self.path.join(MODEL_MARKER).is_file()
    }

    /// The folder of a run to resume, and its settings: those it started with, changed by the
    /// given ones that may change. `None` if the run has finished.
    pub(crate) fn resume(
        path: &Path,
        given: &Given,
    ) -> Result<Option<(Self, FitConfig)>, TrainError> {
        let mut folder = Self {
            path: path.to_owned(),
            lock: None,
        };
        let settings = folder.own_settings();
        if path.join(SETTINGS).is_file() && folder.is_finished() {
            // A kill after the card may have left them.
            folder.remove_superfluous()?;
            return Ok(None);
        }
        if !settings.is_file() {
            return Err(TrainError::folder(path, NOTHING_TO_RESUME));
        }
        let mut start = Given::read(&settings)?;
        let before = start.complete()?;
        let mut now = given.clone().over(start.clone()).complete()?;
        let moves = now.device != before.device;
        if moves {
            // Another kind of device has another default.
            start.remove("replicas");
            now = given.clone().over(start).complete()?;
        }
        let now = now.with_absolute_paths();
        let (old, new) = (before.to_toml()?, now.to_toml()?);
        let names = old.keys().chain(new.keys());
        let may_change = |name: &str| match name {
            // Their files may have moved, but none may be added or removed.
            GUIDE => now.guide.len() == before.guide.len(),
            "replicas" => moves,
            name => CHANGEABLE_ON_RESUME.contains(&name),
        };
        for name in names.filter(|name| !may_change(name)) {
            let (was, is) = (old.get(name), new.get(name));
            if DATA_FILES.contains(&name.as_str()) && was.is_some() == is.is_some() {
                continue;
            }
            if was != is {
                let value = |table: &toml::Table| {
                    table
                        .get(name)
                        .map_or_else(|| "no value".to_owned(), ToString::to_string)
                };
                return Err(TrainError::OtherSettings {
                    path: path.to_owned(),
                    name: name.clone(),
                    before: value(&old),
                    now: value(&new),
                });
            }
        }
        folder.lock = folder.lock()?;
        Ok(Some((folder, now)))
    }

    pub(crate) fn checkpoints(&self) -> CheckpointFolder {
        CheckpointFolder::of_run(&self.path)
    }

    /// Removes what a finished run needs no more.
    pub(crate) fn remove_superfluous(&self) -> Result<(), TrainError> {
        self.checkpoints().remove_best_models();
        self.checkpoints().remove_vectors();
        self.checkpoints().remove_unfinished()
    }

    fn own_settings(&self) -> PathBuf {
        self.checkpoints().path().join(OWN_SETTINGS)
    }

    pub(crate) fn metrics(&self) -> PathBuf {
        self.path.join("metrics.jsonl")
    }

    /// Writes a file atomically.
    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> Result<(), TrainError> {
        let path = self.path.join(name);
        atomic_file::write(&path, bytes).map_err(TrainError::io(&path))
    }

    /// Copies the files of a model folder into the output folder.
    pub(crate) fn install(&self, model: &Path) -> Result<(), TrainError> {
        install(model, &self.path).map_err(TrainError::io(&self.path))
    }
}

/// Whether the folder of checkpoints belongs to a run that has not written its settings.
fn has_begun_nothing(checkpoints: &Path) -> bool {
    let mut entries = checkpoints.read_dir().into_iter().flatten().flatten();
    entries.all(|entry| {
        let name = entry.file_name();
        name == LOCK
            || name == UNFINISHED
            || name.to_string_lossy().starts_with(VECTORS)
            || atomic_file::is_temporary(&entry.path())
    })
}

#[cfg(test)]
mod tests;
