//! `mse`: the mean squared difference of the two vectors.
//!
//! `mean over rows and values of (left - right)^2`
//!
//! PyTorch's `mse_loss` (`torch/nn/functional.py`). For normalized vectors it is
//! `2 / width * (1 - cosine)`. It has no negatives: one vector for all texts makes it 0, see
//! [`collapse`](super::collapse).

use burn::nn::loss::{MseLoss, Reduction};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

/// The loss of `left` and `right`, both `[batch, width]`: `[1]`.
///
/// # Panics
///
/// If the shapes differ.
pub fn mean_squared_error<B: Backend>(left: Tensor<B, 2>, right: Tensor<B, 2>) -> Tensor<B, 1> {
    MseLoss::new().forward(left, right, Reduction::Mean)
}

#[cfg(test)]
mod tests {
    use model::backend::EncoderOps;

    use super::*;
    use crate::test_device::on_test_device;
    use crate::testing::values;

    #[test]
    fn known_answer() {
        fn body<B: EncoderOps>(device: &B::Device) {
            let left = Tensor::<B, 2>::from_floats([[1.0, 2.0], [0.0, -1.0]], device);
            let right = Tensor::from_floats([[1.0, 0.0], [3.0, 0.0]], device);
            // (0 + 4 + 9 + 1) / 4, exact in f32.
            assert_eq!(values(mean_squared_error(left, right)), [3.5]);
        }
        on_test_device!(body);
    }
}
