//! Which files of a repository make a model.

use std::path::Path;

use serde::Deserialize;

/// The weights that are preferred, and those that older repositories have.
pub(super) const SAFETENSORS: &str = "model.safetensors";
pub(super) const PYTORCH: &str = "pytorch_model.bin";

/// Patterns of everything but the weights: the other formats of a repository are large and not for
/// us.
pub(super) const SMALL_FILES: &[&str] = &[
    "README.md",
    "config.json",
    "config_sentence_transformers.json",
    "modules.json",
    "sentence_bert_config.json",
    "special_tokens_map.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.txt",
    // The folders of the modules: `1_Pooling`, `2_Normalize`, …
    "[0-9]_*/config.json",
];

/// The first file that a folder lacks to be a model.
pub(super) fn missing_file(folder: &Path) -> Option<String> {
    #[derive(Deserialize)]
    struct Module {
        path: String,
        #[serde(rename = "type")]
        kind: String,
    }
    let lacks = |name: &str| !folder.join(name).is_file();
    for name in ["config.json", "tokenizer.json"] {
        if lacks(name) {
            return Some(name.to_owned());
        }
    }
    // What cannot be parsed is reported when the model is loaded.
    let modules: Vec<Module> = std::fs::read(folder.join("modules.json"))
        .ok()
        .and_then(|bytes| serde_json::from_slice(&bytes).ok())
        .unwrap_or_default();
    // A Normalize module has no file, and git keeps no empty folder.
    let pooling = modules
        .into_iter()
        .find(|module| module.kind.ends_with("Pooling"));
    if let Some(pooling) = pooling {
        let name = format!("{}/config.json", pooling.path);
        if lacks(&name) {
            return Some(name);
        }
    }
    (lacks(SAFETENSORS) && lacks(PYTORCH)).then(|| SAFETENSORS.to_owned())
}
