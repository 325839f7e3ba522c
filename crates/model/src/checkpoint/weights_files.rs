//! The files of the weights: one of safetensors or of torch.save, or the shards that an index lists.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read;
use std::path::{Component, Path, PathBuf};
use std::rc::Rc;

use serde::Deserialize;

use super::stored_values::StoredValues;
use super::{pytorch_file, safetensors_file};
use crate::boxed_error::BoxedError;
use crate::error::{ModelError, Result};
use crate::file::{is_git_lfs_pointer, read_json};

pub(super) const SAFETENSORS_FILE: &str = "model.safetensors";
const SAFETENSORS_INDEX: &str = "model.safetensors.index.json";
const PYTORCH_FILE: &str = "pytorch_model.bin";
const PYTORCH_INDEX: &str = "pytorch_model.bin.index.json";

/// In the order in which `transformers` looks for them.
pub(crate) const NAMES: [&str; 4] = [
    SAFETENSORS_FILE,
    SAFETENSORS_INDEX,
    PYTORCH_FILE,
    PYTORCH_INDEX,
];

/// A tensor and the file that it is in.
#[derive(Clone)]
pub(crate) struct FoundTensor {
    pub(crate) path: Rc<Path>,
    pub(crate) values: StoredValues,
}

/// The weights file of a folder, or the index of its shards.
pub(crate) fn find(folder: &Path) -> Result<PathBuf> {
    NAMES
        .map(|name| folder.join(name))
        .into_iter()
        .find(|path| path.is_file())
        .ok_or_else(|| ModelError::NoWeights {
            folder: folder.to_owned(),
        })
}

/// Whether a file of [`NAMES`] is the index of shards.
pub(crate) fn is_index(path: &Path) -> bool {
    path.extension()
        .is_some_and(|extension| extension == "json")
}

/// The shards that an index names, all in its folder.
pub(crate) fn shards(index_path: &Path) -> Result<BTreeSet<String>> {
    let index: Index = read_json(index_path)?;
    for shard in index.weight_map.values() {
        check_shard(index_path, shard)?;
    }
    Ok(index.weight_map.into_values().collect())
}

/// The tensors of a weights file or of all shards of an index, by name.
pub(crate) fn open(path: &Path) -> Result<BTreeMap<String, FoundTensor>> {
    if is_index(path) {
        return open_shards(path);
    }
    let file: Rc<Path> = path.into();
    let found = |(name, values)| {
        let path = Rc::clone(&file);
        (name, FoundTensor { path, values })
    };
    Ok(open_file(path)?.into_iter().map(found).collect())
}

fn open_file(path: &Path) -> Result<BTreeMap<String, StoredValues>> {
    let mut start = Vec::new();
    File::open(path)
        .and_then(|file| file.take(64).read_to_end(&mut start))
        .map_err(|source| ModelError::io(path, source))?;
    if is_git_lfs_pointer(&start) {
        return Err(ModelError::GitLfsPointer {
            path: path.to_owned(),
        });
    }
    let is_safetensors = path
        .extension()
        .is_some_and(|extension| extension == "safetensors");
    let tensors = if is_safetensors {
        safetensors_file::open(path)
    } else {
        pytorch_file::open(path)
    };
    tensors.map_err(|source: BoxedError| ModelError::Weights {
        path: path.to_owned(),
        source,
    })
}

/// The index of a model in several files.
#[derive(Deserialize)]
struct Index {
    /// The file of every tensor.
    weight_map: BTreeMap<String, String>,
}

fn open_shards(index_path: &Path) -> Result<BTreeMap<String, FoundTensor>> {
    let index: Index = read_json(index_path)?;
    let shards: BTreeSet<&String> = index.weight_map.values().collect();
    let mut tensors = BTreeMap::new();
    for shard in shards {
        let path: Rc<Path> = shard_path(index_path, shard)?.into();
        for (name, values) in open_file(&path)? {
            let listed = index.weight_map.get(&name);
            if listed != Some(shard) {
                return Err(ModelError::WrongShard {
                    path: path.to_path_buf(),
                    listed: listed.cloned(),
                    tensor: name,
                    index: index_path.to_owned(),
                });
            }
            let path = Rc::clone(&path);
            tensors.insert(name, FoundTensor { path, values });
        }
    }
    let missing = index
        .weight_map
        .iter()
        .find(|(name, _)| !tensors.contains_key(*name));
    match missing {
        None => Ok(tensors),
        Some((name, shard)) => Err(ModelError::MissingTensor {
            path: shard_path(index_path, shard)?,
            tensor: name.clone(),
        }),
    }
}

/// A shard must lie in the folder of its index.
fn check_shard(index: &Path, shard: &str) -> Result<()> {
    let mut parts = Path::new(shard).components().peekable();
    if parts.peek().is_none() || !parts.all(|part| matches!(part, Component::Normal(_))) {
        return Err(ModelError::Field {
            path: index.to_owned(),
            field: "weight_map",
            reason: format!("{shard:?} leads out of the model folder"),
        });
    }
    Ok(())
}

/// The path of a shard that is there.
fn shard_path(index: &Path, shard: &str) -> Result<PathBuf> {
    check_shard(index, shard)?;
    let path = index.with_file_name(shard);
    if path.is_file() {
        return Ok(path);
    }
    Err(ModelError::MissingShard {
        path,
        index: index.to_owned(),
    })
}
