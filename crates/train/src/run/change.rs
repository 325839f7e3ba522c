//! Change of the weights, and of the vectors of three queries.

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};
use model::Embeddings;

/// Sample queries whose vectors `train fit` prints.
pub const SAMPLE_QUERIES: [&str; 3] = [
    "high end water bottle",
    "smart home speaker",
    "compact wireless keyboard",
];

/// Change of the weights by training.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct WeightChange {
    /// Number of tensors of the model.
    pub tensors: usize,
    /// Number of tensors with a changed value.
    pub changed_tensors: usize,
    /// Number of values of the model.
    pub values: usize,
    /// Number of changed values.
    pub changed_values: usize,
    /// Largest absolute change of a value.
    pub largest: f32,
}

impl WeightChange {
    /// Compares two models of the same shape.
    #[must_use]
    pub(crate) fn between<B: Backend, M: Module<B>>(before: &M, after: &M) -> Self {
        let mut weights = Weights(Vec::new());
        before.visit(&mut weights);
        let mut compare = Compare {
            before: weights.0.into_iter(),
            change: Self::default(),
        };
        after.visit(&mut compare);
        compare.change
    }
}

/// Whether all weights of a model are numbers.
pub(super) fn is_finite<B: Backend, M: Module<B>>(model: &M) -> bool {
    let mut weights = Weights(Vec::new());
    model.visit(&mut weights);
    let mut tensors = weights.0.iter();
    tensors.all(|tensor| tensor.iter::<f32>().all(f32::is_finite))
}

struct Weights(Vec<TensorData>);

impl<B: Backend> ModuleVisitor<B> for Weights {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        self.0.push(param.val().into_data());
    }
}

struct Compare {
    before: std::vec::IntoIter<TensorData>,
    change: WeightChange,
}

impl<B: Backend> ModuleVisitor<B> for Compare {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        let Some(before) = self.before.next() else {
            return;
        };
        let after = param.val().into_data();
        let (mut changed, mut values) = (0, 0);
        for (before, after) in before.iter::<f32>().zip(after.iter::<f32>()) {
            values += 1;
            let difference = (after - before).abs();
            changed += usize::from(difference > 0.0);
            self.change.largest = self.change.largest.max(difference);
        }
        self.change.tensors += 1;
        self.change.changed_tensors += usize::from(changed > 0);
        self.change.values += values;
        self.change.changed_values += changed;
    }
}

/// Vectors of [`SAMPLE_QUERIES`] before and after training.
#[derive(Clone, Debug, PartialEq)]
pub struct Samples {
    /// Vectors of the base model.
    pub before: Embeddings,
    /// Vectors of the tuned model.
    pub after: Embeddings,
}

impl Samples {
    /// Cosine between the two vectors of each query.
    #[must_use]
    pub fn cosines(&self) -> Vec<f64> {
        self.before
            .rows()
            .zip(self.after.rows())
            .map(|(before, after)| {
                let dot = |a: &[f32], b: &[f32]| -> f64 {
                    a.iter()
                        .zip(b)
                        .map(|(&a, &b)| f64::from(a) * f64::from(b))
                        .sum()
                };
                dot(before, after) / (dot(before, before) * dot(after, after)).sqrt()
            })
            .collect()
    }
}
