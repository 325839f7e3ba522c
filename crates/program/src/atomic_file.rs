//! Files that appear complete or not at all.
//!
//! A file is written under a temporary name in the folder of its target, synced to the disk and
//! then renamed. [`remove_unfinished_and_exit`] removes the temporary files on Ctrl-C.

use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tempfile::NamedTempFile;

/// The start of every temporary name.
const PREFIX: &str = ".tmp";

/// How many random letters and digits follow the prefix.
const RANDOM_CHARACTERS: usize = 6;

/// The temporary files of this process that may exist.
static UNFINISHED: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

fn unfinished() -> MutexGuard<'static, Vec<PathBuf>> {
    UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A file that has a temporary name until [`commit`](Self::commit). Dropped before, it is removed.
///
/// Writes are not buffered.
#[derive(Debug)]
pub struct AtomicFile {
    temporary: NamedTempFile,
    target: PathBuf,
}

impl AtomicFile {
    /// Creates a temporary file in the folder of `target`, with the permissions of any new file.
    ///
    /// # Errors
    ///
    /// When the folder cannot be written.
    pub fn create(target: &Path) -> io::Result<Self> {
        let mut builder = tempfile::Builder::new();
        builder.prefix(PREFIX).rand_bytes(RANDOM_CHARACTERS);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            // The system applies the umask.
            builder.permissions(std::fs::Permissions::from_mode(0o666));
        }
        let mut unfinished = unfinished();
        let temporary = builder.tempfile_in(folder_of(target))?;
        unfinished.push(temporary.path().to_owned());
        Ok(Self {
            temporary,
            target: target.to_owned(),
        })
    }

    /// The name that the file gets.
    #[must_use]
    pub fn target(&self) -> &Path {
        &self.target
    }

    /// Syncs the file and gives it its name; a file of that name is replaced.
    ///
    /// # Errors
    ///
    /// When the file cannot be synced or renamed; then it is removed.
    pub fn commit(self) -> io::Result<()> {
        self.temporary.as_file().sync_all()?;
        let mut unfinished = unfinished();
        let path = self.temporary.path().to_owned();
        self.temporary
            .persist(&self.target)
            .map_err(|error| error.error)?;
        unfinished.retain(|other| *other != path);
        Ok(())
    }
}

impl Write for AtomicFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.temporary.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.temporary.flush()
    }
}

impl Seek for AtomicFile {
    fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
        self.temporary.seek(position)
    }
}

/// Writes a complete file; a file of that name is replaced.
///
/// # Errors
///
/// When the file cannot be written; the old file is unchanged then.
pub fn write(target: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = AtomicFile::create(target)?;
    file.write_all(bytes)?;
    file.commit()
}

/// Removes every unfinished file and ends the program. A rename that has begun is completed first.
pub fn remove_unfinished_and_exit(code: i32) -> ! {
    // The lock is held to the end, so that no file is created or renamed any more.
    let unfinished = unfinished();
    for path in unfinished.iter() {
        // Dropped files are still listed, but gone.
        let _ = std::fs::remove_file(path);
    }
    std::process::exit(code)
}

/// Whether a path has a name that [`AtomicFile`] gives: after a kill, such a file remains.
#[must_use]
pub fn is_temporary(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.strip_prefix(PREFIX).is_some_and(|random| {
        random.len() == RANDOM_CHARACTERS && random.bytes().all(|byte| byte.is_ascii_alphanumeric())
    })
}

/// The regular file that an output replaces or creates. Links are followed.
///
/// # Errors
///
/// When a folder or a device has that name, or the folder of the file does not exist.
pub fn resolve_target(path: &Path) -> Result<PathBuf, TargetErrorKind> {
    match std::fs::metadata(path) {
        Ok(found) if found.is_dir() => Err(TargetErrorKind::IsFolder),
        Ok(found) if !found.is_file() => Err(TargetErrorKind::NotAFile),
        // Renaming onto a link would replace the link.
        Ok(_) => std::fs::canonicalize(path).map_err(TargetErrorKind::Io),
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(TargetErrorKind::Io(error)),
        Err(_) => {
            let folder = folder_of(path);
            if folder.is_dir() {
                Ok(path.to_owned())
            } else {
                Err(TargetErrorKind::NoFolder(folder.to_owned()))
            }
        }
    }
}

/// Why a file cannot be written under a name.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TargetErrorKind {
    /// A folder has that name.
    #[error("is a folder; give the name of a file")]
    IsFolder,
    /// A device or a pipe has that name.
    #[error("is not a regular file; give the name of a file, or write to standard output")]
    NotAFile,
    /// The folder of the file does not exist.
    #[error("the folder {} does not exist; create it first", .0.display())]
    NoFolder(PathBuf),
    /// The system refuses it.
    #[error(transparent)]
    Io(io::Error),
}

impl TargetErrorKind {
    /// Whether the system refuses the name, which another name need not mend.
    #[must_use]
    pub fn is_io(&self) -> bool {
        matches!(self, Self::Io(_))
    }
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = folder.read_dir().unwrap();
        entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    }

    #[test]
    fn a_file_appears_when_it_is_complete() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("v.npy");
        std::fs::write(&target, "old").unwrap();
        let mut file = AtomicFile::create(&target).unwrap();
        file.write_all(b"new").unwrap();
        assert_eq!(file.target(), target);
        let temporary = file.temporary.path().to_owned();
        assert!(is_temporary(&temporary), "{}", temporary.display());
        assert!(unfinished().contains(&temporary));
        assert_eq!(std::fs::read(&target).unwrap(), b"old");
        file.commit().unwrap();
        assert_eq!(std::fs::read(&target).unwrap(), b"new");
        assert_eq!(names(folder.path()), ["v.npy"]);
        assert!(!unfinished().contains(&temporary));
    }

    #[test]
    fn a_dropped_file_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = AtomicFile::create(&folder.path().join("v.npy")).unwrap();
        file.write_all(b"half").unwrap();
        assert_eq!(names(folder.path()).len(), 1);
        drop(file);
        assert!(names(folder.path()).is_empty());
    }

    #[cfg(unix)]
    #[test]
    fn a_new_file_has_the_permissions_of_others() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let mode = |name: &str| {
            let path = folder.path().join(name);
            path.metadata().unwrap().permissions().mode()
        };
        write(&folder.path().join("atomic"), b"x").unwrap();
        std::fs::write(folder.path().join("plain"), b"x").unwrap();
        assert_eq!(mode("atomic"), mode("plain"));
    }

    #[test]
    fn only_temporary_names_are_temporary() {
        for name in [".tmp", ".tmpabcde", ".tmpabcdefg", ".tmp-mine", "tmpabcdef"] {
            assert!(!is_temporary(Path::new(name)), "{name}");
        }
        assert!(is_temporary(Path::new("folder/.tmpA1b2C3")));
    }

    #[test]
    fn a_target_is_a_file_in_a_folder_that_exists() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("v.npy");
        assert_eq!(resolve_target(&path).unwrap(), path);
        assert!(resolve_target(Path::new("v-that-does-not-exist.npy")).is_ok());
        let missing = resolve_target(&folder.path().join("none/v.npy"));
        assert!(matches!(missing, Err(TargetErrorKind::NoFolder(_))));
        let is_folder = resolve_target(folder.path());
        assert!(matches!(is_folder, Err(TargetErrorKind::IsFolder)));
    }
}
