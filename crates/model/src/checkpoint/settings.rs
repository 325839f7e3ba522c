//! `config_sentence_transformers.json`: prompts, similarity and dimensions of a model.

use std::collections::BTreeMap;
use std::path::Path;

use search::Similarity;
use serde::Deserialize;
use serde_json::Number;

use crate::error::{ModelError, Result};
use crate::file::read_optional_json;
use crate::prompt::Prompts;

/// File of these settings at the top of the model folder.
pub(crate) const SENTENCE_TRANSFORMERS_FILE: &str = "config_sentence_transformers.json";

/// The file as sentence-transformers writes it; older versions leave fields out.
#[derive(Default, Deserialize)]
struct SentenceTransformersConfig {
    #[serde(default)]
    prompts: Option<BTreeMap<String, Option<String>>>,
    default_prompt_name: Option<String>,
    model_type: Option<String>,
    similarity_fn_name: Option<String>,
    truncate_dim: Option<Number>,
}

/// The settings of the file.
#[derive(Default)]
pub(crate) struct Settings {
    pub(crate) prompts: Prompts,
    pub(crate) similarity: Similarity,
    pub(crate) truncate_dim: Option<usize>,
}

/// Reads the file of a model folder; without it, all settings are the defaults.
pub(crate) fn read(folder: &Path) -> Result<Settings> {
    let path = folder.join(SENTENCE_TRANSFORMERS_FILE);
    let config = read_optional_json::<SentenceTransformersConfig>(&path)?;
    settings(&path, config.unwrap_or_default())
}

/// The settings of a parsed file; `path` is named in errors.
fn settings(path: &Path, config: SentenceTransformersConfig) -> Result<Settings> {
    let wrong = |field, reason| ModelError::Field {
        path: path.to_owned(),
        field,
        reason,
    };
    if let Some(kind) = config.model_type
        && kind != "SentenceTransformer"
    {
        let reason = format!("\"{kind}\" is not supported (only \"SentenceTransformer\")");
        return Err(wrong("model_type", reason));
    }
    let named = config.prompts.unwrap_or_default().into_iter();
    let named = named.map(|(name, text)| (name, text.unwrap_or_default()));
    let default = config.default_prompt_name;
    let prompts = Prompts::new(named, default.clone()).ok_or_else(|| {
        let name = default.unwrap_or_default();
        wrong(
            "default_prompt_name",
            format!("`prompts` has no prompt `{name}`"),
        )
    })?;
    let similarity = match config.similarity_fn_name.as_deref() {
        None => Similarity::default(),
        Some(name) => Similarity::from_name(name).ok_or_else(|| {
            let names = Similarity::ALL.map(Similarity::name).join(", ");
            wrong(
                "similarity_fn_name",
                format!("\"{name}\" is not one of {names}"),
            )
        })?,
    };
    let truncate_dim = match config.truncate_dim {
        None => None,
        Some(number) => {
            let dimensions = number.as_u64().filter(|dimensions| *dimensions > 0);
            let dimensions = dimensions.ok_or_else(|| {
                let reason = format!("{number} is not a number of at least 1");
                wrong("truncate_dim", reason)
            })?;
            Some(usize::try_from(dimensions).unwrap_or(usize::MAX))
        }
    };
    Ok(Settings {
        prompts,
        similarity,
        truncate_dim,
    })
}
