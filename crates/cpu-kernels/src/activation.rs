//! Activations of a linear layer.

/// The activation after a linear layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// No activation.
    Identity,
    /// The exact GELU, `x * (1 + erf(x / sqrt(2))) / 2`.
    Gelu,
}
