//! Weights in fewer bits: written, read again, and every kind of damage named.

use std::path::{Path, PathBuf};

use model::{Checkpoint, ModelError, Precision, SentenceEncoder};
use safetensors::SafeTensors;
use safetensors::tensor::Dtype;
use serde_json::Value;
use tempfile::TempDir;

use crate::checkpoint::{change_tensors, copy};
use crate::common::{DEVICE, TestBackend, assert_close, fixture, reference_tokens, tiny};

fn exported(precision: Precision) -> (TempDir, PathBuf) {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("model");
    let checkpoint = Checkpoint::open(&fixture("tiny-mpnet")).unwrap();
    checkpoint.export(precision, &folder).unwrap();
    (parent, folder)
}

fn encoder(folder: &str, precision: Option<Precision>) -> Result<SentenceEncoder, ModelError> {
    let mut builder = SentenceEncoder::builder().device(DEVICE);
    if let Some(precision) = precision {
        builder = builder.precision(precision);
    }
    builder.load(folder)
}

fn vectors(folder: &Path, precision: Option<Precision>) -> (Precision, Vec<f32>) {
    let encoder = encoder(folder.to_str().unwrap(), precision).unwrap();
    let texts = reference_tokens("tiny_tokens.json").texts;
    let vectors = encoder.encode(&texts).unwrap().into_values();
    (encoder.precision(), vectors)
}

/// Smallest and mean cosine of vectors of length 1.
fn cosines(ours: &[f32], theirs: &[f32]) -> (f32, f32) {
    let rows = ours.chunks_exact(32).zip(theirs.chunks_exact(32));
    let cosines: Vec<f32> = rows
        .map(|(a, b)| std::iter::zip(a, b).map(|(a, b)| a * b).sum())
        .collect();
    let smallest = cosines.iter().copied().fold(1.0, f32::min);
    (smallest, cosines.iter().sum::<f32>() / cosines.len() as f32)
}

#[test]
fn an_int8_folder_stands_for_itself() {
    let (_parent, folder) = exported(Precision::Int8);
    let again = Checkpoint::open(&folder).unwrap();
    assert_eq!(again.precision().unwrap(), Precision::Int8);
    let (_, exact) = vectors(&fixture("tiny-mpnet"), None);

    // Everywhere in float32, with the weights as they were rounded.
    let (precision, widened) = vectors(&folder, Some(Precision::Float32));
    assert_eq!(precision, Precision::Float32);
    let (smallest, mean) = cosines(&widened, &exact);
    assert!(
        0.99 < smallest && 0.999 < mean && mean < 1.0,
        "{smallest} {mean}"
    );

    let (precision, rounded) = vectors(&folder, None);
    if !cfg!(feature = "cpu") {
        assert_eq!((precision, &rounded), (Precision::Float32, &widened));
        return;
    }
    assert_eq!(precision, Precision::Int8);
    // The goal that the real model is held to.
    let (smallest, mean) = cosines(&rounded, &exact);
    assert!(0.985 < smallest && 0.995 < mean, "{smallest} {mean}");
    // Rounded while loading or before: the same weights through the same operations.
    let (_, at_once) = vectors(&fixture("tiny-mpnet"), Some(Precision::Int8));
    assert_eq!(rounded, at_once);
    // Once more, from int8 to int8: nothing is rounded twice.
    let twice = folder.parent().unwrap().join("twice");
    again.export(Precision::Int8, &twice).unwrap();
    let weights = |folder: &Path| std::fs::read(folder.join("model.safetensors")).unwrap();
    assert!(weights(&folder) == weights(&twice));
}

#[test]
fn an_int8_file_is_as_the_convention_has_it() {
    let (_parent, folder) = exported(Precision::Int8);
    let bytes = std::fs::read(folder.join("model.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let original = std::fs::read(fixture("tiny-mpnet").join("model.safetensors")).unwrap();
    let original = SafeTensors::deserialize(&original).unwrap();
    let mut quantized = 0;
    for (name, tensor) in original.tensors() {
        if name.ends_with("position_ids") {
            continue;
        }
        let written = file.tensor(&name).unwrap();
        assert_eq!(written.shape(), tensor.shape(), "{name}");
        let dense = name.ends_with(".weight")
            && !["LayerNorm", "embeddings", "relative", "pooler"]
                .iter()
                .any(|other| name.contains(other));
        if !dense {
            assert_eq!(
                (written.dtype(), written.data()),
                (Dtype::F32, tensor.data()),
                "{name}"
            );
            continue;
        }
        quantized += 1;
        assert_eq!(written.dtype(), Dtype::I8, "{name}");
        let scales = file.tensor(&format!("{name}_scale")).unwrap();
        assert_eq!(
            (scales.dtype(), scales.shape()),
            (Dtype::F32, &[tensor.shape()[0], 1][..])
        );
    }
    assert_eq!(quantized, 12, "six in each of two layers");

    let config: Value =
        serde_json::from_slice(&std::fs::read(folder.join("config.json")).unwrap()).unwrap();
    let quantization = &config["quantization_config"];
    assert_eq!(quantization["quant_method"], "compressed-tensors");
    assert_eq!(
        quantization["config_groups"]["group_0"]["weights"]["num_bits"],
        8
    );
    assert_eq!(config["model_type"], "mpnet");

    // Widened again, it says so no more.
    let widened = folder.parent().unwrap().join("widened");
    Checkpoint::open(&folder)
        .unwrap()
        .export(Precision::Float32, &widened)
        .unwrap();
    let config = std::fs::read_to_string(widened.join("config.json")).unwrap();
    assert!(!config.contains("quantization_config"), "{config}");
    assert_eq!(
        Checkpoint::open(&widened).unwrap().precision().unwrap(),
        Precision::Float32
    );
    assert_eq!(
        vectors(&widened, Some(Precision::Float32)),
        vectors(&folder, Some(Precision::Float32))
    );
}

#[test]
fn an_int8_folder_can_be_trained_on() {
    // As float32, written as that.
    let (_parent, folder) = exported(Precision::Int8);
    let checkpoint = Checkpoint::open(&folder).unwrap();
    let model = checkpoint.load::<TestBackend>(&Default::default()).unwrap();
    let saved = folder.parent().unwrap().join("saved");
    checkpoint.save(&model.network, &saved).unwrap();
    assert_eq!(
        Checkpoint::open(&saved).unwrap().precision().unwrap(),
        Precision::Float32
    );
    assert_eq!(
        vectors(&saved, None).1,
        vectors(&folder, Some(Precision::Float32)).1
    );
}

#[test]
fn a_bf16_folder_is_half_as_large_and_close() {
    let (_parent, folder) = exported(Precision::Bfloat16);
    assert_eq!(
        Checkpoint::open(&folder).unwrap().precision().unwrap(),
        Precision::Bfloat16
    );
    let bytes = std::fs::read(folder.join("model.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    assert!(
        file.tensors()
            .iter()
            .all(|(_, tensor)| tensor.dtype() == Dtype::BF16)
    );
    let (_, exact) = vectors(&fixture("tiny-mpnet"), None);
    let (precision, rounded) = vectors(&folder, None);
    let expected = if cfg!(feature = "cpu") {
        Precision::Bfloat16
    } else {
        Precision::Float32
    };
    assert_eq!(precision, expected);
    let (smallest, mean) = cosines(&rounded, &exact);
    assert!(0.999 < smallest && mean < 1.0, "{smallest} {mean}");
    // Widening bfloat16 is exact.
    let (_, widened) = vectors(&folder, Some(Precision::Float32));
    assert_close("bf16 in f32", &rounded, &widened, 1e-5);
}

#[test]
fn a_precision_that_the_backend_does_not_know_is_refused() {
    for precision in [Precision::Int8, Precision::Bfloat16] {
        let outcome = encoder(&tiny(), Some(precision));
        if cfg!(feature = "cpu") {
            assert_eq!(outcome.unwrap().precision(), precision);
        } else {
            let error = outcome.err().unwrap();
            assert!(matches!(error, ModelError::Precision { .. }), "{error}");
        }
    }
}

#[test]
fn damaged_scales_are_named() {
    const SCALES: &str = "encoder.layer.0.intermediate.dense.weight_scale";
    let load = |folder: &Path| {
        let error = encoder(folder.to_str().unwrap(), None).err().unwrap();
        // The way that every backend takes says the same.
        let widened = Checkpoint::open(folder)
            .unwrap()
            .load::<TestBackend>(&Default::default());
        assert_eq!(error.to_string(), widened.err().unwrap().to_string());
        error
    };
    let file = |error: &ModelError| error.to_string().contains("model.safetensors");

    let (_parent, folder) = exported(Precision::Int8);
    change_tensors(&folder, |name, tensor| {
        (name != SCALES).then(|| (name.to_owned(), tensor))
    });
    let error = load(&folder);
    assert!(
        matches!(&error, ModelError::MissingTensor { tensor, .. } if tensor == SCALES)
            && file(&error),
        "{error}"
    );

    let (_parent, folder) = exported(Precision::Int8);
    change_tensors(&folder, |name, mut tensor| {
        if name == SCALES {
            tensor.shape = vec![1, tensor.shape[0]];
        }
        Some((name.to_owned(), tensor))
    });
    let error = load(&folder);
    assert!(
        matches!(&error, ModelError::TensorShape { tensor, .. } if tensor == SCALES)
            && file(&error),
        "{error}"
    );

    for value in [f32::NAN, f32::INFINITY] {
        let (_parent, folder) = exported(Precision::Int8);
        change_tensors(&folder, |name, mut tensor| {
            if name == SCALES {
                tensor.bytes[8..12].copy_from_slice(&value.to_le_bytes());
            }
            Some((name.to_owned(), tensor))
        });
        let error = load(&folder);
        assert!(
            matches!(&error, ModelError::NonFinite { tensor, index: 2, .. } if tensor == SCALES)
                && file(&error),
            "{error}"
        );
    }

    let (_parent, folder) = exported(Precision::Int8);
    change_tensors(&folder, |name, mut tensor| {
        if name == SCALES {
            tensor.dtype = Dtype::I32;
        }
        Some((name.to_owned(), tensor))
    });
    let error = load(&folder);
    assert!(
        matches!(&error, ModelError::TensorType { tensor, .. } if tensor == SCALES) && file(&error),
        "{error}"
    );

    // Scales of a weight that needs none.
    let folder = copy();
    change_tensors(folder.path(), |name, tensor| {
        let name = if name == "pooler.dense.bias" {
            SCALES
        } else {
            name
        };
        Some((name.to_owned(), tensor))
    });
    let error = load(folder.path());
    assert!(
        matches!(&error, ModelError::UnexpectedTensor { tensor, .. } if tensor == SCALES),
        "{error}"
    );
}

#[test]
fn scales_without_a_second_dimension_are_read() {
    let (_parent, folder) = exported(Precision::Int8);
    let expected = vectors(&folder, None);
    change_tensors(&folder, |name, mut tensor| {
        if name.ends_with("_scale") {
            tensor.shape.truncate(1);
        }
        Some((name.to_owned(), tensor))
    });
    assert_eq!(vectors(&folder, None), expected);
}
