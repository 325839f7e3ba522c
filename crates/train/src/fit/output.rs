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

use super::install::install;
use crate::error::TrainError;
use crate::options::FitOptions;
use crate::training::checkpoint::{CheckpointFolder, FOLDER, UNFINISHED};

/// File of all settings of the run, without the folders of this machine.
const SETTINGS: &str = "training.toml";

/// The same with absolute paths, in the folder of checkpoints.
const OWN_SETTINGS: &str = "settings.toml";

/// File in the folder of checkpoints that a run holds a lock on.
const LOCK: &str = "lock";

/// File of the model card.
pub(crate) const MODEL_CARD: &str = "README.md";

/// The file that makes a folder a model.
const MODEL_MARKER: &str = "modules.json";

/// Settings that a resumed run may change. They do not change the result, except `device` and
/// `devices`, which change rounding and dropout masks. `model` and `revision` must lead to the same files.
const CHANGEABLE_ON_RESUME: [&str; 11] = [
    "output",
    "device",
    "devices",
    "offline",
    "workers",
    "save-steps",
    "patience",
    "keep-last",
    "reference",
    "model",
    "revision",
];

/// Settings that name files of rows: the files may move, but none may be added or removed.
const DATA_FILES: [&str; 2] = ["train", "valid"];

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
            return Err(TrainError::OutputInUse { path: path.clone() });
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
            Err(TrainError::OutputNotEmpty { path: path.clone() })
        }
    }

    /// Writes the settings of a run that starts or resumes. Called after all checks, so a refused run
    /// leaves nothing behind.
    pub(crate) fn begin(&mut self, options: &FitOptions) -> Result<(), TrainError> {
        if self.lock.is_none() {
            self.lock = self.lock()?;
            // Another run may have begun since.
            self.check_is_new()?;
        }
        self.checkpoints().remove_unfinished()?;
        let own = options.clone().with_absolute_paths().to_toml()?;
        let path = self.own_settings();
        atomic_file::write(&path, own.as_bytes()).map_err(TrainError::io(&path))?;
        self.write(SETTINGS, options.clone().published().to_toml()?.as_bytes())
    }

    /// Locks the folder for this run; `None` on a file system without locks.
    fn lock(&self) -> Result<Option<Arc<File>>, TrainError> {
        let checkpoints = self.checkpoints();
        let path = checkpoints.path().join(LOCK);
        fs::create_dir_all(checkpoints.path()).map_err(TrainError::io(checkpoints.path()))?;
        let file = File::create(&path).map_err(TrainError::io(&path))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Arc::new(file))),
            Err(TryLockError::WouldBlock) => Err(TrainError::OutputLocked {
                path: self.path.clone(),
            }),
            Err(TryLockError::Error(_)) => Ok(None),
        }
    }

    /// Whether the run has finished: it writes the card last.
    pub(crate) fn is_finished(&self) -> bool {
        self.path.join(MODEL_CARD).is_file() && self.path.join(MODEL_MARKER).is_file()
    }

    /// The folder of a run to resume, and its settings: those it started with, changed by the
    /// settings of `options` that may change. `None` if the run has finished.
    pub(crate) fn resume(
        path: &Path,
        options: FitOptions,
    ) -> Result<Option<(Self, FitOptions)>, TrainError> {
        let mut folder = Self {
            path: path.to_owned(),
            lock: None,
        };
        let settings = folder.own_settings();
        if path.join(SETTINGS).is_file() && folder.is_finished() {
            return Ok(None);
        }
        if !settings.is_file() {
            return Err(TrainError::NothingToResume {
                path: path.to_owned(),
            });
        }
        let before = FitOptions::read(&settings)?;
        let options = options.with_absolute_paths();
        let mut now = options.clone().or(before.clone());
        let moves = now.device != before.device || now.devices != before.devices;
        if moves {
            // Another kind of device has another default.
            now.replicas = options.replicas;
        }
        let table = |options: &FitOptions| {
            toml::Table::try_from(options).map_err(|source| TrainError::Config {
                path: settings.clone(),
                source: Box::new(source),
            })
        };
        let (old, new) = (table(&before)?, table(&now)?);
        let names = old.keys().chain(new.keys());
        let may_change =
            |name: &str| CHANGEABLE_ON_RESUME.contains(&name) || (moves && name == "replicas");
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
        name == LOCK || name == UNFINISHED || atomic_file::is_temporary(&entry.path())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options() -> FitOptions {
        FitOptions {
            train: vec!["pairs.tsv".into()],
            lr: Some(1e-5),
            device: Some("cpu".to_owned()),
            ..FitOptions::default()
        }
    }

    fn begun(path: &Path) -> OutputFolder {
        let mut folder = OutputFolder::new(path).unwrap();
        folder.begin(&options()).unwrap();
        folder
    }

    /// Resumes a run whose process has ended.
    fn resumed(path: &Path, options: FitOptions) -> Result<(OutputFolder, FitOptions), TrainError> {
        OutputFolder::resume(path, options).map(|resumed| resumed.expect("unfinished"))
    }

    #[track_caller]
    fn refused(path: &Path, options: FitOptions, setting: &str) {
        match resumed(path, options) {
            Err(TrainError::OtherSettings { name, .. }) => assert_eq!(name, setting),
            other => panic!("{setting}: {other:?}"),
        }
    }

    #[test]
    fn a_run_does_not_start_in_a_used_folder() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("run");
        OutputFolder::new(&path).unwrap();
        assert!(!path.exists(), "no run has started");
        begun(&path);
        assert!(matches!(
            OutputFolder::new(&path),
            Err(TrainError::OutputInUse { .. })
        ));
        let other = parent.path().join("other");
        fs::create_dir(&other).unwrap();
        fs::write(other.join("notes.txt"), "mine").unwrap();
        assert!(matches!(
            OutputFolder::new(&other),
            Err(TrainError::OutputNotEmpty { .. })
        ));
        assert!(matches!(
            resumed(&other, options()),
            Err(TrainError::NothingToResume { .. })
        ));
    }

    #[test]
    fn a_second_run_in_the_same_folder_is_refused_until_the_first_ends() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("run");
        // Both looked before either began.
        let (mut first, mut second) = (
            OutputFolder::new(&path).unwrap(),
            OutputFolder::new(&path).unwrap(),
        );
        first.begin(&options()).unwrap();
        for error in [
            second.begin(&options()).unwrap_err(),
            resumed(&path, FitOptions::default()).unwrap_err(),
        ] {
            assert!(matches!(error, TrainError::OutputLocked { .. }), "{error}");
        }
        drop(first);
        assert!(matches!(
            second.begin(&options()),
            Err(TrainError::OutputInUse { .. })
        ));
        drop(second);
        resumed(&path, FitOptions::default()).unwrap();
    }

    #[test]
    fn a_resumed_run_has_the_settings_that_it_started_with() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("run");
        begun(&path);
        let workers = FitOptions {
            workers: Some(3),
            ..FitOptions::default()
        };
        let (_, now) = resumed(&path, workers).unwrap();
        assert_eq!((now.lr, now.workers), (Some(1e-5), Some(3)));
        let changed = FitOptions {
            lr: Some(1e-4),
            ..FitOptions::default()
        };
        refused(&path, changed, "lr");
    }

    #[test]
    fn replicas_belong_to_a_device() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("run");
        let mut folder = OutputFolder::new(&path).unwrap();
        let options = FitOptions {
            replicas: Some(4),
            ..options()
        };
        folder.begin(&options).unwrap();
        drop(folder);
        let resume = |device: Option<&str>, replicas: Option<usize>| FitOptions {
            device: device.map(str::to_owned),
            replicas,
            ..FitOptions::default()
        };
        let replicas = |options| resumed(&path, options).unwrap().1.replicas;
        assert_eq!(replicas(resume(None, None)), Some(4));
        refused(&path, resume(None, Some(1)), "replicas");
        // On another device they are set anew.
        assert_eq!(replicas(resume(Some("cuda:0"), None)), None);
        assert_eq!(replicas(resume(Some("cuda:0"), Some(2))), Some(2));
    }

    #[test]
    fn files_of_rows_may_move_but_none_may_be_added() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("run");
        begun(&path);
        let moved = FitOptions {
            train: vec!["elsewhere/pairs.tsv".into()],
            ..FitOptions::default()
        };
        let (mut folder, now) = resumed(&path, moved).unwrap();
        assert!(now.train[0].ends_with("elsewhere/pairs.tsv"));
        // The new value of a changeable setting is kept.
        folder.begin(&now).unwrap();
        drop(folder);
        let (folder, again) = resumed(&path, FitOptions::default()).unwrap();
        assert_eq!(again.train, now.train);
        drop(folder);
        let with_validation = FitOptions {
            valid: vec!["held-out.tsv".into()],
            ..FitOptions::default()
        };
        refused(&path, with_validation, "valid");
    }

    #[test]
    fn only_the_folder_of_checkpoints_knows_this_machine() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("run");
        let mut folder = OutputFolder::new(&path).unwrap();
        let model = parent.path().join("base");
        fs::create_dir(&model).unwrap();
        let options = FitOptions {
            valid: vec![parent.path().join("held-out.tsv")],
            model: Some(model.to_string_lossy().into_owned()),
            output: Some(path.clone()),
            reference: Some("curve.json".into()),
            ..options()
        };
        folder.begin(&options).unwrap();
        drop(folder);
        let text = fs::read_to_string(path.join(SETTINGS)).unwrap();
        let home = parent.path().to_string_lossy().into_owned();
        assert!(!text.contains(&home), "{text}");
        for part in [
            "\"pairs.tsv\"",
            "\"held-out.tsv\"",
            "\"base\"",
            "\"curve.json\"",
        ] {
            assert!(text.contains(part), "{part} in\n{text}");
        }
        let (_, now) = resumed(&path, FitOptions::default()).unwrap();
        let here = std::env::current_dir().unwrap();
        assert_eq!(now.train, [here.join("pairs.tsv")]);
        assert_eq!((now.valid, now.model), (options.valid, options.model));
    }

    #[test]
    fn a_run_that_was_killed_early_can_start_again_and_no_file_of_the_user_is_removed() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("run");
        let checkpoints = path.join(FOLDER);
        fs::create_dir_all(checkpoints.join(UNFINISHED)).unwrap();
        fs::write(checkpoints.join(LOCK), "").unwrap();
        for temporary in ["settings.toml-A1b2C3", "training.toml-A1b2C3"] {
            fs::write(checkpoints.join(format!(".tmp-{temporary}")), "half").unwrap();
        }
        begun(&path);
        // Folders and files of the user's count, with any name.
        for name in [".model-backup", ".model-A1b2C3", "partial-results"] {
            let mine = parent.path().join(name).join(name);
            fs::create_dir_all(&mine).unwrap();
            assert!(matches!(
                OutputFolder::new(&parent.path().join(name)),
                Err(TrainError::OutputNotEmpty { .. })
            ));
            // They may come later, and stay.
            fs::create_dir_all(path.join(name).join("inside")).unwrap();
        }
        let (mut folder, now) = resumed(&path, FitOptions::default()).unwrap();
        folder.begin(&now).unwrap();
        for name in [".model-backup", ".model-A1b2C3", "partial-results"] {
            assert!(path.join(name).join("inside").is_dir(), "{name}");
        }
        assert!(!checkpoints.join(UNFINISHED).exists());
    }

    #[test]
    fn a_run_has_finished_when_its_card_exists() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("run");
        let folder = begun(&path);
        for (name, finished) in [(MODEL_MARKER, false), (MODEL_CARD, true)] {
            assert!(!folder.is_finished());
            folder.write(name, b"[]").unwrap();
            assert_eq!(folder.is_finished(), finished);
        }
        // Also without its checkpoints.
        fs::remove_dir_all(path.join(FOLDER)).unwrap();
        assert!(OutputFolder::resume(&path, options()).unwrap().is_none());
    }
}
