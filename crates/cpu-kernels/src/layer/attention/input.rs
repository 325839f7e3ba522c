//! The input of attention, as slices.

use std::ops::Range;

use crate::dropout::DropoutMask;
use crate::features::has_bf16_dot_product;
use crate::precision::Precision;

/// A matrix whose rows are `stride` floats apart.
#[derive(Clone, Copy, Debug)]
pub struct Strided<'a> {
    /// The elements from the first one on.
    pub values: &'a [f32],
    /// Distance of two rows, in floats.
    pub stride: usize,
}

/// Queries, keys and values; rows are tokens, and a head's columns are together in each.
#[derive(Clone, Copy, Debug)]
pub struct Projections<'a> {
    /// Queries, `[tokens, heads * head_size]`.
    pub query: Strided<'a>,
    /// Keys, of the same shape.
    pub key: Strided<'a>,
    /// Values, of the same shape.
    pub value: Strided<'a>,
}

/// The position bias, added to the scaled scores: `[heads, length, length]`. A shorter sequence takes the upper left corner
/// of each head, because the bias depends only on the distance.
#[derive(Clone, Copy, Debug)]
pub struct PositionBias<'a> {
    /// The values of all heads.
    pub values: &'a [f32],
    /// Length of the longest sequence.
    pub length: usize,
}

/// Varlen attention: which tokens attend to which, and how.
#[derive(Clone, Copy, Debug)]
pub struct Attention<'a> {
    /// Queries, keys and values.
    pub projections: Projections<'a>,
    /// The rows of each sequence, one after another from row 0 on.
    pub sequences: &'a [Range<usize>],
    /// Number of heads.
    pub heads: usize,
    /// Columns of a head.
    pub head_size: usize,
    /// The factor of the products of queries and keys, usually `1 / sqrt(head_size)`.
    pub scale: f32,
    /// Added to the scaled scores.
    pub bias: Option<PositionBias<'a>>,
    /// A query attends to the keys that are at most so many positions before or after it; `None`: to all of its sequence.
    pub window: Option<usize>,
    /// Dropout of the weights, after the softmax. The block of sequence `s` and head `h` is `s * heads + h`, query by query.
    pub dropout: Option<DropoutMask>,
    /// Precision of the linear layers around it. If it is below [`Float32`](Precision::Float32), the forward pass rounds
    /// queries, keys, values and weights to bfloat16, where that is [fast](crate::has_bf16_dot_product) and without
    /// dropout.
    pub precision: Precision,
}

impl Attention<'_> {
    pub(crate) fn rounds(&self) -> bool {
        self.precision != Precision::Float32 && self.dropout.is_none() && has_bf16_dot_product()
    }
}
