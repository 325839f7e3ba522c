//! LoRA: a small trainable product added to a frozen linear layer.

use burn::module::{Module, Param};
use burn::nn::Linear;
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};
use kernels::EncoderOps;
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

/// `alpha / rank * x * down * up`, added to the output of a linear layer (Hu et al., "LoRA: Low-Rank
/// Adaptation of Large Language Models", 2021).
///
/// Starts as zero: `up` is all zeros, `down` is uniform in `1 / sqrt(input)` to either side, as PEFT
/// initialises them.
#[derive(Module, Debug)]
pub struct LowRank<B: Backend> {
    /// `[input, rank]`; PEFT's `lora_A`, transposed.
    pub down: Param<Tensor<B, 2>>,
    /// `[rank, output]`; PEFT's `lora_B`, transposed.
    pub up: Param<Tensor<B, 2>>,
    scale: f64,
}

impl<B: Backend> LowRank<B> {
    pub(crate) fn new(
        linear: &Linear<B>,
        config: LowRankConfig,
        generator: &mut Xoshiro256PlusPlus,
    ) -> Self {
        let [input, output] = linear.weight.dims();
        let device = linear.weight.device();
        let bound = 1.0 / (input as f32).sqrt();
        let uniform = |_| (generator.next_u32() as f32 / u32::MAX as f32 * 2.0 - 1.0) * bound;
        let down: Vec<f32> = (0..input * config.rank).map(uniform).collect();
        let down = Tensor::from_data(TensorData::new(down, [input, config.rank]), &device);
        Self {
            down: Param::from_tensor(down),
            up: Param::from_tensor(Tensor::zeros([config.rank, output], &device)),
            scale: config.alpha / config.rank as f64,
        }
    }
}

impl<B: EncoderOps> LowRank<B> {
    /// `[rows, input]` in, `[rows, output]` out.
    pub fn forward(&self, input: Tensor<B, 2>) -> Tensor<B, 2> {
        B::exact_matmul(B::exact_matmul(input, self.down.val()), self.up.val()) * self.scale
    }

    /// The linear layer that computes the sum of `linear` and this adapter.
    pub(crate) fn merge(self, mut linear: Linear<B>) -> Linear<B> {
        let change = B::exact_matmul(self.down.val(), self.up.val()) * self.scale;
        linear.weight = linear.weight.map(|weight| {
            let tracked = weight.is_require_grad();
            (weight + change).detach().set_require_grad(tracked)
        });
        linear
    }
}

/// Size and weight of the adapters of a network.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LowRankConfig {
    /// Width between `down` and `up`, at least 1.
    pub rank: usize,
    /// Weight: the product is scaled by `alpha / rank`.
    pub alpha: f64,
    /// Of the first values of `down`.
    pub seed: u64,
}

impl LowRankConfig {
    pub(crate) fn generator(&self) -> Xoshiro256PlusPlus {
        Xoshiro256PlusPlus::seed_from_u64(self.seed)
    }
}
