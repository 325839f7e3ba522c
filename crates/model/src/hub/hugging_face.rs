//! The Hugging Face hub and its cache, by the `hf-hub` crate.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::time::Duration;

use hf_hub::progress::{DownloadEvent, ProgressEvent, ProgressHandler};
use hf_hub::{HFClient, HFClientSync, HFError};

use super::files::{PYTORCH, SAFETENSORS, holds_weights, missing_file, patterns};
use super::{DownloadProgress, HubOptions};
use crate::error::BoxedError;

/// How long a silent network is waited for before the next place is asked.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How often the caller is asked whether to go on.
const TICK: Duration = Duration::from_millis(200);

/// A model's repository.
#[derive(Clone, Copy)]
pub(super) struct Repository<'a> {
    pub owner: &'a str,
    pub model: &'a str,
    /// The cache folder, where it is not the usual one.
    pub cache: Option<&'a Path>,
}

impl Repository<'_> {
    /// The folder in the cache, if all of the model is there.
    pub(super) fn cached(&self, options: &HubOptions) -> Result<PathBuf, BoxedError> {
        let client = self.client()?;
        let cache = client.cache_dir().to_owned();
        let folder = HFClientSync::from_inner(client)?
            .model(self.owner, self.model)
            .snapshot_download()
            .maybe_revision(options.revision.clone())
            .local_files_only(true)
            .send()
            .map_err(|error| match error {
                HFError::LocalEntryNotFound { .. } => {
                    BoxedError::from(format!("{} does not have it", cache.display()))
                }
                error => error.into(),
            })?;
        complete(folder)
    }

    /// Downloads the model into the cache.
    pub(super) fn download(&self, options: &HubOptions) -> Result<PathBuf, BoxedError> {
        let client = HFClientSync::from_inner(self.client()?)?;
        let repository = client.model(self.owner, self.model);
        let revision = options.revision.clone();
        let (sender, receiver) = mpsc::channel();
        // On a thread of its own: the caller can then break off even while the network is silent.
        let download = std::thread::spawn(move || -> Result<PathBuf, HFError> {
            let fetch = |patterns: Vec<String>| {
                repository
                    .snapshot_download()
                    .maybe_revision(revision.clone())
                    .allow_patterns(patterns)
                    .progress(Reporter(sender.clone()))
                    .send()
            };
            let folder = fetch(patterns(SAFETENSORS))?;
            if holds_weights(&folder) {
                Ok(folder)
            } else {
                fetch(patterns(PYTORCH))
            }
        });
        let mut progress = DownloadProgress {
            label: format!("{}/{}", self.owner, self.model),
            ..DownloadProgress::default()
        };
        loop {
            match receiver.recv_timeout(TICK) {
                Ok((received, total)) => (progress.received, progress.total) = (received, total),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            options.report(&progress)?;
        }
        let folder = download
            .join()
            .map_err(|_| "the download ended without an answer")??;
        complete(folder)
    }

    fn client(&self) -> Result<HFClient, BoxedError> {
        let network = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .user_agent(concat!("mpnet-burn/", env!("CARGO_PKG_VERSION")))
            .build()?;
        let mut builder = HFClient::builder()
            .client(network)
            .retry_max_attempts(2)
            .retry_base_delay(Duration::from_millis(300));
        if let Some(cache) = self.cache {
            builder = builder.cache_dir(cache);
        }
        Ok(builder.build()?)
    }
}

fn complete(folder: PathBuf) -> Result<PathBuf, BoxedError> {
    match missing_file(&folder) {
        None => Ok(folder),
        Some(file) => Err(format!("{}: the model there lacks {file}", folder.display()).into()),
    }
}

/// Sends bytes received and bytes in all to the thread that waits.
struct Reporter(Sender<(u64, Option<u64>)>);

impl ProgressHandler for Reporter {
    fn on_progress(&self, event: &ProgressEvent) {
        let ProgressEvent::Download(event) = event else {
            return;
        };
        let numbers = match event {
            DownloadEvent::AggregateProgress {
                bytes_completed,
                total_bytes,
                ..
            } => Some((*bytes_completed, *total_bytes)),
            // The weights are nearly all of it: a file at a time, the largest that moves.
            DownloadEvent::Progress { files } => files
                .iter()
                .map(|file| (file.bytes_completed, file.total_bytes))
                .max_by_key(|(_, total)| *total),
            _ => None,
        };
        if let Some((received, total)) = numbers {
            // The waiting thread has gone when the caller broke off.
            let _ = self.0.send((received, (total > 0).then_some(total)));
        }
    }
}
