//! Shared by the integration tests: fixtures and comparisons.
#![allow(dead_code, reason = "every test target uses a part of it")]

pub(crate) mod gradients;

use std::path::PathBuf;

use model::Device;
use safetensors::SafeTensors;

use crate::test_device::test_device;

/// Whether the device under test is the processor through our kernels.
pub(crate) fn on_cpu() -> bool {
    test_device() == Device::Cpu
}

/// The tolerance of "exact": PyTorch's own vectors move by up to 1e-6 with the shape of the batch and the
/// number of threads, and our sums run in another order.
pub(crate) const TOLERANCE: f32 = 1e-5;

/// Whether linear layers under test are packed for AMX: weights then keep 17 significant bits.
pub(crate) fn packs_for_amx() -> bool {
    on_cpu() && model::backend::uses_amx()
}

/// A file or folder of the fixtures.
pub(crate) fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name)
}

/// The random 2-layer model.
pub(crate) fn tiny() -> String {
    fixture("tiny-mpnet")
        .to_str()
        .expect("a path in UTF-8")
        .to_owned()
}

/// The texts of a `*_tokens.json` and their token ids.
#[derive(serde::Deserialize)]
pub(crate) struct ReferenceTokens {
    pub(crate) max_seq_length: usize,
    pub(crate) texts: Vec<String>,
    pub(crate) input_ids: Vec<Vec<u32>>,
}

pub(crate) fn reference_tokens(name: &str) -> ReferenceTokens {
    serde_json::from_slice(&std::fs::read(fixture(name)).unwrap()).unwrap()
}

/// A tensor of a safetensors file: shape and values.
pub(crate) fn reference_tensor(file: &str, name: &str) -> (Vec<usize>, Vec<f32>) {
    let bytes = std::fs::read(fixture(file)).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let tensor = tensors.tensor(name).unwrap();
    let values = match tensor.dtype() {
        safetensors::Dtype::F32 => tensor
            .data()
            .chunks_exact(4)
            .map(|b| f32::from_le_bytes(b.try_into().unwrap()))
            .collect(),
        safetensors::Dtype::I64 => tensor
            .data()
            .chunks_exact(8)
            .map(|b| i64::from_le_bytes(b.try_into().unwrap()) as f32)
            .collect(),
        other => panic!("{name} holds {other:?}"),
    };
    (tensor.shape().to_vec(), values)
}

/// Prints how exact this device is, for the documentation: `cargo xtask test -- --nocapture`.
#[allow(clippy::print_stdout, reason = "the figures are read from it")]
pub(crate) fn report(what: &str, largest: f32) {
    println!(
        "exact on {}: {what}: largest difference {largest:.1e}",
        test_device()
    );
}

/// Compares whole tensors and returns the largest difference; fails where one is above `tolerance`.
#[track_caller]
pub(crate) fn assert_close(what: &str, actual: &[f32], expected: &[f32], tolerance: f32) -> f32 {
    assert_eq!(actual.len(), expected.len(), "{what}: number of values");
    let mut largest = 0.0f32;
    for (index, (a, e)) in actual.iter().zip(expected).enumerate() {
        let difference = (a - e).abs();
        assert!(
            difference <= tolerance,
            "{what}: value {index} is {a}, expected {e} within {tolerance}"
        );
        largest = largest.max(difference);
    }
    largest
}

/// Smallest and mean cosine of vectors of length 1, `[texts, width]` each.
pub(crate) fn cosines(ours: &[f32], theirs: &[f32], width: usize) -> (f32, f32) {
    let rows = ours.chunks_exact(width).zip(theirs.chunks_exact(width));
    let cosines: Vec<f32> = rows
        .map(|(a, b)| std::iter::zip(a, b).map(|(a, b)| a * b).sum())
        .collect();
    let smallest = cosines.iter().copied().fold(1.0, f32::min);
    (smallest, cosines.iter().sum::<f32>() / cosines.len() as f32)
}
