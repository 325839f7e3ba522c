//! Files that get their names when they are whole, and go away on Ctrl-C.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tempfile::NamedTempFile;

/// Where such files are now.
static UNFINISHED: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

fn unfinished() -> MutexGuard<'static, Vec<PathBuf>> {
    UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The regular file that an output becomes: a link is followed, and what is no file is refused.
///
/// # Errors
///
/// When a folder or a device stands there, or when the folder of the file does not.
pub(crate) fn target(path: &Path) -> Result<PathBuf, TargetProblem> {
    match std::fs::metadata(path) {
        Ok(found) if found.is_dir() => Err(TargetProblem::IsFolder),
        Ok(found) if !found.is_file() => Err(TargetProblem::NotAFile),
        // Renaming onto a link would replace the link.
        Ok(_) => std::fs::canonicalize(path).map_err(TargetProblem::Io),
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(TargetProblem::Io(error)),
        Err(_) => {
            let folder = folder_of(path);
            if folder.is_dir() {
                Ok(path.to_owned())
            } else {
                Err(TargetProblem::NoFolder(folder.to_owned()))
            }
        }
    }
}

/// Why nothing can be written under a name.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TargetProblem {
    /// A folder has that name.
    #[error("is a folder; give the name of a file")]
    IsFolder,
    /// A device or a pipe has that name.
    #[error("is not a regular file; leave the output out to write JSON lines to standard output")]
    NotAFile,
    /// The folder it should stand in does not exist.
    #[error("the folder {} does not exist", .0.display())]
    NoFolder(PathBuf),
    /// The system says so.
    #[error(transparent)]
    Io(io::Error),
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

/// A temporary file in the folder of `path`, as readable as any new file there. Dropped, it is
/// gone.
pub(crate) fn beside(path: &Path) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".infer-");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // The system takes the umask off.
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    let mut unfinished = unfinished();
    let file = builder.tempfile_in(folder_of(path))?;
    unfinished.push(file.path().to_owned());
    Ok(file)
}

/// Gives a file its name; one that has the name already is replaced.
pub(crate) fn persist(file: NamedTempFile, path: &Path) -> io::Result<()> {
    let mut unfinished = unfinished();
    let temporary = file.path().to_owned();
    file.persist(path).map_err(|error| error.error)?;
    unfinished.retain(|other| *other != temporary);
    Ok(())
}

/// Removes every unfinished file and ends the program; a rename that has begun is completed first.
pub(crate) fn remove_and_exit(code: i32) -> ! {
    // Held to the end: nothing is named or begun any more.
    let unfinished = unfinished();
    for path in unfinished.iter() {
        // Dropped files are still listed, and gone.
        let _ = std::fs::remove_file(path);
    }
    std::process::exit(code)
}
