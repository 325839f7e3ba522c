//! What the unit tests share: the backend under test, the fixtures, comparison of whole tensors.
#![allow(dead_code, reason = "every group of tests uses a part of it")]

use std::path::PathBuf;

use burn::backend::Autodiff;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

#[cfg(feature = "cpu")]
pub(crate) type TestBackend = burn_flex::Flex;
#[cfg(all(feature = "ndarray", not(feature = "cpu")))]
pub(crate) type TestBackend = burn_ndarray::NdArray;
#[cfg(all(feature = "wgpu", not(any(feature = "cpu", feature = "ndarray"))))]
pub(crate) type TestBackend = burn_wgpu::Wgpu;
#[cfg(all(
    feature = "cuda",
    not(any(feature = "cpu", feature = "ndarray", feature = "wgpu"))
))]
pub(crate) type TestBackend = burn_cuda::Cuda;

/// The backend under test, recording gradients.
pub(crate) type TrainBackend = Autodiff<TestBackend>;

/// Cases of a property test that computes on the backend: a software graphics adapter needs a second
/// for each.
pub(crate) const CASES: u32 = if cfg!(any(feature = "cpu", feature = "ndarray")) {
    256
} else {
    4
};

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
