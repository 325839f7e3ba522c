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
