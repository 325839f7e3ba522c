//! Matmuls of tensors that are not packed, and when they are worth packing.

use std::sync::LazyLock;

use burn::tensor::Tensor;
use burn_flex::Flex;
use cpu_kernels::{self as cpu, Operand};

use super::slices::tensor;

/// Whether this backend computes as if it had TF32, by `MPNET_BURN_TF32=emulated` in the environment.
///
/// That is for tests: the path that CUDA takes in float32 then runs on any machine. Read once.
pub(super) fn emulates_tf32() -> bool {
    static EMULATES: LazyLock<bool> = LazyLock::new(|| {
        std::env::var_os("MPNET_BURN_TF32").is_some_and(|value| value == "emulated")
    });
    *EMULATES
}

/// `left * right + bias` as a tensor of so many rows.
pub(super) fn matmul(
    left: Operand<'_>,
    right: Operand<'_>,
    bias: &[f32],
    rows: usize,
) -> Tensor<Flex, 2> {
    let mut output = vec![0.0; rows * bias.len()];
    cpu::matmul(left, right, bias, &mut output);
    tensor(output, [rows, bias.len()])
}

/// Whether a product of so many rows is worth a pass over the weights to pack them.
pub(super) fn pays(rows: usize, weights: &Tensor<Flex, 2>) -> bool {
    !emulates_tf32() && rows >= FEWEST_ROWS_TO_PACK && weights.dims().iter().all(|&width| width > 0)
}

/// From this many rows on, packing is about as fast as burn's own matmul on two idle cores with AVX2, and faster in a
/// training step, where two model replicas share them. With 128 rows packing makes it a third slower.
const FEWEST_ROWS_TO_PACK: usize = 512;
