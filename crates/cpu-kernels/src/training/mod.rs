//! What only training needs: backward passes, the optimizer, dropout.

pub(crate) mod activation_backward;
pub(crate) mod adamw;
pub(crate) mod attention_backward;
pub(crate) mod dropout;
pub(crate) mod layer_norm_backward;
pub(crate) mod matmul;
pub(crate) mod sums;
