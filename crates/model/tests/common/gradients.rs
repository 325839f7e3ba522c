//! Gradients of a model by the paths of its parameters.

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;
use burn::tensor::backend::AutodiffBackend;

/// The gradient of every parameter: path, shape and values. All must have one.
#[track_caller]
pub(crate) fn of_every_parameter<B: AutodiffBackend>(
    model: &impl Module<B>,
    gradients: &GradientsParams,
) -> Vec<(String, Vec<usize>, Vec<f32>)> {
    let mut visitor = Gradients {
        gradients,
        path: Vec::new(),
        found: Vec::new(),
        without: Vec::new(),
    };
    model.visit(&mut visitor);
    assert_eq!(visitor.without, [""; 0], "parameters without a gradient");
    visitor.found
}

/// Collects them, and the paths of parameters without one.
struct Gradients<'a> {
    gradients: &'a GradientsParams,
    path: Vec<String>,
    found: Vec<(String, Vec<usize>, Vec<f32>)>,
    without: Vec<String>,
}

impl<B: AutodiffBackend> ModuleVisitor<B> for Gradients<'_> {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        let path = self.path.join(".");
        match self.gradients.get::<B::InnerBackend, D>(param.id) {
            Some(gradient) => {
                let shape = gradient.dims().to_vec();
                let values = gradient.into_data().convert::<f32>().to_vec().unwrap();
                self.found.push((path, shape, values));
            }
            None => self.without.push(path),
        }
    }
}

/// The largest absolute value.
pub(crate) fn largest(values: &[f32]) -> f32 {
    values
        .iter()
        .fold(0.0, |largest, value| value.abs().max(largest))
}

/// `[rows, columns]` as `[columns, rows]`.
pub(crate) fn transposed(values: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    (0..columns)
        .flat_map(|column| (0..rows).map(move |row| values[row * columns + column]))
        .collect()
}
