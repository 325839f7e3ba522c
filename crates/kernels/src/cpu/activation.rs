//! What follows a linear layer's sum.

/// What follows a dense layer's sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// Nothing.
    Identity,
    /// The exact GELU, `x * (1 + erf(x / sqrt(2))) / 2`.
    Gelu,
}
