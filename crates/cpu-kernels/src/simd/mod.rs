//! SIMD: the instruction sets, and what the kernels need of them.

pub(crate) mod activations;
pub(crate) mod arch;
pub(crate) mod bf16;
pub(crate) mod math;
pub(crate) mod reduce;
pub(crate) mod transpose;
