//! The parsers of a model folder over bytes in memory, only for the fuzz targets: not part of the
//! public interface, and free to change in any release.

use std::collections::BTreeMap;
use std::io::Cursor;
use std::path::Path;

use pytorch::TorchFile;

use crate::architecture::{CONFIG_FILE, EncoderConfig};
use crate::boxed_error::BoxedError;
use crate::checkpoint::sentence::Task;
use crate::checkpoint::stored_values::StoredValues;
use crate::checkpoint::{limits, modules, pytorch_file, safetensors_file, sentence};
use crate::error::Result;
use crate::file::parse_json;
use crate::modules::pooling::PoolingMode;
use crate::tokenizer::{SentenceTokenizer, TOKENIZER_CONFIG_FILE};

/// The model folder in errors.
const FOLDER: &str = "model";

/// Reads the header of a safetensors file, then every tensor.
///
/// Returns the name of each tensor, its shape, and how many values were read.
///
/// # Errors
///
/// When the header or a tensor is damaged.
pub fn safetensors(
    bytes: Vec<u8>,
) -> std::result::Result<Vec<(String, Vec<usize>, usize)>, BoxedError> {
    let file_bytes = bytes.len() as u64;
    read_all(safetensors_file::tensors(Cursor::new(bytes), file_bytes)?)
}

/// Reads the structure of a `pytorch_model.bin`, then every tensor.
///
/// Returns the name of each tensor, its shape, and how many values were read.
///
/// # Errors
///
/// When the file or a tensor is damaged.
pub fn pytorch_state(
    bytes: Vec<u8>,
) -> std::result::Result<Vec<(String, Vec<usize>, usize)>, BoxedError> {
    read_all(pytorch_file::tensors(TorchFile::new(Cursor::new(bytes))?)?)
}

fn read_all(
    tensors: BTreeMap<String, StoredValues>,
) -> std::result::Result<Vec<(String, Vec<usize>, usize)>, BoxedError> {
    let read = |(name, tensor): (String, StoredValues)| {
        // As `StoredTensor::floats` does.
        let values = tensor.read()?.convert::<f32>().iter::<f32>().count();
        Ok((name, tensor.shape, values))
    };
    tensors.into_iter().map(read).collect()
}

/// Reads `config.json`.
///
/// # Errors
///
/// When it is not JSON, or holds a value that no encoder can have.
pub fn config(bytes: &[u8]) -> Result<EncoderConfig> {
    let path = Path::new(CONFIG_FILE);
    EncoderConfig::from_bytes(path, bytes)
}

/// Reads `modules.json`; returns the folders that it names.
///
/// # Errors
///
/// When it is not JSON, or describes a stack that is not supported.
pub fn modules(bytes: &[u8]) -> Result<Vec<std::path::PathBuf>> {
    let modules: Vec<modules::Module> = parse_json(Path::new(modules::MODULES_FILE), bytes)?;
    let stack = modules::ModuleList::new(Path::new(FOLDER), modules).stack()?;
    Ok([Some(stack.transformer_folder), stack.pooling_folder]
        .into_iter()
        .flatten()
        .collect())
}

/// Reads `1_Pooling/config.json` of a network of this width.
///
/// # Errors
///
/// When it is not JSON, or names no supported mode.
pub fn pooling(bytes: &[u8], hidden_size: usize) -> Result<Vec<PoolingMode>> {
    let path = Path::new(modules::POOLING_FILE);
    let pooling = modules::pooling(path, &parse_json(path, bytes)?, hidden_size)?;
    Ok(pooling.modes)
}

/// Reads `sentence_bert_config.json`; returns the maximum length.
///
/// # Errors
///
/// When it is not JSON, or states an impossible length.
pub fn sentence_limit(bytes: &[u8], config: &EncoderConfig) -> Result<usize> {
    let path = Path::new(sentence::SENTENCE_FILE);
    let sentence = sentence::settings(path.to_owned(), parse_json(path, bytes)?, Task::Vectors)?;
    let limits = limits::limits(Path::new(FOLDER), Some(sentence), || Ok(None), config)?;
    Ok(limits.max_seq_length)
}

/// Reads `tokenizer_config.json`; returns the maximum length.
///
/// # Errors
///
/// When it is not JSON, or states an impossible length.
pub fn tokenizer_limit(bytes: &[u8], config: &EncoderConfig) -> Result<usize> {
    let read = || parse_json(Path::new(TOKENIZER_CONFIG_FILE), bytes).map(Some);
    let limits = limits::limits(Path::new(FOLDER), None, read, config)?;
    Ok(limits.max_seq_length)
}

/// Reads `tokenizer.json`.
///
/// # Errors
///
/// When it describes no tokenizer, or one that does not fit `config`.
pub fn tokenizer(
    bytes: &[u8],
    max_length: usize,
    config: &EncoderConfig,
    lowercase: bool,
) -> Result<SentenceTokenizer> {
    SentenceTokenizer::from_bytes(Path::new(FOLDER), bytes, max_length, config, lowercase)
}
