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

/// A temporary file in the folder of `path`, as readable as any new file there. Dropped, it is
/// gone.
pub(crate) fn beside(path: &Path) -> io::Result<NamedTempFile> {
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let mut builder = tempfile::Builder::new();
    builder.prefix(".infer-");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // The system takes the umask off.
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    let mut unfinished = unfinished();
    let file = builder.tempfile_in(folder)?;
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
