//! Varlen attention: attention within every sequence of a batch without padding.
//!
//! # Strategy
//!
//! Sequences and heads are independent, so a task is one head of one sequence, or all heads of a sequence where there are
//! enough sequences. A task packs the keys, transposed, and the values in panels. Both products run through the
//! [micro-kernel](crate::float::micro_kernel) of the linear layers, and the softmax runs between them, over scores in
//! the cache. There is no padding and so no mask. Under a window, some queries are multiplied only with the keys that one
//! of them sees.
//!
//! Next to linear layers of reduced precision, both products are bfloat16 where the processor multiplies it fast
//! ([`rounded`]).
//!
//! The [backward pass](crate::training::attention_backward) keeps only the input of the forward pass and recomputes the
//! weights of a head (Dao et al., "FlashAttention", 2022). That is one product in the cache, next to the four that follow,
//! instead of `[heads, length, length]` written and read for every sequence.

pub(crate) mod forward;
pub(crate) mod head;
pub(crate) mod input;
mod rounded;
mod rounded_products;
pub(crate) mod scores;
