//! The cache of the Hugging Face hub, in the layout that Python's huggingface_hub shares:
//!
//! ```text
//! models--OWNER--MODEL/refs/REVISION             the commit that a branch or tag names
//! models--OWNER--MODEL/blobs/ETAG                the content of a file
//! models--OWNER--MODEL/snapshots/COMMIT/FILE     a link to the content
//! models--OWNER--MODEL/.no_exist/COMMIT/FILE     empty: the commit has no such file
//! .locks/models--OWNER--MODEL/ETAG.lock          held while a blob is written
//! ```

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hf_hub::{Cache, CacheRepo, Repo, RepoType};

use super::names::{is_component, is_hexadecimal};

/// The branch of a repository unless another revision is named.
const MAIN: &str = "main";

/// The cache folder of this user: `HF_HUB_CACHE`, `HF_HOME` and their older names, as in Python.
pub(super) fn folder_of_this_user() -> PathBuf {
    let path = |name| std::env::var_os(name).map(PathBuf::from);
    path("HF_HUB_CACHE")
        .or_else(|| path("HUGGINGFACE_HUB_CACHE"))
        .unwrap_or_else(|| home_of_this_user().join("hub"))
}

/// Hugging Face's folder of this user: `HF_HOME`, or its place in the user's cache folder.
pub(super) fn home_of_this_user() -> PathBuf {
    let path = |name| std::env::var_os(name).map(PathBuf::from);
    path("HF_HOME")
        .or_else(|| path("XDG_CACHE_HOME").map(|cache| cache.join("huggingface")))
        .unwrap_or_else(|| {
            let home = dirs::home_dir().unwrap_or_else(std::env::temp_dir);
            home.join(".cache").join("huggingface")
        })
}

/// The part of the cache that belongs to one revision of a model.
pub(super) struct ModelCache {
    /// `models--OWNER--MODEL`.
    folder: PathBuf,
    locks: PathBuf,
    repository: CacheRepo,
    revision: String,
}

/// A revision of a model on this machine.
pub(super) struct Snapshot {
    pub commit: String,
    pub folder: PathBuf,
}

impl ModelCache {
    pub(super) fn new(cache: &Path, owner: &str, model: &str, revision: Option<&str>) -> Self {
        let revision = revision.unwrap_or(MAIN).to_owned();
        let repository = Repo::with_revision(
            format!("{owner}/{model}"),
            RepoType::Model,
            revision.clone(),
        );
        let name = repository.folder_name();
        Self {
            folder: cache.join(&name),
            locks: cache.join(".locks").join(name),
            repository: Cache::new(cache.to_owned()).repo(repository),
            revision,
        }
    }

    pub(super) fn revision(&self) -> &str {
        &self.revision
    }

    /// The snapshot of the revision; `None` if the cache has none.
    pub(super) fn snapshot(&self) -> io::Result<Option<Snapshot>> {
        let commit = if is_hexadecimal(&self.revision, 40) {
            self.revision.clone()
        } else {
            match std::fs::read_to_string(self.folder.join("refs").join(&self.revision)) {
                Ok(commit) => commit.trim().to_owned(),
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                Err(error) => return Err(error),
            }
        };
        // A killed program may have left an empty file.
        if !is_component(&commit) {
            return Ok(None);
        }
        let folder = self.snapshot_of(&commit);
        Ok(folder.is_dir().then_some(Snapshot { commit, folder }))
    }

    /// Where the snapshot of a commit belongs.
    pub(super) fn snapshot_of(&self, commit: &str) -> PathBuf {
        self.repository.pointer_path(commit)
    }

    /// Whether an earlier run, or Python, learnt that a commit has no such file.
    pub(super) fn is_absent(&self, commit: &str, file: &str) -> bool {
        self.mark_of_absence(commit, file).exists()
    }

    /// Remembers that a commit has no such file.
    pub(super) fn mark_absent(&self, commit: &str, file: &str) -> io::Result<()> {
        let mark = self.mark_of_absence(commit, file);
        if let Some(folder) = mark.parent() {
            std::fs::create_dir_all(folder)?;
        }
        File::create(mark).map(drop)
    }

    fn mark_of_absence(&self, commit: &str, file: &str) -> PathBuf {
        self.folder.join(".no_exist").join(commit).join(file)
    }

    /// Where the content of a file belongs.
    pub(super) fn blob(&self, etag: &str) -> PathBuf {
        self.folder.join("blobs").join(etag)
    }

    /// Lets the revision name this commit.
    pub(super) fn write_ref(&self, commit: &str) -> io::Result<()> {
        if self.revision == commit {
            Ok(())
        } else {
            self.repository.create_ref(commit)
        }
    }

    /// Puts a blob into a snapshot under the name of its file, `/` between the folders.
    pub(super) fn link(&self, commit: &str, file: &str, etag: &str) -> io::Result<()> {
        let pointer = self.snapshot_of(commit).join(file);
        if let Some(parent) = pointer.parent() {
            std::fs::create_dir_all(parent)?;
        }
        // Under a name of this process first: nobody ever finds a part of a file, or no file, under the final name.
        let name = pointer.file_name().unwrap_or_default().to_string_lossy();
        let unfinished = pointer.with_file_name(format!(".{name}.{}", std::process::id()));
        #[cfg(unix)]
        {
            // From the file's folder up to that of the model: `snapshots`, the commit, the folders of the file.
            let up = 2 + file.matches('/').count();
            let target: PathBuf = std::iter::repeat_n("..", up)
                .chain(["blobs", etag])
                .collect();
            if std::fs::read_link(&pointer).is_ok_and(|found| found == target) {
                return Ok(());
            }
            // A killed process of the same number may have left it.
            let _ = std::fs::remove_file(&unfinished);
            std::os::unix::fs::symlink(target, &unfinished)?;
        }
        // A link needs a privilege on Windows, which few users have.
        #[cfg(not(unix))]
        std::fs::copy(self.blob(etag), &unfinished)?;
        std::fs::rename(&unfinished, &pointer).inspect_err(|_| {
            let _ = std::fs::remove_file(&unfinished);
        })
    }

    /// Waits as long as another process writes this blob, which may take as long as a download. `tick` is called
    /// meanwhile and may end the wait.
    pub(super) fn lock(&self, etag: &str, tick: &dyn Fn() -> io::Result<()>) -> io::Result<File> {
        std::fs::create_dir_all(&self.locks)?;
        let path = self.locks.join(format!("{etag}.lock"));
        let file = File::options()
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)?;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::WouldBlock) => {
                    tick()?;
                    std::thread::sleep(Duration::from_millis(100));
                }
                Err(TryLockError::Error(error)) => return Err(error),
            }
        }
    }
}
