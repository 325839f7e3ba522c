//! Errors of other libraries.

/// An error of another library, without a public type of ours.
pub(crate) type BoxedError = Box<dyn std::error::Error + Send + Sync>;
