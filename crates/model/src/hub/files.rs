//! The files of a repository that belong to a model.

use std::path::Path;

use crate::checkpoint::modules::{self, POOLING_FILE, Stack};

/// The preferred weights, and those of older repositories.
pub(super) const SAFETENSORS: &str = "model.safetensors";
pub(super) const PYTORCH: &str = "pytorch_model.bin";

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

/// Whether to download a file of a repository: these weights and the small files, at the top or in
/// the folder of a module.
pub(super) fn is_wanted(file: &str, weights: &str) -> bool {
    let is_named = |name| name == weights || SMALL_FILES.contains(&name);
    match file.split_once('/') {
        None => is_named(file),
        Some((folder, name)) => is_module(folder) && is_named(name),
    }
}

/// The folder of a module: `0_Transformer` in older models, `1_Pooling`, `2_Normalize`, …
fn is_module(folder: &str) -> bool {
    let mut characters = folder.chars();
    characters
        .next()
        .is_some_and(|first| first.is_ascii_digit())
        && characters.next() == Some('_')
}

/// Whether the encoder's folder has weights; true if `modules.json` cannot be read, because other weights
/// would not help.
pub(super) fn holds_weights(folder: &Path) -> bool {
    modules::read(folder).map_or(true, |stack| has_weights(&stack))
}

fn has_weights(stack: &Stack) -> bool {
    [SAFETENSORS, PYTORCH]
        .iter()
        .any(|name| stack.transformer_folder.join(name).is_file())
}

/// The first missing file of a model folder.
pub(super) fn missing_file(folder: &Path) -> Option<String> {
    // An unreadable file is reported when the model is loaded.
    let stack = modules::read(folder).ok()?;
    let mut needed: Vec<_> = ["config.json", "tokenizer.json"]
        .map(|name| stack.transformer_folder.join(name))
        .into();
    // A Normalize module has no file, and git keeps no empty folder.
    needed.extend(
        stack
            .pooling_folder
            .as_ref()
            .map(|pooling| pooling.join(POOLING_FILE)),
    );
    let missing = needed
        .into_iter()
        .find(|path| !path.is_file())
        .or_else(|| (!has_weights(&stack)).then(|| stack.transformer_folder.join(SAFETENSORS)))?;
    let name = missing.strip_prefix(folder).unwrap_or(&missing);
    Some(name.display().to_string())
}
