//! Matmul of two matrices that are multiplied once, as in training, where the weights change every step.
//!
//! # Strategy
//!
//! The right operand is packed as the weights of a linear layer and then dropped: one pass over it, where the product passes
//! over it for every few dozen rows of the left one. Either operand may be transposed, which is all that the backward pass of
//! a linear layer needs. Neither is transposed in memory first (except for tiles).

use crate::activation::Activation;
use crate::packed_linear::{PackedLinear, linear, linear_of_columns};
use crate::precision::Precision;

/// A matrix in either memory order.
#[derive(Clone, Copy, Debug)]
pub enum Operand<'a> {
    /// Row after row.
    RowMajor(&'a [f32]),
    /// Column after column: the transposed matrix is row-major.
    ColumnMajor(&'a [f32]),
}

/// `left * right + bias`: `[rows, depth]` times `[depth, columns]` into `output`, `[rows, columns]`, row-major. The length of
/// `bias` is the number of columns.
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
