//! A new model folder in the place of an old one.

use std::io;

use super::*;

/// An old model in its folder, and a new one in another.
fn old_and_new() -> (tempfile::TempDir, std::path::PathBuf, std::path::PathBuf) {
    let parent = tempfile::tempdir().unwrap();
    let [folder, new] = ["model", "new"].map(|name| parent.path().join(name));
    for (path, content) in [(&folder, "old"), (&new, "new")] {
        std::fs::create_dir(path).unwrap();
        std::fs::write(path.join("config.json"), content).unwrap();
    }
    (parent, folder, new)
}

fn content(folder: &Path) -> String {
    std::fs::read_to_string(folder.join("config.json")).unwrap()
}

#[test]
fn a_new_model_takes_the_place_of_the_old_one() {
    let (parent, folder, new) = old_and_new();
    replace(&folder, parent.path(), &new, |from, to| {
        std::fs::rename(from, to)
    })
    .unwrap();
    assert_eq!(content(&folder), "new");
    assert_eq!(std::fs::read_dir(parent.path()).unwrap().count(), 1);
}

#[test]
fn the_old_model_comes_back_when_the_new_one_does_not_come() {
    let (parent, folder, new) = old_and_new();
    let error = replace(&folder, parent.path(), &new, |from, to| {
        if from == new {
            return Err(io::Error::other("no"));
        }
        std::fs::rename(from, to)
    })
    .unwrap_err();
    assert!(matches!(error, ModelError::Io { .. }), "{error}");
    assert_eq!(content(&folder), "old");
    // Only the two models are left.
    assert_eq!(std::fs::read_dir(parent.path()).unwrap().count(), 2);
}

#[test]
fn an_old_model_that_cannot_come_back_is_kept_and_its_place_named() {
    let (parent, folder, new) = old_and_new();
    let error = replace(&folder, parent.path(), &new, |from, to| {
        if to == folder {
            return Err(io::Error::other("no"));
        }
        std::fs::rename(from, to)
    })
    .unwrap_err();
    let message = error.to_string();
    let ModelError::NotPutBack { kept, .. } = error else {
        panic!("{message}");
    };
    assert_eq!(content(&kept), "old");
    assert!(message.contains(kept.to_str().unwrap()), "{message}");
}
