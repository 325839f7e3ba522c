//! What only training needs: backward passes, the optimizer, dropout.

pub(in crate::cpu) mod adamw;
pub(in crate::cpu) mod attention_backward;
pub(in crate::cpu) mod dropout;
pub(in crate::cpu) mod gelu_backward;
pub(in crate::cpu) mod layer_norm_backward;
pub(in crate::cpu) mod matmul;
pub(in crate::cpu) mod sums;
