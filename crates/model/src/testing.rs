//! Shared by the unit tests.

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
