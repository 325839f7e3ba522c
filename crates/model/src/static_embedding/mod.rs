//! Static models: a table with a row of numbers for every token. The vector of a text is the mean of its tokens' rows.
//!
//! | file | content |
//! | --- | --- |
//! | `modules.json` | `StaticEmbedding`, optionally `Normalize`; a folder of model2vec may have none |
//! | `model.safetensors` | the table |
//! | `tokenizer.json` | the tokenizer, whose truncation applies |
//! | `config.json` | only model2vec: `normalize` and `max_length` |
//! | `config_sentence_transformers.json` | prompts, similarity and dimensions |
//!
//! The table and the tokenizer lie at the top of the folder or in `0_StaticEmbedding`. sentence-transformers counts the
//! token for unknown words; model2vec leaves it out, and cuts a text to a number of characters before it is tokenized.

mod read;
mod table;
mod write;

use std::path::{Path, PathBuf};

use burn::tensor::DType;
use kernels::Precision;
use search::Similarity;
use serde::Deserialize;
use serde_json::Value;

use crate::checkpoint::modules::ModuleList;
use crate::checkpoint::{identity, settings};
use crate::error::{ModelError, Result};
use crate::file::read_optional_json;
use crate::prompt::Prompts;
use crate::tokenizer::SentenceTokenizer;
use crate::tokenizer::table_tokens::{Model2VecRules, NO_LIMIT};
pub(crate) use table::Table;

/// `model_type` in the `config.json` of model2vec.
const MODEL2VEC: &str = "model2vec";

/// Tokens of a text that model2vec reads where `config.json` does not say.
const MODEL2VEC_MAX_LENGTH: usize = 512;

/// Whose rules a folder follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StaticFormat {
    /// `StaticEmbedding` of sentence-transformers.
    SentenceTransformers,
    /// model2vec.
    Model2Vec,
}

impl StaticFormat {
    /// The name of the format's library.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::SentenceTransformers => "sentence-transformers",
            Self::Model2Vec => "model2vec",
        }
    }
}

/// The folder of a static model after reading its settings files. [`SentenceEncoder`](crate::SentenceEncoder) computes
/// with it.
#[derive(Clone, Debug)]
pub struct StaticFolder {
    pub(crate) folder: PathBuf,
    /// Where the table and the tokenizer are.
    table_folder: PathBuf,
    pub(crate) format: StaticFormat,
    /// Numbers of a row.
    pub(crate) width: usize,
    /// The number of token ids.
    tokens: usize,
    precision: Precision,
    pub(crate) normalize: bool,
    pub(crate) truncate_dim: Option<usize>,
    pub(crate) similarity: Similarity,
    pub(crate) prompts: Prompts,
    /// Tokens of a text by the rules of model2vec; unless there is no limit.
    max_length: Option<usize>,
    /// What the caller asked for in place of the files.
    asked_length: Option<usize>,
}

/// `config.json` of model2vec.
#[derive(Deserialize)]
struct Model2VecConfig {
    model_type: Option<String>,
    #[serde(default)]
    normalize: bool,
    /// `null` is no limit, unlike a missing field.
    #[serde(default = "default_max_length")]
    max_length: Option<usize>,
}

#[allow(
    clippy::unnecessary_wraps,
    reason = "serde wants the type of the field"
)]
fn default_max_length() -> Option<usize> {
    Some(MODEL2VEC_MAX_LENGTH)
}

impl StaticFolder {
    /// `None` for a folder that holds another model.
    ///
    /// # Errors
    ///
    /// When a file of a static model is damaged; the error names the file and the field or tensor.
    pub fn open(folder: &Path) -> Result<Option<Self>> {
        Self::open_modules(folder, ModuleList::read(folder)?.as_ref())
    }

    /// As [`open`](Self::open), of a model or a route of it with these modules; `None` without `modules.json`.
    pub(crate) fn open_modules(
        folder: &Path,
        modules: Option<&ModuleList>,
    ) -> Result<Option<Self>> {
        let Some((table_folder, mut normalize)) = Self::place(folder, modules)? else {
            return Ok(None);
        };
        let shape = read::shape(&table_folder)?;
        let settings = settings::read(folder)?;
        let mut max_length = None;
        if shape.format == StaticFormat::Model2Vec {
            let config = model2vec_config(&table_folder)?;
            normalize = config.normalize;
            max_length = config.max_length;
        }
        Ok(Some(Self {
            folder: folder.to_owned(),
            table_folder,
            format: shape.format,
            width: shape.width,
            tokens: shape.tokens,
            precision: match shape.dtype {
                DType::F16 => Precision::Float16,
                DType::BF16 => Precision::Bfloat16,
                DType::I8 => Precision::Int8,
                _ => Precision::Float32,
            },
            normalize,
            truncate_dim: settings.truncate_dim,
            similarity: settings.similarity,
            prompts: settings.prompts,
            max_length,
            asked_length: None,
        }))
    }

    /// The folder of the table, and whether vectors are scaled to norm 1 by the modules.
    fn place(folder: &Path, modules: Option<&ModuleList>) -> Result<Option<(PathBuf, bool)>> {
        if let Some(modules) = modules {
            return modules.static_embedding();
        }
        // An encoder's `config.json` has another type and is read elsewhere; a damaged file too.
        let config = read_optional_json::<Value>(&folder.join(CONFIG_FILE));
        let model_type = config.ok().flatten();
        let is_model2vec = model_type.is_some_and(|config| config["model_type"] == MODEL2VEC);
        Ok(is_model2vec.then(|| (folder.to_owned(), false)))
    }

    /// Whose rules the folder follows.
    #[must_use]
    pub fn format(&self) -> StaticFormat {
        self.format
    }

    /// The precision of the table in its file; every computation is in float32.
    #[must_use]
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// Reads the table in float32.
    ///
    /// # Errors
    ///
    /// When the weights file is damaged.
    pub(crate) fn table(&self) -> Result<Table> {
        read::table(&self.table_folder)
    }

    /// The tokenizer.
    ///
    /// # Errors
    ///
    /// When `tokenizer.json` is missing or damaged, or does not fit the table.
    pub(crate) fn tokenizer(&self) -> Result<SentenceTokenizer> {
        let rules = (self.format == StaticFormat::Model2Vec).then_some(Model2VecRules {
            max_length: self.max_length,
        });
        let tokenizer = SentenceTokenizer::of_table(&self.table_folder, self.tokens, rules)?;
        Ok(match self.asked_length {
            Some(tokens) => tokenizer.with_max_length(tokens),
            None => tokenizer,
        })
    }

    /// Another maximum length than that of the files, as in model2vec's `encode`.
    ///
    /// # Errors
    ///
    /// When it is 0.
    pub(crate) fn set_max_length(&mut self, tokens: usize) -> Result<()> {
        if tokens == 0 {
            return Err(ModelError::MaxLength {
                asked: tokens,
                smallest: 1,
                largest: NO_LIMIT,
            });
        }
        self.max_length = Some(tokens);
        self.asked_length = Some(tokens);
        Ok(())
    }

    /// A hash of the files that decide on vectors.
    ///
    /// # Errors
    ///
    /// When a file cannot be read.
    pub(crate) fn identity(&self) -> Result<String> {
        identity::identity(&self.folder).map_err(|source| ModelError::io(&self.folder, source))
    }
}

const CONFIG_FILE: &str = "config.json";

fn model2vec_config(folder: &Path) -> Result<Model2VecConfig> {
    let path = folder.join(CONFIG_FILE);
    let config: Option<Model2VecConfig> = read_optional_json(&path)?;
    let config = config.unwrap_or(Model2VecConfig {
        model_type: None,
        normalize: false,
        max_length: default_max_length(),
    });
    match config.model_type.as_deref() {
        None | Some(MODEL2VEC) => Ok(config),
        Some(other) => Err(ModelError::Field {
            path,
            field: "model_type",
            reason: format!("\"{other}\" does not fit a table of model2vec"),
        }),
    }
}
