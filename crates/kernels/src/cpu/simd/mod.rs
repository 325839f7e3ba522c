//! SIMD: the instruction sets, and what the kernels need of them.

pub(in crate::cpu) mod arch;
pub(in crate::cpu) mod bf16;
pub(in crate::cpu) mod math;
pub(in crate::cpu) mod reduce;
pub(in crate::cpu) mod transpose;
