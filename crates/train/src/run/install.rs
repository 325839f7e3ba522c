//! Copies the files of a model into the folder of a run.

use std::fs;
use std::io;
use std::path::Path;

/// The file that makes a folder a model.
pub(super) const MODEL_MARKER: &str = "modules.json";

/// Copies the files of a model folder into another one, the marker last: until then the folder is not
/// a model. `model` stays unchanged, so an interrupted copy can be repeated.
pub(super) fn install(model: &Path, folder: &Path) -> io::Result<()> {
    // First, so that a half-copied folder is never taken for a model.
    remove(&folder.join(MODEL_MARKER))?;
    let mut names = Vec::new();
    for entry in model.read_dir()? {
        names.push(entry?.file_name());
    }
    names.sort_by_key(|name| name == MODEL_MARKER);
    for name in names {
        let (from, to) = (model.join(&name), folder.join(&name));
        remove(&to)?;
        copy_tree(&from, &to)?;
    }
    Ok(())
}

fn copy_tree(from: &Path, to: &Path) -> io::Result<()> {
    if !from.is_dir() {
        return link(from, to);
    }
    fs::create_dir(to)?;
    for entry in from.read_dir()? {
        let name = entry?.file_name();
        copy_tree(&from.join(&name), &to.join(name))?;
    }
    Ok(())
}

/// A hard link, which takes no space; a copy on file systems without hard links.
fn link(from: &Path, to: &Path) -> io::Result<()> {
    fs::hard_link(from, to).or_else(|_| fs::copy(from, to).map(drop))
}

/// Removes a file or a folder, if it exists.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    let removed = if path.is_dir() {
        fs::remove_dir_all(path)
    } else {
        fs::remove_file(path)
    };
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILES: [&str; 3] = [MODEL_MARKER, "1_Pooling/config.json", "model.safetensors"];

    fn write(folder: &Path, content: &str) {
        fs::create_dir_all(folder.join("1_Pooling")).unwrap();
        for name in FILES {
            fs::write(folder.join(name), content).unwrap();
        }
    }

    #[track_caller]
    fn assert_content(folder: &Path, content: &str) {
        for name in FILES {
            assert_eq!(fs::read_to_string(folder.join(name)).unwrap(), content);
        }
    }

    #[test]
    fn a_model_replaces_an_older_one_and_keeps_its_source() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("run");
        fs::create_dir(&folder).unwrap();
        for content in ["old", "new"] {
            let model = parent.path().join(content);
            write(&model, content);
            install(&model, &folder).unwrap();
            assert_content(&folder, content);
            assert_content(&model, content);
        }
    }

    #[test]
    fn an_interrupted_copy_can_be_repeated() {
        let parent = tempfile::tempdir().unwrap();
        let model = parent.path().join("best");
        write(&model, "best");
        let mut names: Vec<_> = model
            .read_dir()
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        names.sort_by_key(|name| name == MODEL_MARKER);
        for done in 0..=names.len() {
            let folder = parent.path().join(format!("run-{done}"));
            fs::create_dir(&folder).unwrap();
            for name in &names[..done] {
                copy_tree(&model.join(name), &folder.join(name)).unwrap();
            }
            assert_eq!(folder.join(MODEL_MARKER).exists(), done == names.len());
            install(&model, &folder).unwrap();
            assert_content(&folder, "best");
            assert_content(&model, "best");
        }
    }

    #[test]
    fn removing_nothing_succeeds() {
        let parent = tempfile::tempdir().unwrap();
        remove(&parent.path().join("nothing")).unwrap();
    }
}
