//! Linear layers with float32 weights or bfloat16, multiplied in float32.

pub(crate) mod finish;
pub(crate) mod gemm;
pub(crate) mod matrices;
pub(crate) mod micro_kernel;
pub(crate) mod panels;
pub(crate) mod rows;
