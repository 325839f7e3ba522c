//! What can be wrong with an objective.

use super::Loss;

/// An objective that cannot be trained with.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum LossError {
    /// The word is not a loss.
    #[error("`{0}` is not a loss; choose {names}", names = names())]
    Unknown(String),
    /// A parameter of other losses.
    #[error("the loss `{loss}` has no {parameter}; leave it out")]
    NoSuchParameter {
        /// The loss.
        loss: &'static str,
        /// `scale` or `margin`.
        parameter: &'static str,
    },
    /// A factor that would turn the loss off or around.
    #[error("the scale of `{loss}` is {scale}; it must be a number above 0, 20 by default")]
    Scale {
        /// The loss.
        loss: &'static str,
        /// What was asked for.
        scale: f64,
    },
    /// A margin that no pair or every pair keeps.
    #[error("the margin of `{loss}` is {margin}; it must be a number, 0 or above")]
    Margin {
        /// The loss.
        loss: &'static str,
        /// What was asked for.
        margin: f64,
    },
    /// Matryoshka without a dimension.
    #[error(
        "matryoshka has no dimensions; give some, for example 768, 384 and 128, or leave it out"
    )]
    NoDimensions,
    /// Fewer than 1 or more values than a vector has.
    #[error(
        "matryoshka dimension {dimension} is not one of 1 to {width}, the width of the vectors"
    )]
    Dimension {
        /// What was asked for.
        dimension: usize,
        /// Width of the model's vectors.
        width: usize,
    },
    /// The same dimension twice.
    #[error("matryoshka dimension {0} is given twice; give it once, with the sum of the weights")]
    RepeatedDimension(usize),
    /// Weights that do not belong to the dimensions one by one.
    #[error(
        "matryoshka has {weights} weights for {dimensions} dimensions; give one for each, or none"
    )]
    WeightCount {
        /// Number of weights.
        weights: usize,
        /// Number of dimensions.
        dimensions: usize,
    },
    /// A weight that is not a share.
    #[error(
        "the weight of matryoshka dimension {dimension} is {weight}; it must be a number, \
         0 or above"
    )]
    Weight {
        /// The dimension.
        dimension: usize,
        /// Its weight.
        weight: f64,
    },
    /// Weights that turn everything off.
    #[error("every matryoshka weight is 0, which would train nothing; raise one of them")]
    NoWeight,
}

/// The names of all losses, for a sentence.
fn names() -> String {
    let names = Loss::ALL.map(|loss| loss.name());
    match names.split_last() {
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
        None => String::new(),
    }
}
