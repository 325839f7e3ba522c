//! The folders of a model's modules, for a program that fetches or checks them.

use std::path::{Path, PathBuf};

use super::router;
use crate::error::Result;

/// What a program that fetches or checks a model finds in the folder of a module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// An encoder: settings, tokenizer and weights.
    Encoder,
    /// The table of a static model: tokenizer and weights.
    Table,
    /// Settings alone.
    Pooling,
    /// Settings and weights.
    Weighted,
}

/// The folders of the modules of a model that have files, those of every route that a text can take among them. A
/// folder without `modules.json` holds an encoder.
///
/// # Errors
///
/// As [`router::read`].
pub(crate) fn folders(folder: &Path) -> Result<Vec<(Role, PathBuf)>> {
    let mut folders = Vec::new();
    for (_, list) in router::read(folder)?.all() {
        let Some(list) = list else {
            return Ok(vec![(Role::Encoder, folder.to_owned())]);
        };
        for module in &list.modules {
            let role = match module.class() {
                "Transformer" => Role::Encoder,
                "StaticEmbedding" => Role::Table,
                "Pooling" => Role::Pooling,
                "Dense" | "LayerNorm" => Role::Weighted,
                // Without files, or refused when the model is loaded.
                _ => continue,
            };
            let found = (role, list.subfolder(module)?);
            if !folders.contains(&found) {
                folders.push(found);
            }
        }
    }
    Ok(folders)
}
