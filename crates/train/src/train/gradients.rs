//! Gradients of all parameters together: norm and clipping.

use burn::module::{AutodiffModule, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;
use burn::tensor::backend::AutodiffBackend;
use model::backend::EncoderOps;

/// Euclidean norm of all gradients together, as in PyTorch's `clip_grad_norm_` (burn clips each
/// parameter separately).
pub fn norm<B: AutodiffBackend<InnerBackend: EncoderOps>, M: AutodiffModule<B>>(
    module: &M,
    gradients: &GradientsParams,
) -> f64 {
    let mut visitor = SumOfSquares {
        gradients,
        sum: 0.0,
    };
    module.visit(&mut visitor);
    visitor.sum.sqrt()
}

struct SumOfSquares<'a> {
    gradients: &'a GradientsParams,
    sum: f64,
}

impl<B: AutodiffBackend<InnerBackend: EncoderOps>> ModuleVisitor<B> for SumOfSquares<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        if let Some(gradient) = self.gradients.get::<B::InnerBackend, D>(param.id) {
            self.sum += B::InnerBackend::sum_of_squares(gradient);
        }
    }
}

/// Scales all gradients so that their norm is at most `largest`; `norm` is the one computed by
/// [`norm`].
pub fn clip<B: AutodiffBackend, M: AutodiffModule<B>>(
    module: &M,
    gradients: GradientsParams,
    norm: f64,
    largest: f64,
) -> GradientsParams {
    // The constant of PyTorch's clip_grad_norm_.
    let factor = largest / (norm + 1e-6);
    if factor < 1.0 {
        scale(module, gradients, factor)
    } else {
        gradients
    }
}

/// Multiplies all gradients.
fn scale<B: AutodiffBackend, M: AutodiffModule<B>>(
    module: &M,
    mut gradients: GradientsParams,
    factor: f64,
) -> GradientsParams {
    module.visit(&mut Scale {
        gradients: &mut gradients,
        factor,
    });
    gradients
}

struct Scale<'a> {
    gradients: &'a mut GradientsParams,
    factor: f64,
}

impl<B: AutodiffBackend> ModuleVisitor<B> for Scale<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        if let Some(gradient) = self.gradients.remove::<B::InnerBackend, D>(param.id) {
            self.gradients
                .register(param.id, gradient.mul_scalar(self.factor));
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::backend::Autodiff;
    use burn::nn::{Linear, LinearConfig};
    use burn::tensor::TensorData;
    use model::backend::EncoderOps;

    use super::*;
    use crate::test_device::on_test_device;
    use crate::testing::{assert_close, values};

    /// A layer of 2 x 3 weights and 3 biases.
    fn layer<B: EncoderOps>(device: &B::Device) -> Linear<Autodiff<B>> {
        LinearConfig::new(2, 3).init(device)
    }

    fn gradients<B: EncoderOps>(
        layer: &Linear<Autodiff<B>>,
        weight: [f32; 6],
        bias: [f32; 3],
    ) -> GradientsParams {
        let mut gradients = GradientsParams::new();
        let device = &layer.weight.device();
        let weight = TensorData::new(weight.to_vec(), [2, 3]);
        let weight = Tensor::<B, 2>::from_data(weight, device);
        gradients.register(layer.weight.id, weight);
        if let Some(parameter) = &layer.bias {
            gradients.register(parameter.id, Tensor::<B, 1>::from_data(bias, device));
        }
        gradients
    }

    fn read<B: EncoderOps>(layer: &Linear<Autodiff<B>>, gradients: &GradientsParams) -> Vec<f32> {
        let weight = gradients.get::<B, 2>(layer.weight.id).unwrap();
        let bias = layer.bias.as_ref().unwrap();
        let bias = gradients.get::<B, 1>(bias.id).unwrap();
        [values(weight), values(bias)].concat()
    }

    /// A few multiplications and additions in f32.
    const TOLERANCE: f32 = 1e-6;

    #[test]
    fn the_norm_is_that_of_all_values_together() {
        fn body<B: EncoderOps>(device: &B::Device) {
            let layer = layer::<B>(device);
            let found = gradients(&layer, [1.0, -2.0, 0.0, 4.0, 0.0, 2.0], [3.0, -4.0, 5.0]);
            // 1 + 4 + 16 + 4 + 9 + 16 + 25
            let length = norm::<Autodiff<B>, _>(&layer, &found);
            assert!((length - 75f64.sqrt()).abs() < 1e-6, "{length}");
            assert_eq!(norm::<Autodiff<B>, _>(&layer, &GradientsParams::new()), 0.0);
        }
        on_test_device!(body);
    }

    #[test]
    fn clipping_keeps_the_direction_and_leaves_short_gradients() {
        fn body<B: EncoderOps>(device: &B::Device) {
            let layer = layer::<B>(device);
            let all = [1.0, -2.0, 0.0, 4.0, 0.0, 2.0, 3.0, -4.0, 5.0];
            let made = || gradients(&layer, [1.0, -2.0, 0.0, 4.0, 0.0, 2.0], [3.0, -4.0, 5.0]);
            let length = 75f64.sqrt();
            let kept = clip::<Autodiff<B>, _>(&layer, made(), length, 10.0);
            assert_eq!(read(&layer, &kept), all);
            let clipped = clip::<Autodiff<B>, _>(&layer, made(), length, 1.0);
            let expected = all.map(|value| (f64::from(value) / length) as f32);
            assert_close("clipped", &read(&layer, &clipped), &expected, TOLERANCE);
        }
        on_test_device!(body);
    }
}
