//! The output folder of a run.

use std::fs;
use std::path::{Path, PathBuf};

use program::atomic_file;

use super::install::{install, remove};
use crate::error::TrainError;
use crate::options::FitOptions;
use crate::training::checkpoint::CheckpointFolder;

/// File of all settings of the run.
const SETTINGS: &str = "training.toml";

/// File of the model card.
pub(crate) const MODEL_CARD: &str = "README.md";

/// The file that makes a folder a model.
const MODEL_MARKER: &str = "modules.json";

/// Folder of [`OutputFolder::last_model`].
const LAST_MODEL: &str = ".model";

/// Settings that a resumed run may change. They do not change the result, except `device` and
/// `devices`, which change rounding and dropout masks.
const CHANGEABLE_ON_RESUME: [&str; 9] = [
    "output",
    "device",
    "devices",
    "offline",
    "workers",
    "save-steps",
    "patience",
    "keep-last",
    "reference",
];

/// Settings that name files of rows: the files may move, but none may be added or removed.
const DATA_FILES: [&str; 2] = ["train", "valid"];

/// The output folder of a run.
#[derive(Clone, Debug)]
pub(crate) struct OutputFolder {
    pub(crate) path: PathBuf,
}

impl OutputFolder {
    /// The folder of a new run, which must be empty or missing. Writes nothing before
    /// [`begin`](Self::begin).
    pub(crate) fn new(path: &Path) -> Result<Self, TrainError> {
        if path.join(SETTINGS).exists() {
            return Err(TrainError::OutputInUse {
                path: path.to_owned(),
            });
        }
        let empty = match path.read_dir() {
            // A run that was killed early may have left a temporary file.
            Ok(entries) => entries.flatten().all(|entry| is_unfinished(&entry.path())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => true,
            Err(error) => return Err(TrainError::io(path)(error)),
        };
        if !empty {
            return Err(TrainError::OutputNotEmpty {
                path: path.to_owned(),
            });
        }
        Ok(Self {
            path: path.to_owned(),
        })
    }

    /// Writes the settings of a run that starts or resumes. Called after all checks, so a refused run
    /// leaves nothing behind.
    pub(crate) fn begin(&self, options: &FitOptions) -> Result<(), TrainError> {
        fs::create_dir_all(&self.path).map_err(TrainError::io(&self.path))?;
        self.remove_unfinished()?;
        let options = options.clone().with_absolute_paths();
        self.write(SETTINGS, options.to_toml()?.as_bytes())
    }

    /// Removes temporary files and folders of a killed run, which it recognises by name. It also
    /// removes a folder of the user's whose name has the same pattern: `.model-` or `.model-old-` and
    /// six letters or digits.
    pub(crate) fn remove_unfinished(&self) -> Result<(), TrainError> {
        self.checkpoints().remove_unfinished();
        let entries = self.path.read_dir().into_iter().flatten().flatten();
        for path in entries.map(|entry| entry.path()) {
            if is_unfinished(&path) {
                remove(&path).map_err(TrainError::io(&path))?;
            }
        }
        self.remove_last_model()
    }

    /// Whether the run has finished: it writes the card last.
    pub(crate) fn is_finished(&self) -> bool {
        self.path.join(MODEL_CARD).is_file() && self.path.join(MODEL_MARKER).is_file()
    }

    /// The folder of a run to resume, and its settings: those it started with, changed by the
    /// settings of `options` that may change.
    pub(crate) fn resume(
        path: &Path,
        options: FitOptions,
    ) -> Result<(Self, FitOptions), TrainError> {
        let settings = path.join(SETTINGS);
        if !settings.is_file() {
            return Err(TrainError::NothingToResume {
                path: path.to_owned(),
            });
        }
        let before = FitOptions::read(&settings)?.with_absolute_paths();
        let now = options.with_absolute_paths().or(before.clone());
        let table = |options: &FitOptions| {
            toml::Table::try_from(options).map_err(|source| TrainError::Config {
                path: settings.clone(),
                source: Box::new(source),
            })
        };
        let (old, new) = (table(&before)?, table(&now)?);
        let names = old.keys().chain(new.keys());
        for name in names.filter(|name| !CHANGEABLE_ON_RESUME.contains(&name.as_str())) {
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
        let folder = Self {
            path: path.to_owned(),
        };
        Ok((folder, now))
    }

    pub(crate) fn checkpoints(&self) -> CheckpointFolder {
        CheckpointFolder::of_run(&self.path)
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

    /// Temporary folder for the weights of the last step.
    pub(crate) fn last_model(&self) -> PathBuf {
        self.path.join(LAST_MODEL)
    }

    /// Removes [`last_model`](Self::last_model).
    pub(crate) fn remove_last_model(&self) -> Result<(), TrainError> {
        let path = self.last_model();
        remove(&path).map_err(TrainError::io(&path))
    }
}

/// Whether the name is that of a temporary file of [`atomic_file`], or of a temporary folder of
/// [`Checkpoint::save`](model::Checkpoint::save).
fn is_unfinished(path: &Path) -> bool {
    if !path.is_dir() {
        return atomic_file::is_temporary(path);
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let random =
        |rest: &str| rest.len() == 6 && rest.bytes().all(|byte| byte.is_ascii_alphanumeric());
    [".model-", ".model-old-"]
        .iter()
        .any(|begin| name.strip_prefix(begin).is_some_and(random))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options() -> FitOptions {
        FitOptions {
            train: vec!["pairs.tsv".into()],
            lr: Some(1e-5),
            ..FitOptions::default()
        }
    }

    fn begun(path: &Path) -> OutputFolder {
        let folder = OutputFolder::new(path).unwrap();
        folder.begin(&options()).unwrap();
        folder
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
            OutputFolder::resume(&other, options()),
            Err(TrainError::NothingToResume { .. })
        ));
    }

    #[test]
    fn a_resumed_run_has_the_settings_that_it_started_with() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("run");
        begun(&path);
        let (_, resumed) = OutputFolder::resume(
            &path,
            FitOptions {
                workers: Some(3),
                ..FitOptions::default()
            },
        )
        .unwrap();
        assert_eq!(resumed.lr, Some(1e-5));
        assert_eq!(resumed.workers, Some(3));
        let changed = FitOptions {
            lr: Some(1e-4),
            ..FitOptions::default()
        };
        match OutputFolder::resume(&path, changed) {
            Err(TrainError::OtherSettings { name, .. }) => assert_eq!(name, "lr"),
            other => panic!("{other:?}"),
        }
    }

    /// A run that began before the renaming has `lanes` in its settings.
    #[test]
    fn a_run_with_the_old_name_of_replicas_resumes() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("run");
        begun(&path);
        let settings = path.join(SETTINGS);
        let text = fs::read_to_string(&settings).unwrap();
        fs::write(&settings, format!("lanes = 2\n{text}")).unwrap();
        let resume = |replicas: Option<usize>| {
            let options = FitOptions {
                replicas,
                ..FitOptions::default()
            };
            OutputFolder::resume(&path, options)
        };
        for replicas in [None, Some(2)] {
            let (folder, resumed) = resume(replicas).unwrap();
            assert_eq!(resumed.replicas, Some(2));
            folder.begin(&resumed).unwrap();
            let text = fs::read_to_string(&settings).unwrap();
            assert!(
                text.contains("replicas = 2") && !text.contains("lanes"),
                "{text}"
            );
        }
        match resume(Some(1)) {
            Err(TrainError::OtherSettings { name, .. }) => assert_eq!(name, "replicas"),
            other => panic!("{other:?}"),
        }
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
        let (folder, resumed) = OutputFolder::resume(&path, moved).unwrap();
        assert!(resumed.train[0].ends_with("elsewhere/pairs.tsv"));
        // The new value of a changeable setting is kept.
        folder.begin(&resumed).unwrap();
        let (_, again) = OutputFolder::resume(&path, FitOptions::default()).unwrap();
        assert_eq!(again.train, resumed.train);
        let with_validation = FitOptions {
            valid: vec!["held-out.tsv".into()],
            ..FitOptions::default()
        };
        match OutputFolder::resume(&path, with_validation) {
            Err(TrainError::OtherSettings { name, .. }) => assert_eq!(name, "valid"),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_run_that_was_killed_early_can_start_again() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("run");
        fs::create_dir(&path).unwrap();
        fs::write(path.join(".tmp-training.toml-A1b2C3"), "half of the sett").unwrap();
        begun(&path);
        let names: Vec<_> = path
            .read_dir()
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(names, [SETTINGS]);
        // A file of the user's with a similar name counts.
        let other = parent.path().join("other");
        fs::create_dir(&other).unwrap();
        fs::write(other.join(".tmpfile-of-mine"), "mine").unwrap();
        assert!(matches!(
            OutputFolder::new(&other),
            Err(TrainError::OutputNotEmpty { .. })
        ));
    }

    #[test]
    fn only_temporary_names_of_a_killed_run_are_removed() {
        let parent = tempfile::tempdir().unwrap();
        let folder = begun(&parent.path().join("run"));
        let (unfinished, others) = (
            [".model", ".model-A1b2C3", ".model-old-A1b2C3"],
            [
                ".model-zoo",
                "partial-results",
                ".tmp-of-mine",
                "checkpoint",
            ],
        );
        for name in unfinished.iter().chain(&others) {
            fs::create_dir_all(folder.path.join(name).join("inside")).unwrap();
        }
        fs::write(folder.path.join(".tmp-training.toml-A1b2C3"), "half").unwrap();
        folder.remove_unfinished().unwrap();
        let mut left: Vec<_> = folder
            .path
            .read_dir()
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        let mut expected: Vec<_> = others.iter().chain(&[SETTINGS]).copied().collect();
        expected.sort_unstable();
        assert_eq!(left, expected);
    }

    #[test]
    fn a_run_has_finished_when_its_card_exists() {
        let parent = tempfile::tempdir().unwrap();
        let folder = begun(&parent.path().join("run"));
        assert!(!folder.is_finished());
        folder.write(MODEL_MARKER, b"[]").unwrap();
        assert!(!folder.is_finished());
        folder.write(MODEL_CARD, b"card").unwrap();
        assert!(folder.is_finished());
    }
}
