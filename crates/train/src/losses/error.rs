//! Errors of an objective.

use super::{Loss, PairLoss};

/// An invalid objective.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum LossError {
    /// The word is not the name of a loss.
    #[error("`{0}` is not a loss; choose {names}", names = names())]
    Unknown(String),
    /// The word is not the name of a loss of rerankers.
    #[error("`{0}` is not a loss of a reranker; choose {names}", names = names_of_pairs())]
    UnknownOfPairs(String),
    /// A parameter that the loss does not have.
    #[error("the loss `{loss}` has no {parameter}; leave it out")]
    NoSuchParameter {
        loss: &'static str,
        parameter: &'static str,
    },
    /// A scale or a margin that is not a number of its range.
    #[error("--{parameter} of `{loss}` is {value}; it must be a number, {range}")]
    Parameter {
        loss: &'static str,
        parameter: &'static str,
        value: f64,
        range: &'static str,
    },
    /// A dimension below 1 or above the width.
    #[error("--matryoshka: {dimension} is not one of 1 to {width}, the width of the vectors")]
    Dimension { dimension: usize, width: usize },
    /// A repeated dimension.
    #[error("--matryoshka: {0} is given twice; give it once, with the sum of the weights")]
    RepeatedDimension(usize),
    /// Different numbers of weights and dimensions.
    #[error(
        "--matryoshka-weights has {weights} weights for {dimensions} dimensions; give one for each, or none"
    )]
    WeightCount { weights: usize, dimensions: usize },
    /// A weight that is not a number from 0.
    #[error(
        "--matryoshka-weights: the weight of dimension {dimension} is {weight}; it must be a number, \
         0 or above"
    )]
    Weight { dimension: usize, weight: f64 },
    /// A loss that compares vectors with those of a teacher, which cannot be cut.
    #[error("`{0}` takes no --matryoshka dimensions; leave them out")]
    NoMatryoshka(&'static str),
    /// Weights that are all 0.
    #[error(
        "--matryoshka-weights: every weight is 0, which would train nothing; raise one of them"
    )]
    NoWeight,
}

/// The names of all losses, for a message.
fn names() -> String {
    either(&Loss::ALL.map(|loss| loss.name()))
}

/// The names of the losses of rerankers.
fn names_of_pairs() -> String {
    either(&PairLoss::ALL.map(|loss| loss.facts().0))
}

fn either(names: &[&str]) -> String {
    match names.split_last() {
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
        None => String::new(),
    }
}
