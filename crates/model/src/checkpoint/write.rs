//! Writing a model folder that old and new sentence-transformers, and the tools built on them,
//! open.

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::Path;

use burn::tensor::{DType, TensorData};
use safetensors::{Dtype, View};
use serde_json::{Map, Value, json};

use super::Checkpoint;
use super::modules::{MODULES_FILE, POOLING_FILE, POOLING_FOLDER};
use super::sentence::SENTENCE_FILE;
use super::settings::SENTENCE_TRANSFORMERS_FILE;
use super::weights_files::{NAMES, SAFETENSORS_FILE};
use super::{write_pair, write_tags};
use crate::architecture::CONFIG_FILE;
use crate::error::{ModelError, Result};
use crate::file::{read_optional_json, sync, sync_folder, write_json};
use crate::modules::pooling::PoolingMode;
use crate::tokenizer::{TOKENIZER_CONFIG_FILE, TOKENIZER_FILE};

/// Optional files of the encoder's folder that are copied unchanged.
const CARRIED: [&str; 3] = [TOKENIZER_FILE, "special_tokens_map.json", "vocab.txt"];

/// The weights to write.
pub(super) struct Contents {
    /// By name, in float32, half precision or int8.
    pub(super) tensors: Vec<(String, TensorData)>,
    /// The entry of `config.json` about quantized tensors.
    pub(super) quantization: Option<Value>,
}

/// Writes a model folder. `contents` is called after the temporary folder was created.
pub(super) fn write(
    checkpoint: &Checkpoint,
    contents: impl FnOnce() -> Result<Contents>,
    folder: &Path,
) -> Result<()> {
    write_folder(folder, |new| write_files(checkpoint, contents()?, new))
}

/// Lets `fill` write to a temporary folder, syncs it and renames it, so that `folder` is never incomplete.
pub(crate) fn write_folder(folder: &Path, fill: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let exists = folder
        .read_dir()
        .is_ok_and(|mut entries| entries.next().is_some())
        || folder.is_file();
    if exists && !folder.join(MODULES_FILE).is_file() {
        return Err(ModelError::FolderInUse {
            path: folder.to_owned(),
        });
    }
    let parent = match folder.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    std::fs::create_dir_all(parent).map_err(|source| ModelError::io(parent, source))?;
    let new = as_open_as_others(tempfile::Builder::new().prefix(".model-"))
        .tempdir_in(parent)
        .map_err(|source| ModelError::io(parent, source))?;
    fill(new.path())?;
    sync_folder(new.path())?;

    if exists {
        replace(folder, parent, new.path(), |from, to| {
            std::fs::rename(from, to)
        })?;
    } else {
        std::fs::rename(new.path(), folder).map_err(|source| ModelError::io(folder, source))?;
    }
    // Renamed: no temporary folder is left to remove.
    let _ = new.keep();
    sync(parent)
}

/// A folder cannot be renamed over one with content: moves the old one away, and back if the new one
/// cannot take its place.
fn replace(
    folder: &Path,
    parent: &Path,
    new: &Path,
    mut rename: impl FnMut(&Path, &Path) -> std::io::Result<()>,
) -> Result<()> {
    let failed = |source| ModelError::io(folder, source);
    let aside = tempfile::Builder::new()
        .prefix(".model-old-")
        .tempdir_in(parent)
        .map_err(failed)?;
    let old = aside.path().join("model");
    rename(folder, &old).map_err(failed)?;
    let Err(source) = rename(new, folder) else {
        return Ok(());
    };
    if rename(&old, folder).is_ok() {
        return Err(failed(source));
    }
    // The only copy: it must outlive the temporary folder.
    let kept = aside.keep().join("model");
    Err(ModelError::NotPutBack {
        path: folder.to_owned(),
        kept,
        source,
    })
}

fn write_files(checkpoint: &Checkpoint, contents: Contents, folder: &Path) -> Result<()> {
    let carried = CARRIED
        .map(|name| (checkpoint.transformer_folder.as_path(), name))
        .into_iter()
        // The settings of a plain transformer are not read, so they are not kept either.
        .chain(
            (!checkpoint.plain && checkpoint.tags.is_none())
                .then_some((checkpoint.folder.as_path(), SENTENCE_TRANSFORMERS_FILE)),
        );
    for (source_folder, name) in carried {
        let from = source_folder.join(name);
        if from.is_file() {
            std::fs::copy(&from, folder.join(name))
                .map_err(|source| ModelError::io(&from, source))?;
        }
    }
    write_prompts(checkpoint, &folder.join(SENTENCE_TRANSFORMERS_FILE))?;
    // Newer versions read the maximum length from this file.
    let mut tokenizer: Map<String, Value> =
        read_optional_json(&checkpoint.transformer_folder.join(TOKENIZER_CONFIG_FILE))?
            .unwrap_or_default();
    tokenizer.insert(
        "model_max_length".to_owned(),
        checkpoint.max_seq_length.into(),
    );
    checkpoint.tokenizer_overrides.write(&mut tokenizer);
    write_json(&folder.join(TOKENIZER_CONFIG_FILE), &tokenizer)?;
    if let Some(pair) = &checkpoint.pair {
        write_pair::write_settings(checkpoint, pair, folder)?;
        return write_weights(folder, joined(contents.tensors), CONFIG_FILE);
    }
    if let Some(tags) = &checkpoint.tags {
        write_tags::write_settings(checkpoint, tags, folder)?;
        return write_weights(folder, joined(contents.tensors), CONFIG_FILE);
    }
    // Older versions read it from this file.
    let sentence = json!({ "max_seq_length": checkpoint.max_seq_length, "do_lower_case": checkpoint.lowercase });
    write_json(&folder.join(SENTENCE_FILE), &sentence)?;

    let mut config = checkpoint.config.json.clone();
    if let Some(quantization) = contents.quantization {
        config.insert("quantization_config".to_owned(), quantization);
    }
    write_json(&folder.join(CONFIG_FILE), &config)?;
    write_json(&folder.join(MODULES_FILE), &modules(checkpoint))?;
    for (module, name) in checkpoint.modules.iter().zip(module_folders(checkpoint)) {
        copy_module(&module.folder, &folder.join(name))?;
    }
    let pooling_folder = folder.join(POOLING_FOLDER);
    std::fs::create_dir(&pooling_folder)
        .map_err(|source| ModelError::io(&pooling_folder, source))?;
    write_json(&pooling_folder.join(POOLING_FILE), &pooling(checkpoint))?;
    if checkpoint.normalize {
        // Older versions expect the folder of every module to exist.
        let normalize_folder = folder.join(normalize_folder(checkpoint));
        std::fs::create_dir(&normalize_folder)
            .map_err(|source| ModelError::io(&normalize_folder, source))?;
    }
    write_weights(folder, joined(contents.tensors), CONFIG_FILE)
}

/// Writes the prompts that were changed into the settings that were copied.
fn write_prompts(checkpoint: &Checkpoint, path: &Path) -> Result<()> {
    if checkpoint.changed_prompts.is_empty() {
        return Ok(());
    }
    let mut settings: Map<String, Value> = read_optional_json(path)?.unwrap_or_default();
    let mut prompts = match settings.remove("prompts") {
        Some(Value::Object(prompts)) => prompts,
        _ => Map::new(),
    };
    for name in &checkpoint.changed_prompts {
        let text = checkpoint.prompts.get(name).unwrap_or_default();
        prompts.insert(name.clone(), text.into());
    }
    settings.insert("prompts".to_owned(), prompts.into());
    write_json(path, &settings)
}

/// Writes `model.safetensors`, which everybody may read who may read the file `like` of the folder.
pub(crate) fn write_weights(
    folder: &Path,
    tensors: Vec<(String, TensorData)>,
    like: &str,
) -> Result<()> {
    let weights = folder.join(SAFETENSORS_FILE);
    let tensors = tensors.into_iter().map(|(name, data)| (name, Stored(data)));
    // transformers refuses a file without this mark.
    let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    safetensors::serialize_to_file(tensors, Some(metadata), &weights).map_err(|error| {
        ModelError::Weights {
            path: weights.clone(),
            source: Box::new(error),
        }
    })?;
    // It comes from a private temporary file.
    std::fs::metadata(folder.join(like))
        .and_then(|like| std::fs::set_permissions(&weights, like.permissions()))
        .map_err(|source| ModelError::io(&weights, source))
}

/// Parts of a tensor, which have its name and come in order, as one.
fn joined(parts: Vec<(String, TensorData)>) -> Vec<(String, TensorData)> {
    let mut tensors: Vec<(String, TensorData)> = Vec::new();
    for (name, part) in parts {
        match tensors.iter_mut().find(|(known, _)| *known == name) {
            None => tensors.push((name, part)),
            Some((_, whole)) => {
                let mut shape = whole.shape.to_vec();
                if let (Some(rows), Some(added)) = (shape.first_mut(), part.shape.first()) {
                    *rows += added;
                }
                let bytes = [whole.as_bytes(), part.as_bytes()].concat();
                *whole = TensorData::from_bytes_vec(bytes, shape, whole.dtype);
            }
        }
    }
    tensors
}

/// The type names that every version of sentence-transformers accepts.
fn modules(checkpoint: &Checkpoint) -> Value {
    let module = |index: usize, path: &str, class: &str| json!({ "idx": index, "name": index.to_string(), "path": path, "type": format!("sentence_transformers.models.{class}") });
    let mut modules = vec![
        module(0, "", "Transformer"),
        module(1, POOLING_FOLDER, "Pooling"),
    ];
    for (settings, folder) in checkpoint.modules.iter().zip(module_folders(checkpoint)) {
        modules.push(module(modules.len(), &folder, settings.class()));
    }
    if checkpoint.normalize {
        let folder = normalize_folder(checkpoint);
        modules.push(module(modules.len(), &folder, "Normalize"));
    }
    Value::Array(modules)
}

/// Folders of the modules between pooling and normalisation.
fn module_folders(checkpoint: &Checkpoint) -> impl Iterator<Item = String> {
    let modules = checkpoint.modules.iter().enumerate();
    modules.map(|(index, module)| format!("{}_{}", index + 2, module.class()))
}

fn normalize_folder(checkpoint: &Checkpoint) -> String {
    format!("{}_Normalize", checkpoint.modules.len() + 2)
}

/// Copies the files of a module, which no training changes.
fn copy_module(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir(to).map_err(|source| ModelError::io(to, source))?;
    // Only the settings and weights of sentence-transformers: not what else may lie there.
    for name in [POOLING_FILE].into_iter().chain(NAMES) {
        let file = from.join(name);
        if file.is_file() {
            std::fs::copy(&file, to.join(name)).map_err(|source| ModelError::io(&file, source))?;
        }
    }
    Ok(())
}

fn pooling(checkpoint: &Checkpoint) -> Value {
    let mut config = Map::new();
    if !checkpoint.include_prompt {
        // Versions before 2.4 do not know this field, and its default is true.
        config.insert("include_prompt".to_owned(), false.into());
    }
    let flagged = PoolingMode::ALL
        .into_iter()
        .filter(|mode| checkpoint.pooling.contains(mode));
    if !flagged.eq(checkpoint.pooling.iter().copied()) {
        // Flags have no order: only newer versions can express this.
        config.insert(
            "embedding_dimension".to_owned(),
            checkpoint.config.hidden_size.into(),
        );
        let names = checkpoint
            .pooling
            .iter()
            .map(|mode| Value::from(mode.name()));
        config.insert("pooling_mode".to_owned(), names.collect());
        return Value::Object(config);
    }
    config.insert(
        "word_embedding_dimension".to_owned(),
        checkpoint.config.hidden_size.into(),
    );
    for mode in PoolingMode::ALL {
        config.insert(
            mode.flag().to_owned(),
            checkpoint.pooling.contains(&mode).into(),
        );
    }
    Value::Object(config)
}

/// Temporary folders are private; a model folder has the permissions of the user's other folders (by the
/// umask).
#[cfg(unix)]
fn as_open_as_others<'a, 'b>(
    builder: &'a mut tempfile::Builder<'b, 'b>,
) -> &'a mut tempfile::Builder<'b, 'b> {
    use std::os::unix::fs::PermissionsExt;
    builder.permissions(std::fs::Permissions::from_mode(0o777))
}

#[cfg(not(unix))]
fn as_open_as_others<'a, 'b>(
    builder: &'a mut tempfile::Builder<'b, 'b>,
) -> &'a mut tempfile::Builder<'b, 'b> {
    builder
}

/// A tensor as safetensors writes it.
struct Stored(TensorData);

impl View for Stored {
    fn dtype(&self) -> Dtype {
        match self.0.dtype {
            DType::I8 => Dtype::I8,
            DType::F16 => Dtype::F16,
            DType::BF16 => Dtype::BF16,
            _ => Dtype::F32,
        }
    }

    fn shape(&self) -> &[usize] {
        &self.0.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(self.0.as_bytes())
    }

    fn data_len(&self) -> usize {
        self.0.as_bytes().len()
    }
}

#[cfg(test)]
mod tests;
