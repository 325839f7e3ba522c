//! Loss functions over embeddings, on any backend.
//!
//! | Name | Columns | Target | Formula |
//! | --- | --- | --- | --- |
//! | `mse` | 2 | | [`mean_squared_error`] |
//! | `cosine` | 2 | | [`cosine_distance`] |
//! | `cosine-similarity` | 2 | score | [`cosine_similarity`] |
//! | `cosent` | 2 | score | [`cosent`] |
//! | `contrastive` | 2 | label | [`contrastive`] |
//! | `online-contrastive` | 2 | label | [`online_contrastive`] |
//! | `triplet-euclidean`, `triplet-cosine` | 3 | | [`triplet`] |
//! | `multiple-negatives-ranking` | 2 or more | | [`multiple_negatives_ranking`] |
//! | `multiple-negatives-symmetric` | 2 or more | | [`multiple_negatives_symmetric`] |
//!
//! Values and gradients equal those of sentence-transformers 6.2.0 with its defaults, with one
//! exception: its `TripletLoss` has one margin for both distances, see [`triplet`]. Version 5.7.0
//! differs in [`online_contrastive`], if a batch has exactly one pair of a label. `mse` and `cosine`
//! compare the two columns with each other; sentence-transformers' `MSELoss` compares with the
//! vectors of a teacher.
//!
//! A column is a tensor `[batch, width]`: anchors, positives, negatives. Row `i` of every column
//! belongs to example `i`. An [`Objective`] is a [`Loss`], optionally at [several
//! dimensions](Matryoshka).
//!
//! ```
//! use train::losses::{Loss, Objective};
//!
//! let loss: Loss = "multiple-negatives-ranking".parse()?;
//! assert_eq!(loss, Loss::MultipleNegativesRanking { scale: 20.0 });
//! let objective = Objective::new(loss);
//! objective.validate(768)?;
//! # Ok::<(), train::losses::LossError>(())
//! ```

mod advice;
pub mod collapse;
pub mod contrastive;
pub mod cosent;
pub mod cosine;
pub mod cosine_distance;
pub mod cosine_similarity;
mod error;
mod loss;
mod matryoshka;
pub mod mean_squared_error;
pub mod multiple_negatives_ranking;
pub mod multiple_negatives_symmetric;
mod needs;
mod objective;
pub mod online_contrastive;
pub mod triplet;

#[cfg(test)]
mod tests;

pub use error::LossError;
pub use loss::Loss;
pub use matryoshka::Matryoshka;
pub use needs::{Needs, TargetKind};
pub use objective::Objective;
