//! What an encoder is used for beside vectors.

pub(crate) mod builder;
pub(crate) mod pair_score;
pub(crate) mod token_tags;
