//! The folder of a run.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::TrainError;
use crate::files::write_whole;
use crate::options::FitOptions;
use crate::training::checkpoint::CheckpointFolder;

/// The settings of the run, all of them.
const SETTINGS: &str = "training.toml";

/// Settings that a resumed run may change: none of them moves a weight.
const FREE: [&str; 10] = [
    "output",
    "device",
    "devices",
    "offline",
    "workers",
    "save-steps",
    "patience",
    "keep-last",
    "reference",
    "save-adapter",
];

/// Where a run writes.
#[derive(Clone, Debug)]
pub(crate) struct OutputFolder {
    pub(crate) path: PathBuf,
}

impl OutputFolder {
    /// Prepares the folder of a new run: an empty one, or none yet.
    pub(crate) fn create(path: &Path, options: &FitOptions) -> Result<Self, TrainError> {
        let folder = Self {
            path: path.to_owned(),
        };
        if path.join(SETTINGS).exists() {
            return Err(TrainError::OutputInUse {
                path: path.to_owned(),
            });
        }
        let empty = match path.read_dir() {
            Ok(mut entries) => entries.next().is_none(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => true,
            Err(error) => return Err(TrainError::io(path)(error)),
        };
        if !empty {
            return Err(TrainError::OutputNotEmpty {
                path: path.to_owned(),
            });
        }
        fs::create_dir_all(path).map_err(TrainError::io(path))?;
        folder.write(SETTINGS, options.to_toml()?.as_bytes())?;
        Ok(folder)
    }

    /// The folder of a run that goes on, and its settings: those it was begun with, and of `options`
    /// what may change.
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
        let before = FitOptions::read(&settings)?;
        let now = options.or(before.clone());
        let table = |options: &FitOptions| {
            toml::Table::try_from(options).map_err(|source| TrainError::Config {
                path: settings.clone(),
                source: Box::new(source),
            })
        };
        let (old, new) = (table(&before)?, table(&now)?);
        let names = old.keys().chain(new.keys());
        for name in names.filter(|name| !FREE.contains(&name.as_str())) {
            if old.get(name) != new.get(name) {
                let value = |table: &toml::Table| {
                    table
                        .get(name)
                        .map_or_else(|| "nothing".to_owned(), ToString::to_string)
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

    /// Writes a file that appears whole.
    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> Result<(), TrainError> {
        let path = self.path.join(name);
        write_whole(&path, bytes).map_err(TrainError::io(&path))
    }

    /// Moves the files of a model folder in here, `modules.json` last: with it the folder is a
    /// model's.
    pub(crate) fn install(&self, model: &Path) -> Result<(), TrainError> {
        const LAST: &str = "modules.json";
        let entries = model.read_dir().map_err(TrainError::io(model))?;
        let mut names = Vec::new();
        for entry in entries {
            names.push(entry.map_err(TrainError::io(model))?.file_name());
        }
        names.sort_by_key(|name| name == LAST);
        for name in names {
            let (from, to) = (model.join(&name), self.path.join(&name));
            if to.is_dir() {
                fs::remove_dir_all(&to).map_err(TrainError::io(&to))?;
            }
            fs::rename(&from, &to).map_err(TrainError::io(&to))?;
        }
        fs::remove_dir(model).map_err(TrainError::io(model))
    }
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

    #[test]
    fn a_run_does_not_begin_where_something_is() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("run");
        OutputFolder::create(&path, &options()).unwrap();
        assert!(matches!(
            OutputFolder::create(&path, &options()),
            Err(TrainError::OutputInUse { .. })
        ));
        let other = parent.path().join("other");
        fs::create_dir(&other).unwrap();
        fs::write(other.join("notes.txt"), "mine").unwrap();
        assert!(matches!(
            OutputFolder::create(&other, &options()),
            Err(TrainError::OutputNotEmpty { .. })
        ));
        assert!(matches!(
            OutputFolder::resume(&other, options()),
            Err(TrainError::NothingToResume { .. })
        ));
    }

    #[test]
    fn a_resumed_run_has_the_settings_that_it_began_with() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("run");
        OutputFolder::create(&path, &options()).unwrap();
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

    #[test]
    fn a_model_moves_in_over_an_older_one() {
        let parent = tempfile::tempdir().unwrap();
        let folder = OutputFolder {
            path: parent.path().join("run"),
        };
        for (round, content) in ["old", "new"].iter().enumerate() {
            let model = parent.path().join(format!("model-{round}"));
            fs::create_dir_all(model.join("1_Pooling")).unwrap();
            fs::create_dir_all(&folder.path).unwrap();
            fs::write(model.join("modules.json"), content).unwrap();
            fs::write(model.join("1_Pooling/config.json"), content).unwrap();
            folder.install(&model).unwrap();
            assert!(!model.exists());
            for name in ["modules.json", "1_Pooling/config.json"] {
                let written = fs::read_to_string(folder.path.join(name)).unwrap();
                assert_eq!(&written, content);
            }
        }
    }
}
