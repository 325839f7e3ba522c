//! The type of an error whose own type stays private.

/// An error of another library that has no public type here.
pub type BoxedError = Box<dyn std::error::Error + Send + Sync>;
