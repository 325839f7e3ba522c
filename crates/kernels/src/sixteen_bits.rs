//! Networks whose weights and activations have sixteen bits, and what of them stays in float32.
//!
//! burn 0.21 sums products of float16 and bfloat16 in float32 (`MatmulElems::from_globals` in
//! cubek-matmul), and sums and means of them too (`ReduceOperationConfig::precision` in
//! cubek-reduce); what it stores in between has sixteen bits again. That is enough between layers,
//! and too little inside three operations, which widen what goes in and round once at the end:
//!
//! - Normalisation: the squares of what was centred pass float16's 65,504 from 256 on, and in
//!   bfloat16 the mean that is taken off has 8 bits. The addition before it is widened as well, and
//!   scale and shift are parameters of float32.
//! - GELU: burn's shaders write erf as a polynomial in the numbers that it is given.
//! - Softmax: scores of sixteen bits are widened before the position bias, which is float32, is
//!   added; the weights are rounded when they are whole.
//!
//! On CUDA burn fuses the casts into the kernels around them. A sentence vector is pooled and scaled
//! in float32 from the last hidden states.

use burn::tensor::backend::Backend;
use burn::tensor::{DType, FloatDType, Tensor};

use crate::precision::Precision;

/// Float32, and what the device supports beside it.
pub(crate) fn precisions<B: Backend>(device: &B::Device) -> Vec<Precision> {
    let sixteen_bits = [
        (Precision::Float16, DType::F16),
        (Precision::Bfloat16, DType::BF16),
    ];
    let supported = sixteen_bits
        .into_iter()
        .filter(|(_, dtype)| B::supports_dtype(device, *dtype))
        .map(|(precision, _)| precision);
    std::iter::once(Precision::Float32)
        .chain(supported)
        .collect()
}

/// In float32 what has sixteen bits; all else as it is.
#[must_use]
pub fn widened<B: Backend, const D: usize>(values: Tensor<B, D>) -> Tensor<B, D> {
    match values.dtype() {
        DType::F16 | DType::BF16 => values.cast(FloatDType::F32),
        _ => values,
    }
}

/// Computes in float32 on what has sixteen bits, and rounds the result to as many.
pub(crate) fn in_float32<B: Backend, const D: usize>(
    values: Tensor<B, D>,
    compute: impl FnOnce(Tensor<B, D>) -> Tensor<B, D>,
) -> Tensor<B, D> {
    let dtype = values.dtype();
    compute(widened(values)).cast(dtype)
}
