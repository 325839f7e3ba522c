//! Reproducible dropout.
//!
//! burn's `Dropout` draws from one random state per device. Concurrent batches draw from it in any order,
//! so neither a run nor a forward pass can be repeated. Gradient checkpointing, GradCache and resumed runs
//! need that. Inside [`with_dropout_seed`] the masks come from a generator of the calling thread.

use std::cell::{Cell, RefCell};

use burn::module::Module;
use burn::tensor::backend::Backend;
use burn::tensor::{Distribution, Tensor};
use kernels::{DropoutMask, EncoderOps};
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

thread_local! {
    static GENERATOR: RefCell<Option<Xoshiro256PlusPlus>> = const { RefCell::new(None) };
    /// Whether dropout draws from the device also without gradients.
    static ON_DEVICE: Cell<bool> = const { Cell::new(false) };
}

/// Runs `task`; every [`Dropout`] in it, on this thread, draws its mask from `seed`.
///
/// The same seed gives the same masks on every machine. The processor computes them in the forward and
/// again in the backward pass: on a GPU, use [`with_device_dropout`] instead.
pub fn with_dropout_seed<T>(seed: u64, task: impl FnOnce() -> T) -> T {
    /// Restores the previous generator, also when `task` panics.
    struct Restore(Option<Xoshiro256PlusPlus>);
    impl Drop for Restore {
        fn drop(&mut self) {
            GENERATOR.set(self.0.take());
        }
    }
    let before = GENERATOR.replace(Some(Xoshiro256PlusPlus::seed_from_u64(seed)));
    let _restore = Restore(before);
    task()
}

/// Runs `task`; every [`Dropout`] in it, on this thread, draws its mask on `device`, whose generator starts from `seed`.
///
/// The same seed gives the same masks on the same device, with and without gradients. No mask is copied to the device.
/// Another thread must not use the generator meanwhile: on GPU backends it belongs to the process.
pub fn with_device_dropout<B: Backend, T>(
    seed: u64,
    device: &B::Device,
    task: impl FnOnce() -> T,
) -> T {
    /// Restores the previous source, also when `task` panics.
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            ON_DEVICE.set(self.0);
        }
    }
    let _restore = Restore(ON_DEVICE.replace(true));
    B::seed(device, seed);
    task()
}

/// Sets elements to zero at random while gradients are recorded, and scales the others so that the
/// expected value stays (Srivastava et al., "Dropout: A Simple Way to Prevent Neural Networks from
/// Overfitting", 2014).
#[derive(Module, Clone, Debug)]
pub struct Dropout {
    /// The probability of a zero, in `[0, 1)`.
    pub probability: f64,
}

impl Dropout {
    /// Dropout with this probability; 0 does nothing.
    #[must_use]
    pub fn new(probability: f64) -> Self {
        Self { probability }
    }

    /// Whether [`forward`](Self::forward) would change a tensor of this device: while gradients are
    /// recorded, and inside [`with_dropout_seed`] and [`with_device_dropout`] also without them, for a pass that will be
    /// computed again with gradients.
    #[must_use]
    pub fn acts<B: Backend>(&self, device: &B::Device) -> bool {
        let seeded = || GENERATOR.with_borrow(Option::is_some);
        self.probability > 0.0 && (B::ad_enabled(device) || seeded() || ON_DEVICE.get())
    }

    /// Drops elements of `input`; any shape in, the same shape out.
    pub fn forward<B: EncoderOps, const D: usize>(&self, input: Tensor<B, D>) -> Tensor<B, D> {
        if !self.acts::<B>(&input.device()) {
            return input;
        }
        match self.seeded_mask() {
            Some(mask) => B::dropout(input, mask),
            None => {
                let kept = 1.0 - self.probability;
                let mask = input.random_like(Distribution::Bernoulli(kept));
                input * mask * (1.0 / kept)
            }
        }
    }

    /// The next mask, if this dropout [acts](Self::acts).
    pub(crate) fn mask<B: Backend>(&self, device: &B::Device) -> Option<DropoutMask> {
        if !self.acts::<B>(device) {
            return None;
        }
        self.seeded_mask().or_else(|| {
            let halves = Tensor::<B, 1>::random([2], Distribution::Uniform(0.0, SEEDS), device);
            let seed = halves
                .into_data()
                .iter::<f64>()
                .fold(0, |seed, half| (seed << 24) | half as u64);
            Some(DropoutMask {
                probability: self.probability,
                seed,
            })
        })
    }

    fn seeded_mask(&self) -> Option<DropoutMask> {
        GENERATOR.with_borrow_mut(|generator| {
            generator.as_mut().map(|generator| DropoutMask {
                probability: self.probability,
                seed: generator.next_u64(),
            })
        })
    }
}

/// Whole numbers below this are exact in every float that a backend may draw: 2^24.
const SEEDS: f64 = 16_777_216.0;

#[cfg(test)]
mod tests {
    use burn::backend::Autodiff;

    use super::*;
    use crate::test_device::on_test_device;

    fn dropped<B: EncoderOps>(device: &B::Device, seed: u64) -> Vec<f32> {
        let input = Tensor::<Autodiff<B>, 2>::ones([40, 50], device);
        let output = with_dropout_seed(seed, || Dropout::new(0.25).forward(input));
        output.into_data().to_vec().unwrap()
    }

    #[test]
    fn a_seed_gives_the_same_mask_and_the_expected_share_of_zeros() {
        fn body<B: EncoderOps>(device: &B::Device) {
            let values = dropped::<B>(device, 3);
            assert_eq!(values, dropped::<B>(device, 3));
            assert_ne!(values, dropped::<B>(device, 4));
            let zeros = values.iter().filter(|&&value| value == 0.0).count();
            // 2,000 draws: 500 expected, five standard deviations of 19 to either side.
            assert!((405..595).contains(&zeros), "{zeros} zeros");
            let kept = 1.0 / 0.75;
            assert!(
                values
                    .iter()
                    .all(|value| *value == 0.0 || (value - kept).abs() < 1e-6)
            );
        }
        on_test_device!(body);
    }

    #[test]
    fn seeds_can_be_nested_and_end_with_their_task() {
        fn body<B: EncoderOps>(device: &B::Device) {
            let mask = || random::<B>(device, &Dropout::new(0.5));
            let (first, inner, second) = with_dropout_seed(1, || {
                let first = mask();
                let inner = with_dropout_seed(2, mask);
                (first, inner, mask())
            });
            let (one, two) = with_dropout_seed(1, || (mask(), mask()));
            assert_eq!((first, second), (one, two));
            assert_eq!(inner, with_dropout_seed(2, mask));
            assert!(GENERATOR.with_borrow(Option::is_none));
        }
        on_test_device!(body);
    }

    fn random<B: EncoderOps>(device: &B::Device, dropout: &Dropout) -> Vec<f32> {
        let input = Tensor::<Autodiff<B>, 1>::ones([64], device);
        dropout.forward(input).into_data().to_vec().unwrap()
    }

    #[test]
    fn a_seed_drops_the_same_without_gradients() {
        fn body<B: EncoderOps>(device: &B::Device) {
            let input = Tensor::<B, 2>::ones([40, 50], device);
            let output = with_dropout_seed(3, || Dropout::new(0.25).forward(input));
            let values = output.into_data().to_vec::<f32>().unwrap();
            assert_eq!(values, dropped::<B>(device, 3));
        }
        on_test_device!(body);
    }

    #[test]
    fn nothing_is_dropped_without_gradients_or_probability() {
        fn body<B: EncoderOps>(device: &B::Device) {
            let input = Tensor::<B, 1>::ones([64], device);
            let output = Dropout::new(0.5).forward(input);
            assert_eq!(output.into_data().to_vec::<f32>().unwrap(), [1.0; 64]);
            assert_eq!(random::<B>(device, &Dropout::new(0.0)), [1.0; 64]);
        }
        on_test_device!(body);
    }
}
