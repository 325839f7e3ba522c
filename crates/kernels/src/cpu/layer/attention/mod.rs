//! Attention within every sequence of a batch whose tokens stand end to end, forth and back.
//!
//! # Strategy
//!
//! Sequences and heads are independent, so a task is one of each (or all heads of a sequence where there are
//! sequences enough; all of some sequences within a [layer](super::encoder_layer())). For a task the keys are packed, transposed, into panels, and the values as they
//! are; then both products go through the [tile](super::tile) of the dense layers, and between them
//! the softmax goes over scores that are still in the cache. There is no padding, so there is nothing
//! to mask.
//!
//! Beside dense layers of fewer bits than float32, both products of the way forth are of bfloat16 where the processor
//! multiplies these fast ([`rounded`]).
//!
//! The way back keeps nothing of the way forth but its input: the weights of a head are computed
//! again (Dao et al., "FlashAttention", 2022), which is one product of the five that follow, and in
//! the cache, instead of `[heads, length, length]` written out and read again for every sequence.

pub(in crate::cpu) mod forward;
pub(in crate::cpu) mod head;
pub(in crate::cpu) mod input;
mod rounded;
mod rounded_products;
