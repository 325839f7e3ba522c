//! A model of the Hugging Face hub, in its cache or fetched into it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use super::address::HubAddress;
use super::cache::{self, ModelCache, Snapshot};
use super::client::Client;
use super::download::ModelDownload;
use super::files::{self, Incomplete, decisive, encoders_of};
use super::transfer::Transfer;
use super::{DownloadProgress, HubOptions};
use crate::boxed_error::BoxedError;

/// How often the caller is asked whether to go on.
const TICK: Duration = Duration::from_millis(200);

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

/// A model in the cache.
#[derive(Debug)]
pub(super) struct Cached {
    pub folder: PathBuf,
    /// Files that change vectors, and that the model may have: nobody has asked.
    pub unsettled: Vec<String>,
}

impl Repository<'_> {
    /// The folder in the cache, if all of the model is there.
    pub(super) fn cached(&self, options: &HubOptions) -> Result<Cached, BoxedError> {
        let cache = self.model_cache(options);
        let Some(snapshot) = cache.snapshot()? else {
            return Err(format!("{} does not have it", self.cache_folder().display()).into());
        };
        check(&cache, &snapshot, options)?;
        let Snapshot { commit, folder } = snapshot;
        let mut unsettled = decisive(&encoders_of(&folder));
        unsettled.retain(|file| !folder.join(file).is_file() && !cache.is_absent(&commit, file));
        Ok(Cached { folder, unsettled })
    }

    /// Downloads what the cache lacks of the model.
    pub(super) fn download(&self, options: &HubOptions) -> Result<PathBuf, BoxedError> {
        let address = self
            .hub
            .cloned()
            .unwrap_or_else(HubAddress::from_environment);
        let name = format!("{}/{}", self.owner, self.model);
        let (progress, received) = mpsc::channel();
        let stopped = Arc::new(AtomicBool::new(false));
        let download = ModelDownload {
            transfer: Transfer {
                client: Client::new(address, Arc::clone(&stopped)),
                name: name.clone(),
                cache: self.model_cache(options),
                stopped: Arc::clone(&stopped),
            },
            progress,
        };
        // On its own thread: the caller can then break off even while the network is silent.
        let download = std::thread::spawn(move || download.run());
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
        let cache = self.model_cache(options);
        if let Some(snapshot) = cache.snapshot()? {
            check(&cache, &snapshot, options)?;
        }
        Ok(folder)
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

fn check(cache: &ModelCache, snapshot: &Snapshot, options: &HubOptions) -> Result<(), Incomplete> {
    // Without `modules.json` the vectors of an encoder may be wrong; a reranker pools nothing.
    files::check(&snapshot.folder, |file| {
        options.reranker || cache.is_absent(&snapshot.commit, file)
    })
}
