//! Linear layers with float32 weights or bfloat16, multiplied in float32.

pub(in crate::cpu) mod gemm;
pub(in crate::cpu) mod matrices;
pub(in crate::cpu) mod micro_kernel;
pub(in crate::cpu) mod panels;
pub(in crate::cpu) mod rows;
