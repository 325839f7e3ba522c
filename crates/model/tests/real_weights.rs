//! The real all-mpnet-base-v2 against PyTorch. `cargo xtask test` fetches it and runs this.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may"
)]

mod common;

#[cfg(feature = "cpu")]
use std::path::Path;

use common::{DEVICE, TOLERANCE, assert_close, reference_tensor, reference_tokens, report};
#[cfg(feature = "cpu")]
use model::Precision;
use model::{Device, SentenceEncoder, hub};

/// A software GPU needs seconds for a text; there the three sample queries, which come first, must
/// do.
fn texts_on_this_device() -> usize {
    if matches!(DEVICE, Device::Wgpu(_)) && DEVICE.description().contains("software") {
        3
    } else {
        65
    }
}

#[test]
fn tokens_and_vectors_are_those_of_pytorch() {
    let reference = reference_tokens("all-mpnet-base-v2_tokens.json");
    let (shape, expected) =
        reference_tensor("all-mpnet-base-v2_embeddings.safetensors", "embeddings");
    let encoder = SentenceEncoder::from_pretrained(hub::DEFAULT_MODEL, DEVICE).unwrap();
    assert_eq!(encoder.tokenizer().max_length(), reference.max_seq_length);

    let tokens = encoder.tokenizer().encode(&reference.texts).unwrap();
    assert_eq!(tokens.len(), 65);
    for ((text, expected), tokens) in reference
        .texts
        .iter()
        .zip(&reference.input_ids)
        .zip(&tokens)
    {
        assert_eq!(&tokens.ids, expected, "{text:?}");
    }

    let count = texts_on_this_device();
    let vectors = encoder.encode(&reference.texts[..count]).unwrap();
    assert_eq!([65, vectors.width()], shape[..]);
    let expected = &expected[..count * vectors.width()];
    let largest = assert_close("vectors", vectors.values(), expected, TOLERANCE);
    report(&format!("all-mpnet-base-v2, {count} vectors"), largest);
}

/// Over queries and products; awkward texts lose more (README, "Fewer bits").
#[cfg(feature = "cpu")]
#[test]
fn fewer_bits_keep_the_vectors_of_queries_and_products() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../datasets/bench");
    let texts: Vec<String> = ["queries.txt", "titles.txt"]
        .iter()
        .flat_map(|name| {
            let lines = std::fs::read_to_string(folder.join(name)).unwrap();
            let lines: Vec<String> = lines.lines().map(str::to_owned).collect();
            lines.into_iter().step_by(25)
        })
        .collect();
    assert!(texts.len() > 60);
    let vectors = |precision| {
        let encoder = SentenceEncoder::builder()
            .device(DEVICE)
            .precision(precision)
            .load(hub::DEFAULT_MODEL)
            .unwrap();
        encoder.encode(&texts).unwrap()
    };
    let exact = vectors(Precision::Float32);
    for (precision, least, least_mean) in [
        (Precision::Bfloat16, 0.9995, 0.9999),
        (Precision::Int8, 0.985, 0.995),
    ] {
        let coarse = vectors(precision);
        let (smallest, mean) = common::cosines(coarse.values(), exact.values(), exact.width());
        assert!(
            smallest >= least && mean >= least_mean,
            "{precision}: {smallest} {mean}"
        );
    }
}
