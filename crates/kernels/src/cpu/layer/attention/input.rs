//! What attention reads, as slices.

use std::ops::Range;

use crate::cpu::features::has_bf16_dot_product;
use crate::dropout::DropoutMask;
use crate::precision::Precision;

/// A matrix whose rows are `stride` floats apart.
#[derive(Clone, Copy, Debug)]
pub struct Strided<'a> {
    /// From the first element on.
    pub values: &'a [f32],
    /// From a row to the next.
    pub stride: usize,
}

/// What attention looks at; rows are tokens, and a head's columns stand together in each.
#[derive(Clone, Copy, Debug)]
pub struct Projections<'a> {
    /// `[tokens, heads * head_size]`.
    pub query: Strided<'a>,
    /// As the queries.
    pub key: Strided<'a>,
    /// As the queries.
    pub value: Strided<'a>,
}

/// Added to the scaled scores: `[heads, length, length]`. A shorter sequence takes the upper left corner
/// of each, because the bias depends on the distance alone.
#[derive(Clone, Copy, Debug)]
pub struct PositionBias<'a> {
    /// All heads.
    pub values: &'a [f32],
    /// Of the longest sequence.
    pub length: usize,
}

/// Who attends to whom, and how.
#[derive(Clone, Copy, Debug)]
pub struct Attention<'a> {
    /// Queries, keys and values.
    pub projections: Projections<'a>,
    /// Added to the scaled scores.
    pub bias: PositionBias<'a>,
    /// Ranges of rows, one behind the other from row 0 on.
    pub sequences: &'a [Range<usize>],
    /// Heads.
    pub heads: usize,
    /// Columns of a head.
    pub head_size: usize,
    /// Of the weights, after the softmax. The block of sequence `t` and head `h` is `t * heads + h`,
    /// query by query.
    pub dropout: Option<DropoutMask>,
    /// Of the dense layers around it: with one of fewer bits than [`Float32`](Precision::Float32) queries, keys, values
    /// and weights are rounded to bfloat16 on the way forth, where that is [fast](super::has_bf16_dot_product) and nothing
    /// is dropped.
    pub precision: Precision,
}

impl Attention<'_> {
    pub(in crate::cpu) fn rounds(&self) -> bool {
        self.precision != Precision::Float32 && self.dropout.is_none() && has_bf16_dot_product()
    }
}
