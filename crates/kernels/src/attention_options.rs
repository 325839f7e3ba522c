//! How attention's scores come from the products of queries and keys.

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

/// How the tokens of a sequence attend to each other: `softmax(query * key^T * scale + bias)` for every head, over the keys
/// in the window of the query.
///
/// # Examples
///
/// ```
/// use burn::tensor::backend::Backend;
/// use kernels::AttentionOptions;
///
/// // Twelve heads of 64 columns, so the scale is 1/8. A query sees itself and 64 keys on either side.
/// fn options<B: Backend>() -> AttentionOptions<B> {
///     AttentionOptions {
///         window: Some(64),
///         ..AttentionOptions::new(12, 64)
///     }
/// }
/// ```
#[derive(Clone, Debug)]
pub struct AttentionOptions<B: Backend> {
    /// Number of heads, which share the columns of a row out evenly.
    pub heads: usize,
    /// The factor of the products of queries and keys, usually `1 / sqrt(head_size)`.
    pub scale: f64,
    /// Added to the scaled products: `[1, heads, longest, longest]`. A shorter sequence takes the upper left corner.
    pub bias: Option<Tensor<B, 4>>,
    /// A query attends to the keys that are at most so many positions before or after it; `None`: to all of its sequence.
    pub window: Option<usize>,
}

impl<B: Backend> AttentionOptions<B> {
    /// Heads of `head_size` columns that attend to the whole sequence, with the usual scale and without a bias.
    #[must_use]
    pub fn new(heads: usize, head_size: usize) -> Self {
        Self {
            heads,
            scale: 1.0 / (head_size as f64).sqrt(),
            bias: None,
            window: None,
        }
    }
}
