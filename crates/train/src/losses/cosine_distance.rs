//! `cosine`: the cosine distance of the two vectors.
//!
//! `mean over rows of 1 - cos(left, right)`
//!
//! PyTorch's `CosineEmbeddingLoss` of matching pairs (`torch/nn/functional.py`). It has no negatives:
//! one vector for all texts makes it 0, see [`collapse`](super::collapse).

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

use super::cosine::row_cosines;

/// The loss of `left` and `right`, both `[batch, width]`: `[1]`, in `[0, 2]`.
///
/// # Panics
///
/// If the shapes differ.
pub fn cosine_distance<B: Backend>(left: Tensor<B, 2>, right: Tensor<B, 2>) -> Tensor<B, 1> {
    cosine_distances(left, right).mean()
}

/// `1 - cos` of row `i` with row `i`: `[batch]`. sentence-transformers'
/// `SiameseDistanceMetric.COSINE_DISTANCE`.
pub(super) fn cosine_distances<B: Backend>(
    left: Tensor<B, 2>,
    right: Tensor<B, 2>,
) -> Tensor<B, 1> {
    -row_cosines(left, right) + 1.0
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
            let loss = values(cosine_distance(left, right));
            // (0.04 + 2) / 2, a few roundings off.
            assert_close("loss", &loss, &[1.02], 1e-6);
        }
        on_test_device!(body);
    }
}
