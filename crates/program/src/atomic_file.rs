//! Files that appear complete or not at all.
//!
//! A file is written under a temporary name in the folder of its target, synced to the disk and
//! then renamed; then its folder is synced. [`remove_unfinished_and_exit`] removes the temporary
//! files on Ctrl-C. After a kill they remain, and the next [`AtomicFile`] for the same target
//! removes them: a process holds a lock on each of its temporary files, so an unlocked one is
//! nobody's.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tempfile::NamedTempFile;

/// The start of every temporary name; the name of the target follows, then `-` and random characters.
const PREFIX: &str = ".tmp-";

/// How many random letters and digits end a temporary name.
const RANDOM_CHARACTERS: usize = 6;

/// The most characters of a target's name in a temporary name: file systems allow 255 bytes.
const NAME_CHARACTERS: usize = 50;

/// The most links behind each other, as Linux has it.
const MAX_LINKS: usize = 40;

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
    /// Temporary files for the same target that killed processes left are removed.
    ///
    /// # Errors
    ///
    /// When the folder cannot be written.
    pub fn create(target: &Path) -> io::Result<Self> {
        remove_abandoned(target);
        let prefix = prefix(target);
        let mut builder = tempfile::Builder::new();
        builder.prefix(&prefix).rand_bytes(RANDOM_CHARACTERS);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            // The system applies the umask.
            builder.permissions(std::fs::Permissions::from_mode(0o666));
        }
        let mut unfinished = unfinished();
        loop {
            let temporary = builder.tempfile_in(folder_of(target))?;
            // A file system without locks keeps the files of killed processes, and nothing else is
            // lost. Another process that took this file for abandoned, because it had no lock yet,
            // has removed it by now.
            if temporary.as_file().lock().is_ok() && !temporary.path().exists() {
                continue;
            }
            unfinished.push(temporary.path().to_owned());
            return Ok(Self {
                temporary,
                target: target.to_owned(),
            });
        }
    }

    /// The name that the file gets.
    #[must_use]
    pub fn target(&self) -> &Path {
        &self.target
    }

    /// Syncs the file, gives it its name and syncs its folder. A file of that name is replaced; the
    /// new file has its permissions.
    ///
    /// # Errors
    ///
    /// When the file cannot be synced or renamed; then it is removed.
    pub fn commit(self) -> io::Result<()> {
        if let Ok(replaced) = std::fs::metadata(&self.target) {
            // A file system without permissions is no reason to lose the file.
            let _ = self
                .temporary
                .as_file()
                .set_permissions(replaced.permissions());
        }
        self.temporary.as_file().sync_all()?;
        let mut unfinished = unfinished();
        let path = self.temporary.path().to_owned();
        self.temporary
            .persist(&self.target)
            .map_err(|error| error.error)?;
        unfinished.retain(|other| *other != path);
        sync_folder_of(&self.target)
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

/// Removes a file, if there is one, and syncs its folder.
///
/// # Errors
///
/// When the file cannot be removed.
pub fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(()) => sync_folder_of(path),
    }
}

/// After a power failure, a synced folder has the names that it has now.
///
/// # Errors
///
/// When the folder cannot be synced.
pub fn sync_folder_of(path: &Path) -> io::Result<()> {
    // Windows opens no folders, and writes its names through.
    if cfg!(unix) {
        File::open(folder_of(path))?.sync_all()?;
    }
    Ok(())
}

/// The start of the temporary names of a target.
fn prefix(target: &Path) -> OsString {
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    let name: String = name.chars().take(NAME_CHARACTERS).collect();
    format!("{PREFIX}{name}-").into()
}

/// Removes temporary files for this target that no process holds a lock on. One that cannot be
/// removed stays.
fn remove_abandoned(target: &Path) {
    let prefix = prefix(target);
    let Ok(entries) = std::fs::read_dir(folder_of(target)) else {
        return;
    };
    for path in entries.flatten().map(|entry| entry.path()) {
        let name = path.file_name().unwrap_or_default();
        if is_temporary_name(name, &prefix.to_string_lossy())
            && path.symlink_metadata().is_ok_and(|found| found.is_file())
            && File::open(&path).is_ok_and(|file| file.try_lock().is_ok())
        {
            let _ = std::fs::remove_file(&path);
        }
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

/// Whether a path has a name that [`AtomicFile`] gives: after a kill, such a file remains until the
/// same target is written again.
#[must_use]
pub fn is_temporary(path: &Path) -> bool {
    is_temporary_name(path.file_name().unwrap_or_default(), PREFIX)
}

/// Whether a name begins with `prefix` and ends in a dash and random characters.
fn is_temporary_name(name: &OsStr, prefix: &str) -> bool {
    let name = name.to_string_lossy();
    let Some(rest) = name.strip_prefix(prefix) else {
        return false;
    };
    // Within the prefix of one target the dash is its end.
    let random = match rest.rsplit_once('-') {
        Some((_, random)) if prefix == PREFIX => random,
        _ if prefix == PREFIX => return false,
        _ => rest,
    };
    random.len() == RANDOM_CHARACTERS && random.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// The regular file that an output replaces or creates. Links are followed, also one to a file that
/// does not exist yet.
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
            let path = behind_links(path).map_err(TargetErrorKind::Io)?;
            let folder = folder_of(&path);
            if folder.is_dir() {
                Ok(path)
            } else {
                Err(TargetErrorKind::NoFolder(folder.to_owned()))
            }
        }
    }
}

/// The name at the end of a chain of links, where no file is.
fn behind_links(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..MAX_LINKS {
        match std::fs::read_link(&path) {
            // A relative link starts in the folder of the link.
            Ok(next) => path = folder_of(&path).join(next),
            Err(_) => return Ok(path),
        }
    }
    Err(io::Error::other("too many symbolic links"))
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

    #[cfg(unix)]
    #[test]
    fn a_replaced_file_keeps_its_permissions() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        std::fs::write(&path, b"x").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        write(&path, b"y").unwrap();
        let mode = path.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[cfg(unix)]
    #[test]
    fn the_file_behind_a_link_is_the_target_even_if_it_does_not_exist_yet() {
        let folder = tempfile::tempdir().unwrap();
        let real = folder.path().join("real.npy");
        let link = folder.path().join("link.npy");
        let chain = folder.path().join("chain.npy");
        std::os::unix::fs::symlink("real.npy", &link).unwrap();
        std::os::unix::fs::symlink(&link, &chain).unwrap();
        for path in [&link, &chain] {
            assert_eq!(resolve_target(path).unwrap(), real);
        }
        std::fs::write(&real, "x").unwrap();
        assert_eq!(
            resolve_target(&chain).unwrap(),
            real.canonicalize().unwrap()
        );
        let circle = folder.path().join("circle.npy");
        std::os::unix::fs::symlink(&circle, &circle).unwrap();
        assert!(matches!(
            resolve_target(&circle),
            Err(TargetErrorKind::Io(_))
        ));
    }

    #[test]
    fn only_temporary_names_are_temporary() {
        for name in [
            ".tmp",
            ".tmpabcdef",
            ".tmp-abcdef",
            ".tmp-v.npy-abcde",
            ".tmp-v.npy-abcd.f",
            "tmp-v.npy-abcdef",
        ] {
            assert!(!is_temporary(Path::new(name)), "{name}");
        }
        assert!(is_temporary(Path::new("folder/.tmp-v.npy-A1b2C3")));
    }

    #[test]
    fn a_file_of_a_killed_process_goes_when_the_same_target_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("v.npy");
        // Files that no process holds: of this target, of another one, and of other programs.
        let others = [".tmp-w.npy-abcdef", ".tmp-v.npy-abcdefg", ".tmpabcdef"];
        for name in [".tmp-v.npy-abcdef"].iter().chain(&others) {
            std::fs::write(folder.path().join(name), "half").unwrap();
        }
        // A file that is being written, as by another process.
        let living = AtomicFile::create(&target).unwrap();
        write(&target, b"new").unwrap();
        let left = names(folder.path());
        assert!(!left.contains(&".tmp-v.npy-abcdef".to_owned()), "{left:?}");
        for name in others {
            assert!(left.contains(&name.to_owned()), "{left:?}");
        }
        assert!(living.temporary.path().exists());
        assert_eq!(left.len(), others.len() + 2, "{left:?}");
        living.commit().unwrap();
    }

    #[test]
    fn a_long_name_is_no_obstacle() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("é".repeat(120));
        write(&target, b"x").unwrap();
        assert_eq!(names(folder.path()).len(), 1);
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
