//! `cosine-similarity`: the cosine of a pair should be its score.
//!
//! `mean over rows of (cos(left, right) - score)^2`
//!
//! Reimers and Gurevych, *Sentence-BERT*, 2019 (<https://arxiv.org/abs/1908.10084>), the regression
//! objective; sentence-transformers' `CosineSimilarityLoss`.

use burn::nn::loss::{MseLoss, Reduction};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

use super::cosine::row_cosines;

/// The loss of `left` and `right`, both `[batch, width]`, with `scores` `[batch]` in `[-1, 1]`:
/// `[1]`.
///
/// # Panics
///
/// If the shapes differ.
pub fn cosine_similarity<B: Backend>(
    left: Tensor<B, 2>,
    right: Tensor<B, 2>,
    scores: Tensor<B, 1>,
) -> Tensor<B, 1> {
    MseLoss::new().forward(row_cosines(left, right), scores, Reduction::Mean)
}

#[cfg(test)]
mod tests {
    use model::backend::EncoderOps;

    use super::*;
    use crate::test_device::on_test_device;
    use crate::testing::{assert_close, values};

    #[test]
    fn known_answer() {
        fn body<B: EncoderOps>(device: &B::Device) {
            let left = Tensor::<B, 2>::from_floats([[3.0, 4.0], [2.0, 0.0]], device);
            let right = Tensor::from_floats([[4.0, 3.0], [-1.0, 0.0]], device);
            let scores = Tensor::from_floats([0.46, -1.0], device);
            let loss = values(cosine_similarity(left, right, scores));
            // (0.5^2 + 0) / 2, a few roundings off.
            assert_close("loss", &loss, &[0.125], 1e-6);
        }
        on_test_device!(body);
    }
}
