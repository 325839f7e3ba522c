//! The model folder: written and read again, in old and new forms; and damaged.

mod damage;
mod weights;

use std::io::ErrorKind;
use std::path::Path;

use crate::common::{assert_close, fixture, reference_tensor, reference_tokens};
use crate::test_device::{on_test_device, test_device};
use model::backend::EncoderOps;
use model::parts::PoolingMode;
use model::{Checkpoint, ModelError, SentenceEncoder};
use proptest::prelude::*;
use safetensors::tensor::{Dtype, TensorView};
use safetensors::{SafeTensors, serialize};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A copy of the tiny model to damage.
pub(crate) fn copy() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    copy_folder(&fixture("tiny-mpnet"), folder.path());
    folder
}

fn copy_folder(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            std::fs::create_dir(&target).unwrap();
            copy_folder(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

pub(crate) fn open_and_load(folder: &Path) -> Result<(), ModelError> {
    let checkpoint = &Checkpoint::open(folder)?;
    checkpoint.tokenizer()?;
    on_test_device!(load(checkpoint: &Checkpoint) -> Result<(), ModelError>)
}

fn load<B: EncoderOps>(device: &B::Device, checkpoint: &Checkpoint) -> Result<(), ModelError> {
    checkpoint.load::<B>(device).map(|_| ())
}

/// Loads the network and writes it to a folder.
pub(crate) fn load_and_save(checkpoint: &Checkpoint, folder: &Path) -> Result<(), ModelError> {
    on_test_device!(save(checkpoint: &Checkpoint, folder: &Path) -> Result<(), ModelError>)
}

fn save<B: EncoderOps>(
    device: &B::Device,
    checkpoint: &Checkpoint,
    folder: &Path,
) -> Result<(), ModelError> {
    let model = checkpoint.load::<B>(device)?;
    checkpoint.save(&model, folder)
}

/// Loads a folder and, where that works, sends a text all the way.
fn load_and_encode(folder: &Path) -> Result<(), ModelError> {
    let encoder = SentenceEncoder::from_pretrained(folder.to_str().unwrap(), test_device())?;
    encoder.encode(&["", "high end water bottle"]).map(|_| ())
}

/// The error's text, which must name the fault.
fn error_of(folder: &Path) -> String {
    open_and_load(folder).unwrap_err().to_string()
}

pub(crate) fn change_json(folder: &Path, file: &str, change: impl FnOnce(&mut Value)) {
    let path = folder.join(file);
    let mut value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    change(&mut value);
    std::fs::write(path, value.to_string()).unwrap();
}

/// Rewrites the weights, each tensor as `change` returns it; `None` leaves it out.
pub(crate) fn change_tensors(
    folder: &Path,
    mut change: impl FnMut(&str, Tensor) -> Option<(String, Tensor)>,
) {
    let path = folder.join("model.safetensors");
    let bytes = std::fs::read(&path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let changed: Vec<(String, Tensor)> = file
        .tensors()
        .into_iter()
        .filter_map(|(name, view)| {
            change(
                &name,
                Tensor {
                    dtype: view.dtype(),
                    shape: view.shape().to_vec(),
                    bytes: view.data().to_vec(),
                },
            )
        })
        .collect();
    let views = changed.iter().map(|(name, tensor)| {
        (
            name,
            TensorView::new(tensor.dtype, tensor.shape.clone(), &tensor.bytes).unwrap(),
        )
    });
    std::fs::write(path, serialize(views, None).unwrap()).unwrap();
}

#[derive(Clone)]
pub(crate) struct Tensor {
    pub(crate) dtype: Dtype,
    pub(crate) shape: Vec<usize>,
    pub(crate) bytes: Vec<u8>,
}

fn vectors(folder: &Path) -> Vec<f32> {
    let texts = reference_tokens("tiny_tokens.json").texts;
    let encoder =
        SentenceEncoder::from_pretrained(folder.to_str().unwrap(), test_device()).unwrap();
    encoder.encode(&texts).unwrap().into_values()
}

#[test]
fn a_written_folder_gives_the_same_vectors() {
    let checkpoint = Checkpoint::open(&fixture("tiny-mpnet")).unwrap();
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("deep/er/model");
    load_and_save(&checkpoint, &folder).unwrap();

    let again = Checkpoint::open(&folder).unwrap();
    assert_eq!(again.config, checkpoint.config);
    assert_eq!(
        (again.max_seq_length, again.normalize),
        (checkpoint.max_seq_length, checkpoint.normalize)
    );
    assert_eq!(again.pooling, checkpoint.pooling);
    let prompts = "config_sentence_transformers.json";
    assert_eq!(
        std::fs::read(folder.join(prompts)).unwrap(),
        std::fs::read(fixture("tiny-mpnet").join(prompts)).unwrap()
    );
    // The same weights through the same operations: nothing may differ.
    assert_eq!(vectors(&folder), vectors(&fixture("tiny-mpnet")));

    // Written over itself: replaced, and no other file is left.
    load_and_save(&again, &folder).unwrap();
    assert_eq!(vectors(&folder), vectors(&fixture("tiny-mpnet")));
    assert_eq!(
        std::fs::read_dir(folder.parent().unwrap()).unwrap().count(),
        1
    );

    // A folder that is no model is not replaced.
    let other = parent.path().join("photos");
    std::fs::create_dir(&other).unwrap();
    std::fs::write(other.join("cat.jpg"), "miaow").unwrap();
    let error = load_and_save(&checkpoint, &other).unwrap_err();
    assert!(matches!(error, ModelError::FolderInUse { .. }), "{error}");
    assert_eq!(
        std::fs::read_to_string(other.join("cat.jpg")).unwrap(),
        "miaow"
    );
}

#[test]
fn the_classic_form_is_read() {
    let folder = copy();
    let path = folder.path();
    change_json(path, "modules.json", |modules| {
        for (module, class) in
            modules
                .as_array_mut()
                .unwrap()
                .iter_mut()
                .zip(["Transformer", "Pooling", "Normalize"])
        {
            module["type"] = format!("sentence_transformers.models.{class}").into();
        }
    });
    change_json(path, "1_Pooling/config.json", |config| {
        *config = json!({ "word_embedding_dimension": 32, "pooling_mode_cls_token": false, "pooling_mode_mean_tokens": true });
    });
    change_json(path, "sentence_bert_config.json", |config| {
        *config = json!({ "max_seq_length": 20, "do_lower_case": false })
    });
    let checkpoint = Checkpoint::open(path).unwrap();
    assert_eq!(
        (checkpoint.max_seq_length, checkpoint.normalize),
        (20, true)
    );
    assert_eq!(checkpoint.pooling, [PoolingMode::Mean]);

    // The encoder in its own folder, as sentence-transformers wrote it before version 1.
    std::fs::create_dir(path.join("0_Transformer")).unwrap();
    for file in [
        "config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    ] {
        std::fs::rename(path.join(file), path.join("0_Transformer").join(file)).unwrap();
    }
    change_json(path, "modules.json", |modules| {
        modules[0]["path"] = "0_Transformer".into()
    });
    let checkpoint = Checkpoint::open(path).unwrap();
    assert_eq!(
        checkpoint.max_seq_length, 62,
        "as tokenizer_config.json says"
    );
    open_and_load(path).unwrap();
}

#[test]
fn other_poolings_are_read_and_written() {
    let cases: [(Value, &[PoolingMode]); 5] = [
        (json!({ "pooling_mode": "cls" }), &[PoolingMode::Cls]),
        (
            json!({ "pooling_mode_cls_token": true }),
            &[PoolingMode::Cls],
        ),
        (
            json!({ "pooling_mode_max_tokens": true, "pooling_mode_mean_sqrt_len_tokens": true }),
            &[PoolingMode::Max, PoolingMode::MeanSqrtLength],
        ),
        (
            json!({ "pooling_mode": ["mean", "cls"] }),
            &[PoolingMode::Mean, PoolingMode::Cls],
        ),
        (json!({}), &[PoolingMode::Mean]),
    ];
    for (config, modes) in cases {
        let folder = copy();
        change_json(folder.path(), "1_Pooling/config.json", |old| *old = config);
        change_json(folder.path(), "modules.json", |modules| {
            modules.as_array_mut().unwrap().pop();
        });
        let checkpoint = Checkpoint::open(folder.path()).unwrap();
        assert_eq!(checkpoint.pooling, modes);
        assert!(!checkpoint.normalize);
        assert_eq!(checkpoint.width(), 32 * modes.len());

        let written = folder.path().join("written");
        load_and_save(&checkpoint, &written).unwrap();
        let again = Checkpoint::open(&written).unwrap();
        assert_eq!((again.pooling.as_slice(), again.normalize), (modes, false));
        assert_eq!(vectors(&written), vectors(folder.path()));
    }
}

#[test]
fn a_pytorch_file_gives_the_same_vectors() {
    let folder = copy();
    std::fs::remove_file(folder.path().join("model.safetensors")).unwrap();
    std::fs::copy(
        fixture("tiny_pytorch_model.bin"),
        folder.path().join("pytorch_model.bin"),
    )
    .unwrap();
    assert_eq!(vectors(folder.path()), vectors(&fixture("tiny-mpnet")));
}

#[test]
fn half_precision_weights_are_read() {
    let folder = copy();
    change_tensors(folder.path(), |name, mut tensor| {
        let halves = tensor
            .bytes
            .chunks_exact(4)
            .flat_map(|bytes| [bytes[2], bytes[3]]);
        tensor.bytes = halves.collect();
        tensor.dtype = Dtype::BF16;
        Some((name.to_owned(), tensor))
    });
    let (_, expected) = reference_tensor("tiny_embeddings.safetensors", "embeddings");
    // bf16 has 8 significant bits: rounded weights move this model's vectors by about a hundredth.
    assert_close("bf16 weights", &vectors(folder.path()), &expected, 0.1);
}
