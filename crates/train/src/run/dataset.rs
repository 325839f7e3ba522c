//! The files of a dataset: a file, or a folder of Parquet files as Hugging Face stores it.

use std::path::{Path, PathBuf};

use crate::error::TrainError;
use crate::report::DataRole;

/// Words in the names of files and folders that say to which part a file belongs, as in
/// `data/train-00000-of-00002.parquet`. From "Structure your repository" in the documentation of `datasets`.
const PARTS: [(DataRole, &[&str]); 3] = [
    (DataRole::Train, &["train", "training"]),
    (
        DataRole::Validation,
        &["validation", "valid", "dev", "val", "eval", "evaluation"],
    ),
    (DataRole::Validation, &["test", "testing"]),
];

/// Folders within each other that are looked through.
const DEEPEST: usize = 4;

/// The files of `path`: itself, or those of a folder that belong to the part, in the order of their names. Files of a
/// folder without any such word are training rows. Test rows validate if there are no others.
///
/// # Errors
///
/// The folder cannot be read, or has no Parquet file of the part.
pub(crate) fn files_of(path: &Path, part: DataRole) -> Result<Vec<PathBuf>, TrainError> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut all = Vec::new();
    parquet_files(path, DEEPEST, &mut all)?;
    all.sort();
    let place = |file: &PathBuf| {
        let name = file.strip_prefix(path).unwrap_or(file).to_string_lossy();
        let name = name.to_lowercase();
        let words: Vec<&str> = name.split(|c: char| !c.is_ascii_alphabetic()).collect();
        PARTS
            .iter()
            .position(|(_, names)| names.iter().any(|name| words.contains(name)))
    };
    let places: Vec<Option<usize>> = all.iter().map(place).collect();
    let named = PARTS
        .iter()
        .enumerate()
        .filter(|(_, (of, _))| *of == part)
        .map(|(place, _)| Some(place))
        .find(|place| places.contains(place));
    let unnamed = part == DataRole::Train && places.iter().all(Option::is_none);
    let wanted = if unnamed { Some(None) } else { named };
    let mut files = all;
    let mut places = places.into_iter();
    files.retain(|_| wanted.is_some() && places.next() == wanted);
    if files.is_empty() {
        return Err(TrainError::Usage(format!(
            "{} has no Parquet files of {} rows; name the files one by one",
            path.display(),
            part.name()
        )));
    }
    Ok(files)
}

fn parquet_files(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<(), TrainError> {
    let failed = || TrainError::io(folder);
    for entry in folder.read_dir().map_err(failed())? {
        let path = entry.map_err(failed())?.path();
        let hidden = path
            .file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if hidden {
            continue;
        }
        if path.is_dir() {
            if depth > 0 {
                parquet_files(&path, depth - 1, files)?;
            }
        } else if path.extension().is_some_and(|end| end == "parquet") {
            files.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(names: &[&str], part: DataRole) -> Result<Vec<String>, String> {
        let folder = tempfile::tempdir().unwrap();
        for name in names {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        let files = files_of(folder.path(), part).map_err(|error| error.to_string())?;
        let name = |file: PathBuf| {
            let name = file.strip_prefix(folder.path()).unwrap().to_str().unwrap();
            name.replace('\\', "/")
        };
        Ok(files.into_iter().map(name).collect())
    }

    #[test]
    fn the_files_of_a_part_are_those_that_name_it() {
        let names = [
            "README.md",
            ".cache/x/train-0.parquet",
            "pair/train-00001-of-00002.parquet",
            "pair/train-00000-of-00002.parquet",
            "pair/dev-00000-of-00001.parquet",
            "pair/test-00000-of-00001.parquet",
            "pair/constraints.parquet",
        ];
        assert_eq!(
            of(&names, DataRole::Train).unwrap(),
            [
                "pair/train-00000-of-00002.parquet",
                "pair/train-00001-of-00002.parquet"
            ]
        );
        assert_eq!(
            of(&names, DataRole::Validation).unwrap(),
            ["pair/dev-00000-of-00001.parquet"]
        );
    }

    #[test]
    fn files_without_a_part_are_for_training_and_test_rows_may_validate() {
        assert_eq!(
            of(&["b.parquet", "a.parquet"], DataRole::Train).unwrap(),
            ["a.parquet", "b.parquet"]
        );
        assert!(of(&["a.parquet"], DataRole::Validation).is_err());
        let names = ["train.parquet", "test.parquet"];
        assert_eq!(of(&names, DataRole::Validation).unwrap(), ["test.parquet"]);
        assert!(of(&["test.parquet"], DataRole::Train).is_err());
    }

    #[test]
    fn a_file_is_itself() {
        let file = Path::new("no/such/folder/pairs.csv");
        assert_eq!(files_of(file, DataRole::Train).unwrap(), [file]);
    }
}
