//! What vectors are made of, and how models are told apart: by the content of their files.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use model::{Prompt, SentenceEncoder};
use sha2::{Digest, Sha256};

use crate::error::Error;
use crate::vectors::{Provenance, TextsHash, VectorError, hex};

/// The files of a model folder that decide on its vectors. A prompt and the number of dimensions
/// are compared by themselves.
const FILES: [&str; 10] = [
    "1_Pooling/config.json",
    "config.json",
    "model.safetensors",
    "model.safetensors.index.json",
    "modules.json",
    "pytorch_model.bin",
    "sentence_bert_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.txt",
];

/// Files up to this size are hashed whole.
const WHOLE_BYTES: u64 = 4 << 20;

/// Larger files, which hold weights, are hashed in this many samples: training changes all weights,
/// and to read all of them would take as long as to load them.
const SAMPLES: u64 = 256;

const SAMPLE_BYTES: usize = 4096;

/// Bytes of the identity: enough to tell models apart, and short in messages.
const IDENTITY_BYTES: usize = 8;

/// What this encoder makes vectors of, still without a text. `model` is its name on the command
/// line.
///
/// # Errors
///
/// When a file of the model cannot be read, or the model has no such prompt.
pub(crate) fn provenance(
    encoder: &SentenceEncoder,
    model: &str,
    prompt: &Prompt,
    columns: &[String],
    normalized: bool,
) -> Result<Provenance, Error> {
    let prompt = encoder.prompt_text(prompt)?;
    let folder = encoder.folder();
    Ok(Provenance {
        texts: TextsHash::default().hex(),
        model: model.to_owned(),
        model_identity: model_identity(folder).map_err(|source| VectorError::Io {
            path: folder.to_owned(),
            source,
        })?,
        columns: columns.to_vec(),
        precision: encoder.precision().to_string(),
        dimensions: encoder.width(),
        max_length: encoder.tokenizer().max_length(),
        prompt: (!prompt.is_empty()).then(|| prompt.to_owned()),
        normalized,
        similarity: encoder.similarity().name().to_owned(),
        output_type: String::new(),
    })
}

/// A hash of the files of a model's folder, as 16 hexadecimal digits.
///
/// # Errors
///
/// When a file cannot be read.
fn model_identity(folder: &Path) -> io::Result<String> {
    let mut hash = Sha256::new();
    for name in FILES {
        let mut file = match File::open(folder.join(name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            file => file?,
        };
        let bytes = file.metadata()?.len();
        hash.update(name);
        hash.update(bytes.to_le_bytes());
        if bytes <= WHOLE_BYTES {
            let mut content = Vec::new();
            file.read_to_end(&mut content)?;
            hash.update(&content);
            continue;
        }
        let mut sample = [0; SAMPLE_BYTES];
        let last = bytes - SAMPLE_BYTES as u64;
        for number in 0..SAMPLES {
            file.seek(SeekFrom::Start(last / (SAMPLES - 1) * number))?;
            file.read_exact(&mut sample)?;
            hash.update(sample);
        }
    }
    Ok(hex(&hash.finalize()[..IDENTITY_BYTES]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_weights_or_settings_are_another_model() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let mut seen = vec![model_identity(folder.path()).unwrap()];
        let mut weights = vec![7u8; 5 << 20];
        std::fs::write(path("model.safetensors"), &weights).unwrap();
        seen.push(model_identity(folder.path()).unwrap());
        weights.iter_mut().for_each(|byte| *byte += 1);
        std::fs::write(path("model.safetensors"), &weights).unwrap();
        seen.push(model_identity(folder.path()).unwrap());
        std::fs::write(path("config.json"), "{}").unwrap();
        seen.push(model_identity(folder.path()).unwrap());
        std::fs::write(path("README.md"), "a card").unwrap();
        assert_eq!(model_identity(folder.path()).unwrap(), seen[3]);
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), 4);
        assert!(seen.iter().all(|identity| identity.len() == 16));
    }
}
