//! A model's files in the folder of a run, beside the copy that they came from.

use std::fs;
use std::io;
use std::path::Path;

/// The file that makes a folder a model's.
const MARK: &str = "modules.json";

/// Puts the files of a model folder into another one, the mark of a model last: until then the
/// folder is none. `model` stays as it is, so this can be done again, wherever it was cut off.
pub(super) fn install(model: &Path, folder: &Path) -> io::Result<()> {
    // Not with files of two models beside each other.
    remove(&folder.join(MARK))?;
    let mut names = Vec::new();
    for entry in model.read_dir()? {
        names.push(entry?.file_name());
    }
    names.sort_by_key(|name| name == MARK);
    for name in names {
        let (from, to) = (model.join(&name), folder.join(&name));
        remove(&to)?;
        put(&from, &to)?;
    }
    Ok(())
}

fn put(from: &Path, to: &Path) -> io::Result<()> {
    if !from.is_dir() {
        return link(from, to);
    }
    fs::create_dir(to)?;
    for entry in from.read_dir()? {
        let name = entry?.file_name();
        put(&from.join(&name), &to.join(name))?;
    }
    Ok(())
}

/// A second name of the file, which takes no room; a copy where the file system has no such thing.
fn link(from: &Path, to: &Path) -> io::Result<()> {
    fs::hard_link(from, to).or_else(|_| fs::copy(from, to).map(drop))
}

/// Removes a file or a folder, if it is there.
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

    const FILES: [&str; 3] = [MARK, "1_Pooling/config.json", "model.safetensors"];

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
    fn a_model_comes_in_over_an_older_one_and_stays_where_it_was() {
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
    fn what_was_cut_off_anywhere_can_be_done_again() {
        let parent = tempfile::tempdir().unwrap();
        let model = parent.path().join("best");
        write(&model, "best");
        let mut names: Vec<_> = model
            .read_dir()
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        names.sort_by_key(|name| name == MARK);
        for done in 0..=names.len() {
            let folder = parent.path().join(format!("run-{done}"));
            fs::create_dir(&folder).unwrap();
            for name in &names[..done] {
                put(&model.join(name), &folder.join(name)).unwrap();
            }
            assert_eq!(folder.join(MARK).exists(), done == names.len());
            install(&model, &folder).unwrap();
            assert_content(&folder, "best");
            assert_content(&model, "best");
        }
    }

    #[test]
    fn what_is_not_there_is_removed_already() {
        let parent = tempfile::tempdir().unwrap();
        remove(&parent.path().join("nothing")).unwrap();
    }
}
