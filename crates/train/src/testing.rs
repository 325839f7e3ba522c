//! Shared by the unit tests: the device under test, the fixtures, comparison of whole tensors.
#![allow(dead_code, reason = "every group of tests uses a part of it")]

use std::path::PathBuf;

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

use crate::test_device::test_device;

/// Cases of a property test that computes on the device under test: a software graphics adapter needs a second
/// for each.
pub(crate) fn cases() -> u32 {
    if test_device().is_gpu() { 4 } else { 256 }
}

/// The random 2-layer model.
pub(crate) fn tiny_model() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../model/tests/fixtures/tiny-mpnet")
}

/// A file of this crate's fixtures, parsed.
pub(crate) fn json_fixture(name: &str) -> serde_json::Value {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name);
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// The values of a tensor in row-major order.
pub(crate) fn values<B: Backend, const D: usize>(tensor: Tensor<B, D>) -> Vec<f32> {
    tensor.into_data().convert::<f32>().into_vec().unwrap()
}

/// Compares whole slices; no element may be further off than `tolerance`.
#[track_caller]
pub(crate) fn assert_close(what: &str, actual: &[f32], expected: &[f32], tolerance: f32) {
    assert_eq!(actual.len(), expected.len(), "{what}: number of values");
    for (index, (actual, expected)) in actual.iter().zip(expected).enumerate() {
        assert!(
            (actual - expected).abs() <= tolerance,
            "{what}: value {index} is {actual}, expected {expected} within {tolerance}"
        );
    }
}
