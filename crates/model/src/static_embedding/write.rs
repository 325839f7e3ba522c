//! Writes a static model in the format of sentence-transformers or of model2vec.

use std::path::Path;

use burn::tensor::{DType, TensorData};
use kernels::Precision;
use serde_json::{Value, json};

use super::read::{MODEL2VEC_ROWS, ROWS, WEIGHTS};
use super::{CONFIG_FILE, MODEL2VEC, StaticFolder, StaticFormat, Table};
use crate::checkpoint::modules::MODULES_FILE;
use crate::checkpoint::settings::SENTENCE_TRANSFORMERS_FILE;
use crate::checkpoint::write::{write_folder, write_weights};
use crate::error::{ModelError, Result};
use crate::file::write_json;
use crate::tokenizer::TOKENIZER_FILE;

const NORMALIZE_FOLDER: &str = "1_Normalize";

/// The largest number of a quantized row.
const LARGEST: f32 = 127.0;

impl StaticFolder {
    /// Writes a new model in the format of sentence-transformers and in float16, whose vectors are scaled to norm 1.
    /// `tokenizer` is the content of `tokenizer.json`, and `rows` has a row of `width` numbers for every token.
    ///
    /// # Errors
    ///
    /// When the folder cannot be written, or when it exists and is not a model folder.
    pub fn write(folder: &Path, tokenizer: &[u8], rows: Vec<f32>, width: usize) -> Result<()> {
        let shape = [rows.len().checked_div(width).unwrap_or(0), width];
        let format = StaticFormat::SentenceTransformers;
        let tensors = tensors(rows, shape, format, Precision::Float16);
        write_folder(folder, |new| {
            let path = new.join(TOKENIZER_FILE);
            std::fs::write(&path, tokenizer).map_err(|source| ModelError::io(&path, source))?;
            let settings = json!({ "prompts": {}, "default_prompt_name": null, "similarity_fn_name": "cosine" });
            write_json(&new.join(SENTENCE_TRANSFORMERS_FILE), &settings)?;
            finish(new, true, tensors)
        })
    }

    /// Writes the model in a format and a precision: every row with the factor of its token, and a row for every token.
    ///
    /// [`Precision::Int8`] is a format of model2vec alone: rows of numbers from -127 to 127, and a factor for each token.
    ///
    /// # Errors
    ///
    /// When the model cannot be read or the folder cannot be written, when `folder` exists and is not a model folder,
    /// when a number is too large for float16, or for int8 in the format of sentence-transformers.
    pub fn export(&self, format: StaticFormat, precision: Precision, folder: &Path) -> Result<()> {
        if precision == Precision::Int8 && format == StaticFormat::SentenceTransformers {
            let format = format.name();
            return Err(ModelError::StaticTable { precision, format });
        }
        let (rows, shape) = (self.table()?.rows(), [self.tokens, self.width]);
        let tensors = tensors(rows, shape, format, precision);
        write_folder(folder, |new| {
            let from = self.table_folder.join(TOKENIZER_FILE);
            std::fs::copy(&from, new.join(TOKENIZER_FILE))
                .map_err(|source| ModelError::io(&from, source))?;
            let settings = self.folder.join(SENTENCE_TRANSFORMERS_FILE);
            if settings.is_file() {
                std::fs::copy(&settings, new.join(SENTENCE_TRANSFORMERS_FILE))
                    .map_err(|source| ModelError::io(&settings, source))?;
            }
            if format == StaticFormat::Model2Vec {
                let config = json!({ "model_type": MODEL2VEC, "architectures": ["StaticModel"],
                    "normalize": self.normalize, "max_length": self.max_length, "hidden_dim": self.width });
                write_json(&new.join(CONFIG_FILE), &config)?;
            }
            finish(new, self.normalize, tensors)
        })
    }
}

/// Writes the list of modules and the table.
fn finish(new: &Path, normalize: bool, tensors: Vec<(String, TensorData)>) -> Result<()> {
    write_json(&new.join(MODULES_FILE), &modules(normalize))?;
    if normalize {
        // Older versions expect the folder of every module to exist.
        let normalize = new.join(NORMALIZE_FOLDER);
        std::fs::create_dir(&normalize).map_err(|source| ModelError::io(&normalize, source))?;
    }
    write_weights(new, tensors, MODULES_FILE)
}

/// The tensors of a table with a row for every token.
fn tensors(
    rows: Vec<f32>,
    shape: [usize; 2],
    format: StaticFormat,
    precision: Precision,
) -> Vec<(String, TensorData)> {
    let name = match format {
        StaticFormat::SentenceTransformers => ROWS,
        StaticFormat::Model2Vec => MODEL2VEC_ROWS,
    };
    let named = |name: &str, data| (name.to_owned(), data);
    match precision {
        Precision::Int8 => {
            let (codes, scales) = quantize(&rows, shape[1]);
            let tokens = [shape[0]];
            vec![
                named(name, TensorData::new(codes, shape)),
                named(WEIGHTS, TensorData::new(scales, tokens)),
            ]
        }
        other => {
            let dtype = match other {
                Precision::Float16 => DType::F16,
                Precision::Bfloat16 => DType::BF16,
                _ => DType::F32,
            };
            vec![named(
                name,
                TensorData::new(rows, shape).convert_dtype(dtype),
            )]
        }
    }
}

/// Numbers from -127 to 127, and for every row the factor that turns them back.
fn quantize(rows: &[f32], width: usize) -> (Vec<i8>, Vec<f32>) {
    let mut codes = Vec::with_capacity(rows.len());
    let mut scales = Vec::new();
    for row in rows.chunks_exact(width) {
        let largest = row
            .iter()
            .fold(0.0f32, |largest, value| largest.max(value.abs()));
        // A row of zeros.
        let scale = if largest == 0.0 {
            1.0
        } else {
            largest / LARGEST
        };
        codes.extend(row.iter().map(|value| (value / scale).round() as i8));
        scales.push(scale);
    }
    (codes, scales)
}

/// The type names that every version of sentence-transformers accepts.
fn modules(normalize: bool) -> Value {
    let module = |index: usize, path: &str, class: &str| json!({ "idx": index, "name": index.to_string(), "path": path, "type": format!("sentence_transformers.models.{class}") });
    let mut modules = vec![module(0, "", "StaticEmbedding")];
    if normalize {
        modules.push(module(1, NORMALIZE_FOLDER, "Normalize"));
    }
    Value::Array(modules)
}

impl Table {
    /// A row for every token, with its factor: row-major `[tokens, width]`.
    fn rows(&self) -> Vec<f32> {
        let mut rows = vec![0.0; self.tokens() * self.width()];
        for (id, row) in rows.chunks_exact_mut(self.width()).enumerate() {
            self.mean(&[id as u32], row);
        }
        rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantized_row_is_within_half_a_step() {
        let rows = [0.5, -1.0, 0.004, 0.0, 0.0, 0.0];
        let (codes, scales) = quantize(&rows, 3);
        assert_eq!(codes, [64, -127, 1, 0, 0, 0]);
        assert_eq!(scales, [1.0 / 127.0, 1.0]);
        for (index, value) in rows.iter().enumerate() {
            let back = f32::from(codes[index]) * scales[index / 3];
            assert!((back - value).abs() <= scales[index / 3] / 2.0, "{index}");
        }
    }
}
