//! What the unit tests share.

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

/// The default device of the backend under test.
pub(crate) fn device() -> <TestBackend as burn::tensor::backend::BackendTypes>::Device {
    Default::default()
}

/// Compares whole slices; no element may be further off than `tolerance`.
#[track_caller]
pub(crate) fn assert_close(actual: &[f32], expected: &[f32], tolerance: f32) {
    assert_eq!(actual.len(), expected.len(), "number of values");
    for (index, (actual, expected)) in actual.iter().zip(expected).enumerate() {
        assert!(
            (actual - expected).abs() <= tolerance,
            "value {index} is {actual}, expected {expected} within {tolerance}"
        );
    }
}
