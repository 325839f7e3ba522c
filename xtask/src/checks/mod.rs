//! Checks of the sources that need no compiler. Each returns one line per finding, with its place.

pub(crate) mod circles;
pub(crate) mod licences;
pub(crate) mod links;
pub(crate) mod prose;

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::error::TaskError;

/// A check: it takes the root of the workspace and returns its findings.
pub(crate) type Check = fn(&Path) -> Result<Vec<String>, TaskError>;

/// The files that git tracks and whose path ends with `ending`, as paths from the root.
fn tracked(root: &Path, ending: &str) -> Result<Vec<String>, TaskError> {
    let output = Command::new("git")
        .args(["ls-files", "-z"])
        .current_dir(root)
        .output()
        .map_err(|source| TaskError::NotStarted {
            program: "git".to_owned(),
            source,
        })?;
    let names = String::from_utf8_lossy(&output.stdout).into_owned();
    // Without a list, every check would pass unread.
    if !output.status.success() || names.is_empty() {
        return Err(TaskError::NoFiles {
            root: root.to_owned(),
        });
    }
    let wanted = |name: &&str| name.ends_with(ending) && root.join(name).is_file();
    Ok(names
        .split('\0')
        .filter(wanted)
        .map(str::to_owned)
        .collect())
}

/// Reads a text file.
fn read(path: &Path) -> Result<String, TaskError> {
    fs::read_to_string(path).map_err(|source| TaskError::Read {
        path: path.to_owned(),
        source,
    })
}
