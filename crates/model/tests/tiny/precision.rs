//! Weights in reduced precision: written, read again, and every kind of damage named.

use std::path::{Path, PathBuf};

use burn::tensor::DType;
use model::backend::EncoderOps;
use model::{Checkpoint, Device, ModelError, Precision, SentenceEncoder};
use safetensors::SafeTensors;
use safetensors::tensor::Dtype;
use serde_json::Value;
use tempfile::TempDir;

use crate::checkpoint::{change_tensors, copy, load_and_save, open_and_load};
use crate::common::{assert_close, cosines, fixture, on_cpu, reference_tokens, report, tiny};
use crate::test_device::{on_test_device, test_device};

fn exported(precision: Precision) -> (TempDir, PathBuf) {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("model");
    let checkpoint = Checkpoint::open(&fixture("tiny-mpnet")).unwrap();
    checkpoint.export(precision, &folder).unwrap();
    (parent, folder)
}

fn encoder(folder: &str, precision: Option<Precision>) -> Result<SentenceEncoder, ModelError> {
    let mut builder = SentenceEncoder::builder().device(test_device());
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

/// Of the tiny model's vectors.
const WIDTH: usize = 32;

#[test]
fn an_int8_folder_stands_for_itself() {
    let (_parent, folder) = exported(Precision::Int8);
    let again = Checkpoint::open(&folder).unwrap();
    assert_eq!(again.precision().unwrap(), Precision::Int8);
    let (_, exact) = vectors(&fixture("tiny-mpnet"), None);

    // Everywhere in float32, with the weights as they were rounded.
    let (precision, widened) = vectors(&folder, Some(Precision::Float32));
    assert_eq!(precision, Precision::Float32);
    let (smallest, mean) = cosines(&widened, &exact, WIDTH);
    assert!(
        0.99 < smallest && 0.999 < mean && mean < 1.0,
        "{smallest} {mean}"
    );

    let (precision, rounded) = vectors(&folder, None);
    if !on_cpu() {
        assert_eq!((precision, &rounded), (Precision::Float32, &widened));
        return;
    }
    assert_eq!(precision, Precision::Int8);
    // The goal that the real model is held to.
    let (smallest, mean) = cosines(&rounded, &exact, WIDTH);
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
    let saved = folder.parent().unwrap().join("saved");
    load_and_save(&checkpoint, &saved).unwrap();
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
    let on_gpu = test_device().is_gpu();
    let expected = if on_cpu() || on_gpu && supports(DType::BF16) {
        Precision::Bfloat16
    } else {
        Precision::Float32
    };
    assert_eq!(precision, expected);
    let (smallest, mean) = cosines(&rounded, &exact, WIDTH);
    let least = if on_gpu { 0.996_8 } else { 0.999 };
    assert!(least < smallest && mean < 1.0, "{smallest} {mean}");
    // Products of bfloat16 round activations too.
    let rounds_activations = on_gpu || on_cpu() && model::backend::has_bf16_dot_product();
    if !rounds_activations || precision == Precision::Float32 {
        // Widening bfloat16 is exact, and activations are float32 here.
        let (_, widened) = vectors(&folder, Some(Precision::Float32));
        assert_close("bf16 in f32", &rounded, &widened, 1e-5);
    }
}

/// Whether the device under test has all operations for numbers of this type; float32 it has.
fn supports(dtype: DType) -> bool {
    fn body<B: EncoderOps>(device: &B::Device, dtype: DType) -> bool {
        B::supports_dtype(device, dtype)
    }
    on_test_device!(body(dtype: DType) -> bool)
}

/// Refused with a sentence that says what this device computes in, and where to find what was asked for.
#[track_caller]
fn assert_refused(precision: Precision, possible: &str, elsewhere: &str) {
    let error = encoder(&tiny(), Some(precision)).err().unwrap();
    assert!(matches!(error, ModelError::Precision { .. }), "{error}");
    assert_eq!(
        error.to_string(),
        format!(
            "{} computes in {possible}: --precision {precision} is for {elsewhere}",
            test_device()
        )
    );
}

const OF_FLOAT16: &str = "the device cuda, and wgpu if the adapter supports f16 shaders";
const OF_BFLOAT16: &str = "the devices cpu and cuda";
const OF_INT8: &str = "the device cpu";

#[test]
fn a_precision_that_a_processor_does_not_know_is_refused() {
    if on_cpu() {
        for precision in [Precision::Int8, Precision::Bfloat16] {
            let encoder = encoder(&tiny(), Some(precision)).unwrap();
            assert_eq!(encoder.precision(), precision);
        }
        assert_refused(Precision::Float16, "f32, bf16 or int8", OF_FLOAT16);
    } else if test_device() == Device::NdArray {
        assert_refused(Precision::Int8, "f32 only", OF_INT8);
        assert_refused(Precision::Bfloat16, "f32 only", OF_BFLOAT16);
        assert_refused(Precision::Float16, "f32 only", OF_FLOAT16);
    }
}

#[test]
fn a_graphics_processor_computes_in_the_sixteen_bits_that_it_has_and_refuses_others() {
    if !test_device().is_gpu() {
        return;
    }
    let (_, exact) = vectors(&fixture("tiny-mpnet"), None);
    let possible = match [DType::F16, DType::BF16].map(supports) {
        [false, false] => "f32 only",
        [true, false] => "f32 or f16",
        [false, true] => "f32 or bf16",
        [true, true] => "f32, f16 or bf16",
    };
    assert_refused(Precision::Int8, possible, OF_INT8);
    // Each layer rounds some ten times to 11 bits (half of the last is 4.9e-4) or to 8 (3.9e-3). If
    // all of them added up, a vector would be off by 1e-2 or 8e-2 of its length, which is a cosine of
    // 1 less half the square of that.
    for (precision, dtype, least, elsewhere) in [
        (Precision::Float16, DType::F16, 0.999_95, OF_FLOAT16),
        (Precision::Bfloat16, DType::BF16, 0.996_8, OF_BFLOAT16),
    ] {
        if !supports(dtype) {
            assert_refused(precision, possible, elsewhere);
            continue;
        }
        let (chosen, rounded) = vectors(&fixture("tiny-mpnet"), Some(precision));
        assert_eq!(chosen, precision);
        let (smallest, _) = cosines(&rounded, &exact, WIDTH);
        report(
            &format!("tiny model in {precision}, 1 less the smallest cosine to f32"),
            1.0 - smallest,
        );
        assert!(least < smallest, "{smallest}");
        assert!(rounded != exact, "{precision} rounds nothing");
        // Rounded while loading or before: the same weights through the same operations, but that a
        // file keeps nothing in float32.
        let (_parent, folder) = exported(precision);
        let (chosen, from_file) = vectors(&folder, None);
        assert_eq!(chosen, precision);
        let (smallest, _) = cosines(&from_file, &exact, WIDTH);
        assert!(least < smallest, "{smallest}");
        batches_do_not_change_a_vector_by_more_than_rounding(precision);
    }
}

/// In float32 the order of sums moves a vector by 1e-6; here that can turn a rounding, which moves a
/// value by the last of its bits.
fn batches_do_not_change_a_vector_by_more_than_rounding(precision: Precision) {
    let texts = reference_tokens("tiny_tokens.json").texts;
    let encode = |tokens, size| {
        let builder = SentenceEncoder::builder()
            .device(test_device())
            .precision(precision)
            .batch_tokens(tokens)
            .batch_size(size);
        builder.load(&tiny()).unwrap().encode(&texts).unwrap()
    };
    let alone = encode(1, 1);
    let tolerance = if precision == Precision::Float16 {
        1e-3
    } else {
        8e-3
    };
    for (tokens, size) in [(1 << 20, usize::MAX), (300, 7)] {
        let largest = assert_close(
            &format!("{precision}, batches of {tokens} tokens"),
            encode(tokens, size).values(),
            alone.values(),
            tolerance,
        );
        report(
            &format!("tiny model in {precision}, a vector alone and in batches of {tokens} tokens"),
            largest,
        );
    }
}

#[test]
fn an_f16_folder_is_half_as_large_and_close() {
    let (_parent, folder) = exported(Precision::Float16);
    let checkpoint = Checkpoint::open(&folder).unwrap();
    assert_eq!(checkpoint.precision().unwrap(), Precision::Float16);
    let bytes = std::fs::read(folder.join("model.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    assert!(
        file.tensors()
            .iter()
            .all(|(_, tensor)| tensor.dtype() == Dtype::F16)
    );
    // Widened everywhere, also where the device computes in float16.
    let (_, exact) = vectors(&fixture("tiny-mpnet"), None);
    let (precision, widened) = vectors(&folder, Some(Precision::Float32));
    assert_eq!(precision, Precision::Float32);
    let (smallest, mean) = cosines(&widened, &exact, WIDTH);
    assert!(0.999_99 < smallest && widened != exact, "{smallest} {mean}");
    let expected = if test_device().is_gpu() && supports(DType::F16) {
        Precision::Float16
    } else {
        Precision::Float32
    };
    assert_eq!(vectors(&folder, None).0, expected);
}

#[test]
fn a_weight_beyond_float16_is_named() {
    const WEIGHT: &str = "encoder.layer.1.output.dense.weight";
    let folder = copy();
    change_tensors(folder.path(), |name, mut tensor| {
        if name == WEIGHT {
            tensor.bytes[12..16].copy_from_slice(&70_000f32.to_le_bytes());
        }
        Some((name.to_owned(), tensor))
    });
    let checkpoint = Checkpoint::open(folder.path()).unwrap();
    let target = folder.path().join("exported");
    let error = checkpoint.export(Precision::Float16, &target).unwrap_err();
    assert!(
        matches!(&error, ModelError::TooLarge { tensor, index: 3, value: 70_000.0, .. } if tensor == WEIGHT),
        "{error}"
    );
    assert!(error.to_string().contains("model.safetensors") && !target.exists());
    // bfloat16 reaches as far as float32.
    checkpoint.export(Precision::Bfloat16, &target).unwrap();
}

#[test]
fn damaged_scales_are_named() {
    const SCALES: &str = "encoder.layer.0.intermediate.dense.weight_scale";
    let load = |folder: &Path| {
        let error = encoder(folder.to_str().unwrap(), None).err().unwrap();
        // The way that every backend takes says the same.
        assert_eq!(
            error.to_string(),
            open_and_load(folder).unwrap_err().to_string()
        );
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
