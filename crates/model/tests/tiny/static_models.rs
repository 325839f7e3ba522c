//! Static models against sentence-transformers and model2vec: the fixtures of `static.py`.

use std::path::{Path, PathBuf};

use model::{ModelError, Precision, SentenceEncoder};

use crate::common::{assert_close, fixture, reference_tensor, reference_tokens};
use crate::test_device::test_device;

/// A mean of a few float32 numbers, added in the same order: some units in the last place of numbers up to 4.
const TOLERANCE: f32 = 1e-6;

fn folder(name: &str) -> PathBuf {
    fixture(&format!("static/{name}"))
}

fn encoder(folder: &Path) -> SentenceEncoder {
    SentenceEncoder::builder()
        .device(test_device())
        .load(folder.to_str().unwrap())
        .unwrap()
}

fn edge_case_texts() -> Vec<String> {
    reference_tokens("tiny_tokens.json").texts
}

/// Compares our vectors of the edge-case texts with those of a fixture.
fn assert_exact(encoder: &SentenceEncoder, fixture: &str) {
    let vectors = encoder.encode(&edge_case_texts()).unwrap();
    let (shape, expected) = reference_tensor(fixture, "vectors");
    assert_eq!(shape, [vectors.len(), vectors.width()]);
    assert_close(fixture, vectors.values(), &expected, TOLERANCE);
}

#[test]
fn vectors_are_those_of_sentence_transformers_and_model2vec() {
    for name in ["root", "nested", "model2vec", "quantized"] {
        assert_exact(
            &encoder(&folder(name)),
            &format!("static/{name}/vectors.safetensors"),
        );
    }
}

/// The model that comes with mpnet-burn, found by its name.
#[test]
fn the_shipped_model_is_found_and_exact() {
    let encoder = encoder(Path::new("static"));
    assert!(encoder.folder().ends_with("models/static-256"));
    assert_exact(&encoder, "static/shipped.safetensors");
}

#[test]
fn a_text_without_tokens_is_a_vector_of_zeros() {
    let vectors = encoder(&folder("root")).encode(&["", "  \n"]).unwrap();
    assert!(vectors.values().iter().all(|value| *value == 0.0));
    assert_eq!((vectors.len(), vectors.tokens()), (2, 0));
}

#[test]
fn a_vector_has_the_same_bits_in_any_batch() {
    let encoder = encoder(&folder("quantized"));
    let texts = edge_case_texts();
    let together = encoder.encode(&texts).unwrap();
    for (text, row) in texts.iter().zip(together.rows()) {
        assert_eq!(encoder.encode(&[text]).unwrap().values(), row, "{text:?}");
    }
}

#[test]
fn long_texts_are_cut_and_counted() {
    let words = ["water bottle smart home speaker keyboard"];
    let nested = encoder(&folder("nested")).encode(&words).unwrap();
    assert_eq!((nested.truncated(), nested.tokens()), (1, 5));
    let whole = encoder(&folder("root")).encode(&words).unwrap();
    assert_eq!(whole.truncated(), 0);
    let load = |length| {
        let builder = SentenceEncoder::builder().device(test_device());
        builder
            .max_length(length)
            .load(folder("root").to_str().unwrap())
    };
    let cut = load(2).unwrap().encode(&words).unwrap();
    assert_eq!((cut.truncated(), cut.tokens()), (1, 2));
    assert!(matches!(load(0), Err(ModelError::MaxLength { .. })));
}

#[test]
fn it_computes_in_float32_only() {
    let builder = SentenceEncoder::builder().device(test_device());
    let known = builder.precision(Precision::Float32);
    let name = folder("root");
    assert!(known.clone().load(name.to_str().unwrap()).is_ok());
    if test_device().is_gpu() {
        return;
    }
    let error = known
        .precision(Precision::Int8)
        .load(name.to_str().unwrap());
    let message = error.err().unwrap().to_string();
    assert!(message.contains("f32"), "{message}");
}

/// A copy of a model of `fixtures/static` in which one file is replaced.
fn changed(name: &str, file: &str, content: &[u8]) -> String {
    let copy = tempfile::tempdir().unwrap();
    for entry in folder(name).read_dir().unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            std::fs::copy(&path, copy.path().join(path.file_name().unwrap())).unwrap();
        }
    }
    std::fs::write(copy.path().join(file), content).unwrap();
    let builder = SentenceEncoder::builder().device(test_device());
    let error = builder.load(copy.path().to_str().unwrap()).err().unwrap();
    error
        .to_string()
        .replace(copy.path().to_str().unwrap(), "DIR")
}

#[test]
fn damage_is_named() {
    let weights = |tensors: &[(&str, safetensors::Dtype, Vec<usize>, Vec<u8>)]| {
        let views = tensors.iter().map(|(name, dtype, shape, bytes)| {
            let view = safetensors::tensor::TensorView::new(*dtype, shape.clone(), bytes).unwrap();
            (*name, view)
        });
        safetensors::serialize(views, None).unwrap()
    };
    let float = safetensors::Dtype::F32;
    let file = "model.safetensors";
    let few = weights(&[("embedding.weight", float, vec![3, 1], vec![0; 12])]);
    let message = changed("root", file, &few);
    assert!(
        message.contains("outside the table of 3 tokens"),
        "{message}"
    );
    let flat = weights(&[("embedding.weight", float, vec![3], vec![0; 12])]);
    let message = changed("root", file, &flat);
    assert!(message.contains("[3], not [tokens, width]"), "{message}");
    let none = weights(&[("other", float, vec![3, 1], vec![0; 12])]);
    let message = changed("root", file, &none);
    assert!(
        message.contains("`embedding.weight` is missing"),
        "{message}"
    );
    let nan = weights(&[("embedding.weight", float, vec![1, 3], vec![0xff; 12])]);
    let message = changed("root", file, &nan);
    assert!(
        message.contains("holds NaN at position 0") || message.contains("outside"),
        "{message}"
    );
    let message = changed("root", "tokenizer.json", b"{}");
    assert!(
        message.contains("tokenizer.json: not a tokenizer"),
        "{message}"
    );
    let modules = br#"[{"type": "sentence_transformers.models.StaticEmbedding"}, {"type": "sentence_transformers.models.Pooling"}]"#;
    let message = changed("root", "modules.json", modules);
    assert!(message.contains("module 1 has the type"), "{message}");
    let message = changed("model2vec", "config.json", br#"{"model_type": "bert"}"#);
    assert!(
        message.contains("does not fit a table of model2vec"),
        "{message}"
    );
}
