//! A model of the Hugging Face hub, in its cache or fetched into it.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::time::Duration;

use super::cache::{self, ModelCache};
use super::client::{Client, HubAddress};
use super::files::{PYTORCH, SAFETENSORS, holds_weights, is_wanted, missing_file};
use super::{DownloadProgress, HubOptions};
use crate::boxed_error::BoxedError;

/// How often the caller is asked whether to go on.
const TICK: Duration = Duration::from_millis(200);

/// Bytes that are read at a time.
const BUFFER: usize = 1 << 17;

/// A model's repository.
#[derive(Clone, Copy)]
pub(super) struct Repository<'a> {
    pub owner: &'a str,
    pub model: &'a str,
    /// The cache folder, where it is not the usual one.
    pub cache: Option<&'a Path>,
    /// The hub, where it is not the one of the environment.
    pub hub: Option<&'a HubAddress>,
}

impl Repository<'_> {
    /// The folder in the cache, if all of the model is there.
    pub(super) fn cached(&self, options: &HubOptions) -> Result<PathBuf, BoxedError> {
        match self.model_cache(options).snapshot()? {
            Some(folder) => complete(folder),
            None => Err(format!("{} does not have it", self.cache_folder().display()).into()),
        }
    }

    /// Downloads the model into the cache.
    pub(super) fn download(&self, options: &HubOptions) -> Result<PathBuf, BoxedError> {
        let address = self
            .hub
            .cloned()
            .unwrap_or_else(HubAddress::from_environment);
        let name = format!("{}/{}", self.owner, self.model);
        let (progress, received) = mpsc::channel();
        let stopped = Arc::new(AtomicBool::new(false));
        let transfer = Transfer {
            client: Client::new(address),
            name: name.clone(),
            cache: self.model_cache(options),
            progress,
            stopped: Arc::clone(&stopped),
        };
        // On its own thread: the caller can then break off even while the network is silent.
        let download = std::thread::spawn(move || transfer.run());
        let mut progress = DownloadProgress {
            label: name,
            ..DownloadProgress::default()
        };
        loop {
            match received.recv_timeout(TICK) {
                Ok((received, total)) => (progress.received, progress.total) = (received, total),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if let Err(interrupted) = options.report(&progress) {
                // The thread ends after the bytes that it waits for.
                stopped.store(true, Ordering::Relaxed);
                return Err(interrupted.into());
            }
        }
        let folder = download
            .join()
            .map_err(|_| "the download ended without an answer")??;
        complete(folder)
    }

    fn cache_folder(&self) -> PathBuf {
        self.cache
            .map_or_else(cache::folder_of_this_user, Path::to_owned)
    }

    fn model_cache(&self, options: &HubOptions) -> ModelCache {
        ModelCache::new(
            &self.cache_folder(),
            self.owner,
            self.model,
            options.revision.as_deref(),
        )
    }
}

fn complete(folder: PathBuf) -> Result<PathBuf, BoxedError> {
    match missing_file(&folder) {
        None => Ok(folder),
        Some(file) => Err(format!("{}: the model there lacks {file}", folder.display()).into()),
    }
}

/// A download, on its thread.
struct Transfer {
    client: Client,
    /// `owner/model`.
    name: String,
    cache: ModelCache,
    /// Bytes received and, where known, in all.
    progress: Sender<(u64, Option<u64>)>,
    /// The caller broke off.
    stopped: Arc<AtomicBool>,
}

impl Transfer {
    fn run(&self) -> Result<PathBuf, BoxedError> {
        let listing = self.client.list(&self.name, self.cache.revision())?;
        let folder = self.cache.snapshot_of(&listing.commit);
        for weights in [SAFETENSORS, PYTORCH] {
            let missing: Vec<_> = listing
                .files
                .iter()
                .filter(|file| is_wanted(&file.name, weights) && !folder.join(&file.name).exists())
                .collect();
            for file in &missing {
                file.check()?;
            }
            let mut total = missing.iter().map(|file| file.size).sum::<Option<u64>>();
            let mut received = 0;
            for file in missing {
                let size = self.fetch(&listing.commit, &file.name, &mut |bytes, size| {
                    // Without sizes in the listing, the weights are nearly all of it: a file at a time.
                    let (before, total) = match total {
                        Some(total) => (received, Some(total)),
                        None => (0, size),
                    };
                    // The waiting thread is gone if the caller broke off.
                    let _ = self.progress.send((before + bytes, total));
                })?;
                received += size;
                // A wrong size in the listing must not push the progress beyond its end.
                total = total.map(|total| total.max(received));
            }
            if holds_weights(&folder) {
                break;
            }
        }
        self.cache.write_ref(&listing.commit)?;
        Ok(folder)
    }

    /// Downloads a file into the cache and returns its size; `report` gets the bytes so far and in all.
    fn fetch(
        &self,
        commit: &str,
        file: &str,
        report: &mut dyn FnMut(u64, Option<u64>),
    ) -> Result<u64, BoxedError> {
        let mut download = self.client.open(&self.name, commit, file)?;
        let blob = self.cache.blob(&download.etag);
        if let Some(blobs) = blob.parent() {
            std::fs::create_dir_all(blobs)?;
        }
        let _lock = self.cache.lock(&download.etag, &|| self.check_stopped())?;
        // The same content may be there by another revision, or by a process that held the lock.
        let size = match std::fs::metadata(&blob) {
            Ok(found) => found.len(),
            Err(_) => {
                let partial = blob.with_file_name(format!("{}.incomplete", download.etag));
                let fetched = self.copy(&mut download.body, &partial, |bytes| {
                    report(bytes, download.size);
                });
                fetched
                    .and_then(|size| match download.size {
                        Some(expected) if expected != size => Err(io::Error::new(
                            io::ErrorKind::UnexpectedEof,
                            format!("{size} of {expected} bytes came"),
                        )),
                        _ => std::fs::rename(&partial, &blob).map(|()| size),
                    })
                    .inspect_err(|_| {
                        // Of no use: the next run begins with the first byte.
                        let _ = std::fs::remove_file(&partial);
                    })
                    .map_err(|error| format!("{file}: {error}"))?
            }
        };
        self.cache.link(commit, file, &download.etag)?;
        Ok(size)
    }

    fn copy(
        &self,
        from: &mut dyn Read,
        path: &Path,
        mut report: impl FnMut(u64),
    ) -> io::Result<u64> {
        let mut file = File::create(path)?;
        let mut buffer = vec![0; BUFFER];
        let mut size = 0;
        loop {
            self.check_stopped()?;
            let read = from.read(&mut buffer)?;
            if read == 0 {
                break;
            }
            file.write_all(&buffer[..read])?;
            size += read as u64;
            report(size);
        }
        file.sync_all()?;
        Ok(size)
    }

    fn check_stopped(&self) -> io::Result<()> {
        if self.stopped.load(Ordering::Relaxed) {
            Err(io::Error::other("the caller broke off"))
        } else {
            Ok(())
        }
    }
}
