//! Loss functions over embeddings, on any backend.
//!
//! | Name | Columns | Target | Formula |
//! | --- | --- | --- | --- |
//! | `mse`, `cosine` | 2 | | `pairwise` |
//! | `cosine-similarity`, `cosent` | 2 | score | `pairwise` |
//! | `contrastive`, `online-contrastive` | 2 | label | `pairwise` |
//! | `triplet-euclidean`, `triplet-cosine` | 3 | | `triplet` |
//! | `multiple-negatives-ranking`, `multiple-negatives-symmetric` | 2 or more | | `ranking` |
//! | `gist` | 2 or more | vectors of a guide | `ranking` |
//! | `margin-mse`, `kl-divergence` | 3 or more | scores of a teacher | `distillation` |
//! | `embed-distill` | 2 or more | vectors of a teacher | `distillation` |
//! | `PairLoss`, of rerankers | 2 or more | | `pair` |
//! | `cross-entropy`, of taggers | logits of tokens | tags that may be right | `tags` |
//!
//! Values and gradients equal those of sentence-transformers 6.2.0 with its defaults, and of 5.7.0 for
//! the losses with a teacher or a guide, with one exception: its `TripletLoss` has one margin for both
//! distances. Version 5.7.0 differs in `online-contrastive`, if a batch has exactly one pair of a label.
//! `mse` and `cosine` compare the two columns with each other; sentence-transformers' `MSELoss` compares
//! with the vectors of a teacher.
//!
//! A column is a tensor `[batch, width]`: anchors, positives, negatives. Row `i` of every column
//! belongs to example `i`. An [`Objective`] is a [`Loss`], optionally at several
//! dimensions (Matryoshka).

pub(crate) mod collapse;
mod cosine;
mod distillation;
mod error;
mod forward;
mod loss;
mod needs;
mod objective;
mod pair;
mod pairwise;
mod ranking;
mod tags;
mod triplet;

#[cfg(test)]
mod tests;

pub(crate) use distillation::similarity_distill;
pub(crate) use error::LossError;
pub use loss::Loss;
pub(crate) use needs::TargetKind;
pub(crate) use objective::Matryoshka;
pub use objective::Objective;
pub(crate) use pair::GAP;
pub(crate) use pair::PairLoss;
