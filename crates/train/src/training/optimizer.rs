//! AdamW with weight decay where it belongs.

use std::collections::HashSet;

use burn::module::{AutodiffModule, ModuleVisitor, Param, ParamId};
use burn::optim::adaptor::OptimizerAdaptor;
use burn::optim::{AdamW, AdamWConfig, GradientsParams, MultiGradientsParams, Optimizer};
use burn::tensor::Tensor;
use burn::tensor::backend::AutodiffBackend;

/// Constants of AdamW, with the defaults of PyTorch (burn's differ in epsilon and decay).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamWSettings {
    /// Decay of the mean of gradients.
    pub beta_1: f32,
    /// Decay of the mean of squared gradients.
    pub beta_2: f32,
    /// Added to the root of the second mean.
    pub epsilon: f32,
    /// Share of a weight, times the learning rate, that goes away each step.
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

/// AdamW (Loshchilov and Hutter, "Decoupled Weight Decay Regularization", 2019) that decays
/// matrices and tables, and neither biases nor the scales of a layer norm, as PyTorch recipes do.
///
/// burn's optimiser has one decay for all parameters; this one is two of them.
pub struct DecoupledAdamW<M: AutodiffModule<B>, B: AutodiffBackend> {
    decayed: OptimizerAdaptor<AdamW, M, B>,
    plain: OptimizerAdaptor<AdamW, M, B>,
}

impl<M: AutodiffModule<B>, B: AutodiffBackend> Clone for DecoupledAdamW<M, B> {
    fn clone(&self) -> Self {
        Self {
            decayed: self.decayed.clone(),
            plain: self.plain.clone(),
        }
    }
}

impl<M: AutodiffModule<B>, B: AutodiffBackend> DecoupledAdamW<M, B> {
    /// An optimiser without a past.
    #[must_use]
    pub fn new(settings: AdamWSettings) -> Self {
        let with_decay = |weight_decay| {
            AdamWConfig::new()
                .with_beta_1(settings.beta_1)
                .with_beta_2(settings.beta_2)
                .with_epsilon(settings.epsilon)
                .with_weight_decay(weight_decay)
                .init::<B, M>()
        };
        Self {
            decayed: with_decay(settings.weight_decay),
            plain: with_decay(0.0),
        }
    }
}

impl<M: AutodiffModule<B>, B: AutodiffBackend> Optimizer<M, B> for DecoupledAdamW<M, B> {
    type Record = (
        <OptimizerAdaptor<AdamW, M, B> as Optimizer<M, B>>::Record,
        <OptimizerAdaptor<AdamW, M, B> as Optimizer<M, B>>::Record,
    );

    fn step(&mut self, rate: f64, module: M, gradients: GradientsParams) -> M {
        let (decayed, plain) = split(&module, gradients);
        let module = self.decayed.step(rate, module, decayed);
        self.plain.step(rate, module, plain)
    }

    fn step_multi(&mut self, rate: f64, module: M, gradients: MultiGradientsParams) -> M {
        let (mut decayed, mut plain) = (Vec::new(), Vec::new());
        for (gradients, device) in gradients.grads {
            let (with, without) = split(&module, gradients);
            decayed.push((with, device));
            plain.push((without, device));
        }
        let module = self
            .decayed
            .step_multi(rate, module, MultiGradientsParams { grads: decayed });
        self.plain
            .step_multi(rate, module, MultiGradientsParams { grads: plain })
    }

    fn to_record(&self) -> Self::Record {
        (self.decayed.to_record(), self.plain.to_record())
    }

    fn load_record(self, (decayed, plain): Self::Record) -> Self {
        Self {
            decayed: self.decayed.load_record(decayed),
            plain: self.plain.load_record(plain),
        }
    }
}

/// The gradients of what is decayed, and of what is not: vectors, which here are all biases and
/// scales of a layer norm.
fn split<M: AutodiffModule<B>, B: AutodiffBackend>(
    module: &M,
    mut gradients: GradientsParams,
) -> (GradientsParams, GradientsParams) {
    let mut plain = GradientsParams::new();
    module.visit(&mut Vectors {
        from: &mut gradients,
        to: &mut plain,
        seen: HashSet::new(),
    });
    (gradients, plain)
}

struct Vectors<'a> {
    from: &'a mut GradientsParams,
    to: &'a mut GradientsParams,
    seen: HashSet<ParamId>,
}

impl<B: AutodiffBackend> ModuleVisitor<B> for Vectors<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        if D == 1
            && self.seen.insert(param.id)
            && let Some(gradient) = self.from.remove::<B::InnerBackend, D>(param.id)
        {
            self.to.register(param.id, gradient);
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::module::Module;
    use burn::nn::{Linear, LinearConfig};
    use burn::record::{BinBytesRecorder, FullPrecisionSettings, Recorder};

    use super::*;
    use crate::testing::{TrainBackend, values};

    type Tested = DecoupledAdamW<Linear<TrainBackend>, TrainBackend>;

    fn gradients(layer: &Linear<TrainBackend>, value: f32) -> GradientsParams {
        let mut gradients = GradientsParams::new();
        let weight = layer.weight.val().inner();
        gradients.register(layer.weight.id, weight.zeros_like() + value);
        if let Some(bias) = &layer.bias {
            gradients.register(bias.id, bias.val().inner().zeros_like() + value);
        }
        gradients
    }

    fn numbers(layer: &Linear<TrainBackend>) -> (Vec<f32>, Vec<f32>) {
        let bias = layer.bias.as_ref().unwrap().val();
        (values(layer.weight.val()), values(bias))
    }

    #[test]
    fn the_first_step_is_that_of_adamw_and_only_matrices_decay() {
        let layer = LinearConfig::new(2, 3).init::<TrainBackend>(&Default::default());
        let (weight, bias) = numbers(&layer);
        let mut optimizer = Tested::new(AdamWSettings {
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

    #[test]
    fn a_record_holds_all_that_the_next_step_needs() {
        let device = Default::default();
        let begin = LinearConfig::new(2, 3).init::<TrainBackend>(&device);
        let mut optimizer = Tested::new(AdamWSettings::default());
        let first = gradients(&begin, 0.3);
        let layer = optimizer.step(0.1, begin, first);

        let recorder = BinBytesRecorder::<FullPrecisionSettings>::default();
        let bytes = Recorder::<TrainBackend>::record(&recorder, optimizer.to_record(), ()).unwrap();
        let record = Recorder::<TrainBackend>::load(&recorder, bytes, &device).unwrap();
        let mut restored = Tested::new(AdamWSettings::default()).load_record(record);

        let next = gradients(&layer, -0.2);
        let again = gradients(&layer, -0.2);
        let went_on = numbers(&optimizer.step(0.1, layer.clone(), next));
        let resumed = numbers(&restored.step(0.1, layer.fork(&device), again));
        assert_eq!(went_on, resumed);
    }

    #[test]
    fn gradients_from_several_devices_are_added() {
        use burn::prelude::DeviceOps;
        let layer = LinearConfig::new(2, 3).init::<TrainBackend>(&Default::default());
        let device = layer.weight.val().device().to_id();
        let mut one = Tested::new(AdamWSettings::default());
        let mut two = Tested::new(AdamWSettings::default());
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
}
