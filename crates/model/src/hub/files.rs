//! The files of a repository that belong to a model.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::damage::{Damaged, check_whole};
use crate::checkpoint::modules::{self, MODULES_FILE, POOLING_FILE, Stack};
use crate::checkpoint::sentence::OLD_SENTENCE_FILES;
use crate::checkpoint::weights_files;
use crate::error::{ModelError, Result};

/// All files except the weights. Other formats in a repository are large and not needed.
const SMALL_FILES: &[&str] = &[
    "README.md",
    "config.json",
    "config_sentence_transformers.json",
    "modules.json",
    "sentence_bert_config.json",
    "special_tokens_map.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.txt",
];

/// Files without which vectors are others, though nothing fails; of the model, and of its encoder.
const DECISIVE_OF_MODEL: [&str; 2] = [MODULES_FILE, "config_sentence_transformers.json"];
const DECISIVE_OF_ENCODER: [&str; 3] = [
    "sentence_bert_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
];

/// Whether a file of a repository is wanted whatever its weights are: at the top, or in the folder of a
/// module.
pub(super) fn is_small(file: &str) -> bool {
    let is_small = |name| SMALL_FILES.contains(&name) || OLD_SENTENCE_FILES.contains(&name);
    match file.split_once('/') {
        None => is_small(file),
        Some((folder, name)) => is_module(folder) && is_small(name),
    }
}

/// The folder of a module: `0_Transformer` in older models, `1_Pooling`, `2_Normalize`, …
fn is_module(folder: &str) -> bool {
    folder
        .split_once('_')
        .is_some_and(|(index, _)| !index.is_empty() && index.bytes().all(|c| c.is_ascii_digit()))
}

/// The encoder's folder from the top of a model: `""` in most, or for example `"0_Transformer/"`.
pub(super) fn encoder_of(folder: &Path) -> String {
    let encoder = modules::read(folder).ok().and_then(|stack| {
        let inside = stack.transformer_folder.strip_prefix(folder).ok()?;
        let parts: Vec<_> = inside
            .iter()
            .filter_map(|part| part.to_str())
            .filter(|part| *part != ".")
            .collect();
        (!parts.is_empty()).then(|| parts.join("/") + "/")
    });
    // An unreadable file is reported when the model is loaded.
    encoder.unwrap_or_default()
}

/// The folders of other modules with weights, from the top of a model, as [`encoder_of`].
pub(super) fn weighted_of(folder: &Path) -> Vec<String> {
    let Ok(stack) = modules::read(folder) else {
        return Vec::new();
    };
    let names = stack.weighted_folders().filter_map(|module| {
        let inside = module.strip_prefix(folder).ok()?.to_str()?;
        Some(format!("{inside}/"))
    });
    names.collect()
}

/// The files, by their names in a repository, that settle how vectors are computed: there, or known to be
/// nowhere.
pub(super) fn decisive(encoder: &str) -> Vec<String> {
    let of_model = DECISIVE_OF_MODEL.iter().map(|name| (*name).to_owned());
    let of_encoder = DECISIVE_OF_ENCODER
        .iter()
        .map(|name| format!("{encoder}{name}"));
    of_model.chain(of_encoder).collect()
}

/// Why a folder is not the whole model.
#[derive(Debug, thiserror::Error)]
pub(super) enum Incomplete {
    /// A file that every model of this kind has.
    #[error("{}: the model there lacks {file}", folder.display())]
    Lacks { folder: PathBuf, file: String },
    /// Programs that load only the encoder leave such a folder.
    #[error(
        "{}: it has no {MODULES_FILE}, and whether the model has one is not known; without it the \
         pooling may be wrong",
        folder.display()
    )]
    Unknown { folder: PathBuf },
    #[error(transparent)]
    Damaged(#[from] Damaged),
}

/// The weights that would be loaded: one file, or an index and all that it names.
pub(super) fn weights(encoder: &Path) -> Result<Vec<PathBuf>> {
    let found = weights_files::find(encoder)?;
    let mut files = Vec::new();
    if weights_files::is_index(&found) {
        let shards = weights_files::shards(&found)?;
        files.extend(shards.iter().map(|shard| encoder.join(shard)));
    }
    files.push(found);
    Ok(files)
}

/// Checks that a snapshot is the whole model, as far as it shows. `is_absent` tells which files its
/// repository is known not to have.
pub(super) fn check(
    folder: &Path,
    is_absent: impl Fn(&str) -> bool,
) -> std::result::Result<(), Incomplete> {
    let modules_file = folder.join(MODULES_FILE);
    check_whole(&modules_file)?;
    if !modules_file.is_file() && !is_absent(MODULES_FILE) {
        return Err(Incomplete::Unknown {
            folder: folder.to_owned(),
        });
    }
    // Modules that are not supported are reported when the model is loaded.
    let Ok(stack) = modules::read(folder) else {
        return Ok(());
    };
    let needed = needed(&stack);
    if let Some(path) = needed.iter().find(|path| !path.is_file()) {
        let file = path.strip_prefix(folder).unwrap_or(path);
        return Err(Incomplete::Lacks {
            folder: folder.to_owned(),
            file: file.display().to_string(),
        });
    }
    let small = SMALL_FILES
        .iter()
        .flat_map(|name| [folder.join(name), stack.transformer_folder.join(name)]);
    let all: BTreeSet<PathBuf> = needed.into_iter().chain(small).collect();
    all.iter().try_for_each(|path| check_whole(path))?;
    Ok(())
}

fn needed(stack: &Stack) -> Vec<PathBuf> {
    let encoder = &stack.transformer_folder;
    let tokenizer = ["tokenizer.json", "vocab.txt"].map(|name| encoder.join(name));
    let tokenizer = match tokenizer {
        [json, vocabulary] if !json.is_file() && vocabulary.is_file() => vocabulary,
        [json, _] => json,
    };
    let mut needed = vec![encoder.join("config.json"), tokenizer];
    // A Normalize module has no file, and git keeps no empty folder.
    needed.extend(
        stack
            .pooling_folder
            .as_ref()
            .map(|pooling| pooling.join(POOLING_FILE)),
    );
    needed.extend(
        stack
            .weighted_folders()
            .map(|folder| folder.join("config.json")),
    );
    for folder in std::iter::once(encoder.as_path()).chain(stack.weighted_folders()) {
        needed.extend(match weights(folder) {
            Ok(weights) => weights,
            Err(ModelError::NoWeights { folder }) => vec![folder.join(weights_files::NAMES[0])],
            // An index that cannot be read is reported when the model is loaded.
            Err(_) => Vec::new(),
        });
    }
    needed
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A model with modules after the pooling is whole only with the weights of these.
    #[test]
    fn weights_of_every_module_belong_to_a_model() {
        let fixture = Path::new("tests/fixtures/architectures/xlm-roberta");
        assert_eq!(weighted_of(fixture), ["2_Dense/", "3_LayerNorm/"]);
        let copy = tempfile::tempdir().unwrap();
        let folder = copy.path();
        for file in [
            "modules.json",
            "config.json",
            "tokenizer.json",
            "model.safetensors",
            "1_Pooling/config.json",
            "2_Dense/config.json",
            "2_Dense/model.safetensors",
            "3_LayerNorm/config.json",
        ] {
            let to = folder.join(file);
            std::fs::create_dir_all(to.parent().unwrap()).unwrap();
            std::fs::copy(fixture.join(file), to).unwrap();
        }
        let error = check(folder, |_| true).unwrap_err().to_string();
        assert!(
            error.contains("lacks 3_LayerNorm/model.safetensors"),
            "{error}"
        );
        let last = "3_LayerNorm/model.safetensors";
        std::fs::copy(fixture.join(last), folder.join(last)).unwrap();
        check(folder, |_| true).unwrap();
    }
}
