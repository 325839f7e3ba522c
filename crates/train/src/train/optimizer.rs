//! AdamW with weight decay only on matrices and tables.

use burn::module::AutodiffModule;
use burn::optim::adaptor::OptimizerAdaptor;
use burn::optim::{AdamWState, AdaptiveMomentumState, LearningRate, SimpleOptimizer};
use burn::tensor::Tensor;
use burn::tensor::backend::AutodiffBackend;
use model::backend::{AdamWStep, EncoderOps};

/// Constants of AdamW, with the defaults of PyTorch (burn's differ in epsilon and decay).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamWSettings {
    /// Decay of the mean of gradients.
    pub beta_1: f32,
    /// Decay of the mean of squared gradients.
    pub beta_2: f32,
    /// Added to the root of the second mean.
    pub epsilon: f32,
    /// Share of a weight, times the learning rate, removed in each step.
    pub weight_decay: f32,
}

impl Default for AdamWSettings {
    fn default() -> Self {
        Self {
            beta_1: 0.9,
            beta_2: 0.999,
            epsilon: 1e-8,
            weight_decay: 0.01,
        }
    }
}

/// AdamW (Loshchilov and Hutter, "Decoupled Weight Decay Regularization", 2019) that decays matrices
/// and tables but no biases or LayerNorm scales, as PyTorch recipes do.
///
/// burn's AdamW has one decay for all parameters. A step is one operation of the backend: on a CPU a
/// single pass over weights, gradient and moments. The record is that of burn's AdamW.
#[derive(Clone, Debug)]
pub struct DecoupledAdamW(AdamWSettings);

/// [`DecoupledAdamW`] for all parameters of a module.
pub type AdamWOptimizer<M, B> = OptimizerAdaptor<DecoupledAdamW, M, B>;

impl DecoupledAdamW {
    /// An optimiser without state.
    #[must_use]
    pub fn optimizer<M, B>(settings: AdamWSettings) -> AdamWOptimizer<M, B>
    where
        M: AutodiffModule<B>,
        B: AutodiffBackend<InnerBackend: EncoderOps>,
    {
        Self(settings).into()
    }
}

impl<B: EncoderOps> SimpleOptimizer<B> for DecoupledAdamW {
    type State<const D: usize> = AdamWState<B, D>;

    fn step<const D: usize>(
        &self,
        rate: LearningRate,
        weights: Tensor<B, D>,
        gradient: Tensor<B, D>,
        state: Option<AdamWState<B, D>>,
    ) -> (Tensor<B, D>, Option<AdamWState<B, D>>) {
        let settings = &self.0;
        let (time, moments) = match state.map(|state| state.momentum) {
            Some(past) => (past.time + 1, [past.moment_1, past.moment_2]),
            None => (1, [weights.zeros_like(), weights.zeros_like()]),
        };
        // All vectors of the network are biases or LayerNorm scales.
        let decays = D > 1;
        let step = AdamWStep {
            learning_rate: rate,
            weight_decay: if decays {
                f64::from(settings.weight_decay)
            } else {
                0.0
            },
            beta_1: settings.beta_1,
            beta_2: settings.beta_2,
            epsilon: settings.epsilon,
            time: i32::try_from(time).unwrap_or(i32::MAX),
        };
        let (weights, [mean, square]) = B::adamw(weights, gradient, moments, &step);
        let momentum = AdaptiveMomentumState::new(time, mean, square);
        (weights, Some(AdamWState::new(momentum)))
    }

    fn to_device<const D: usize>(
        mut state: AdamWState<B, D>,
        device: &B::Device,
    ) -> AdamWState<B, D> {
        state.momentum = state.momentum.to_device(device);
        state
    }
}

#[cfg(test)]
mod tests {
    use burn::backend::Autodiff;
    use burn::module::Module;
    use burn::nn::{Linear, LinearConfig};
    use burn::optim::{AdamWConfig, GradientsParams, MultiGradientsParams, Optimizer};
    use burn::record::{BinBytesRecorder, FullPrecisionSettings, Recorder};
    use model::backend::EncoderOps;

    use super::*;
    use crate::test_device::on_test_device;
    use crate::testing::{assert_close, values};

    type Layer<B> = Linear<Autodiff<B>>;

    fn tested<B: EncoderOps>(settings: AdamWSettings) -> AdamWOptimizer<Layer<B>, Autodiff<B>> {
        DecoupledAdamW::optimizer(settings)
    }

    fn gradients<B: EncoderOps>(layer: &Layer<B>, value: f32) -> GradientsParams {
        let mut gradients = GradientsParams::new();
        let weight = layer.weight.val().inner();
        gradients.register(layer.weight.id, weight.zeros_like() + value);
        if let Some(bias) = &layer.bias {
            gradients.register(bias.id, bias.val().inner().zeros_like() + value);
        }
        gradients
    }

    fn numbers<B: EncoderOps>(layer: &Layer<B>) -> (Vec<f32>, Vec<f32>) {
        let bias = layer.bias.as_ref().unwrap().val();
        (values(layer.weight.val()), values(bias))
    }

    #[test]
    fn the_first_step_is_that_of_adamw_and_only_matrices_decay() {
        fn body<B: EncoderOps>(device: &B::Device) {
            let layer = LinearConfig::new(2, 3).init::<Autodiff<B>>(device);
            let (weight, bias) = numbers(&layer);
            let mut optimizer = tested::<B>(AdamWSettings {
                weight_decay: 0.5,
                ..AdamWSettings::default()
            });
            let gradients = gradients(&layer, 0.3);
            let (new_weight, new_bias) = numbers(&optimizer.step(0.1, layer, gradients));
            // Both means are unbiased in the first step: the gradient over its size is 1.
            for (before, after) in weight.iter().zip(&new_weight) {
                let expected = before * (1.0 - 0.1 * 0.5) - 0.1;
                assert!(
                    (after - expected).abs() < 1e-6,
                    "{after}, expected {expected}"
                );
            }
            for (before, after) in bias.iter().zip(&new_bias) {
                let expected = before - 0.1;
                assert!(
                    (after - expected).abs() < 1e-6,
                    "{after}, expected {expected}"
                );
            }
        }
        on_test_device!(body);
    }

    #[test]
    fn matrices_move_as_by_burns_own_optimiser() {
        fn body<B: EncoderOps>(device: &B::Device) {
            let settings = AdamWSettings::default();
            let mut burns = AdamWConfig::new()
                .with_epsilon(settings.epsilon)
                .with_weight_decay(settings.weight_decay)
                .init::<Autodiff<B>, Layer<B>>();
            let mut ours = tested::<B>(settings);
            let mut by_burns = LinearConfig::new(20, 30).init::<Autodiff<B>>(device);
            // Initialised now: copies of a lazy parameter would draw different numbers.
            by_burns.weight.val();
            let mut by_ours = by_burns.clone();
            for value in [0.3, -0.2, 0.01] {
                by_burns = burns.step(0.1, by_burns.clone(), gradients(&by_burns, value));
                by_ours = ours.step(0.1, by_ours.clone(), gradients(&by_ours, value));
                let (expected, _) = numbers(&by_burns);
                // The same operations in the same order; a GPU may join some of them.
                assert_close("weights", &numbers(&by_ours).0, &expected, 1e-6);
            }
        }
        on_test_device!(body);
    }

    #[test]
    fn a_record_holds_all_that_the_next_step_needs() {
        fn body<B: EncoderOps>(device: &B::Device) {
            let begin = LinearConfig::new(2, 3).init::<Autodiff<B>>(device);
            let mut optimizer = tested::<B>(AdamWSettings::default());
            let first = gradients(&begin, 0.3);
            let layer = optimizer.step(0.1, begin, first);

            let recorder = BinBytesRecorder::<FullPrecisionSettings>::default();
            let bytes =
                Recorder::<Autodiff<B>>::record(&recorder, optimizer.to_record(), ()).unwrap();
            let record = Recorder::<Autodiff<B>>::load(&recorder, bytes, device).unwrap();
            let mut restored = tested::<B>(AdamWSettings::default()).load_record(record);

            let next = gradients(&layer, -0.2);
            let again = gradients(&layer, -0.2);
            let went_on = numbers(&optimizer.step(0.1, layer.clone(), next));
            let resumed = numbers(&restored.step(0.1, layer.fork(device), again));
            assert_eq!(went_on, resumed);
        }
        on_test_device!(body);
    }

    #[test]
    fn gradients_from_several_devices_are_added() {
        fn body<B: EncoderOps>(device: &B::Device) {
            use burn::prelude::DeviceOps;
            let layer = LinearConfig::new(2, 3).init::<Autodiff<B>>(device);
            let device = layer.weight.val().device().to_id();
            let mut one = tested::<B>(AdamWSettings::default());
            let mut two = tested::<B>(AdamWSettings::default());
            let whole = gradients(&layer, 0.5);
            let halves = MultiGradientsParams {
                grads: vec![
                    (gradients(&layer, 0.25), device),
                    (gradients(&layer, 0.25), device),
                ],
            };
            let expected = numbers(&one.step(0.1, layer.clone(), whole));
            assert_eq!(numbers(&two.step_multi(0.1, layer, halves)), expected);
        }
        on_test_device!(body);
    }
}
