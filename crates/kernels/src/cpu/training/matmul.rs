//! Products of two matrices that meet once: those of training, where the weights change every step.
//!
//! # Strategy
//!
//! The right factor is packed as the weights of a dense layer are ([`panels`](super::panels)) and then
//! forgotten: one pass over it, where the product passes over it for every few dozen rows of the left one.
//! Either factor may lie transposed, which is all that the way back through a dense layer needs beyond
//! the way forth; nothing is turned round in memory first (but for a matrix unit's tiles).

use crate::cpu::activation::Activation;
use crate::cpu::packed_linear::{PackedLinear, linear, linear_of_columns};
use crate::precision::Precision;

/// A matrix, as it lies in memory.
#[derive(Clone, Copy, Debug)]
pub enum Operand<'a> {
    /// Row after row.
    RowMajor(&'a [f32]),
    /// Column after column.
    ColumnMajor(&'a [f32]),
}

/// `left * right + bias`: `[rows, depth]` times `[depth, columns]`, into `output`, `[rows, columns]`, where
/// the length of `bias` says how many columns there are.
///
/// # Panics
///
/// When the lengths do not fit each other, or a matrix has no columns.
pub fn matmul(left: Operand<'_>, right: Operand<'_>, bias: &[f32], output: &mut [f32]) {
    let weights = match right {
        Operand::RowMajor(values) => PackedLinear::pack(&[(values, bias)], Precision::Float32),
        Operand::ColumnMajor(values) => {
            PackedLinear::pack_by_output(&[(values, bias)], Precision::Float32)
        }
    };
    match left {
        Operand::RowMajor(values) => linear(values, &weights, Activation::Identity, output),
        Operand::ColumnMajor(values) => linear_of_columns(values, &weights, output),
    }
}
