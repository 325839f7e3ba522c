//! `triplet-euclidean`, `triplet-cosine`: the positive must be nearer than the negative, by a margin.
//!
//! `mean over rows of max(d(anchor, positive) - d(anchor, negative) + margin, 0)`, where `d` is the
//! Euclidean distance, or `1 - cos`
//!
//! Hermans et al., *In Defense of the Triplet Loss for Person Re-Identification*, 2017
//! (<https://arxiv.org/abs/1703.07737>); sentence-transformers' `TripletLoss`. Its margin is 5 for
//! every distance, which normalized vectors never reach: then all triplets always count. We use 5
//! only for the Euclidean distance.

use burn::tensor::Tensor;
use burn::tensor::activation::relu;
use burn::tensor::backend::Backend;

use super::cosine::pairwise_cosines;

/// The loss by Euclidean distance of three columns `[batch, width]`: `[1]`.
///
/// # Panics
///
/// If the shapes differ.
pub(crate) fn triplet_euclidean<B: Backend>(
    anchors: Tensor<B, 2>,
    positives: Tensor<B, 2>,
    negatives: Tensor<B, 2>,
    margin: f64,
) -> Tensor<B, 1> {
    let to_positive = euclidean_distances(anchors.clone(), positives);
    let to_negative = euclidean_distances(anchors, negatives);
    relu(to_positive - to_negative + margin).mean()
}

/// The loss by cosine distance of three columns `[batch, width]`: `[1]`.
///
/// # Panics
///
/// If the shapes differ.
pub(crate) fn triplet_cosine<B: Backend>(
    anchors: Tensor<B, 2>,
    positives: Tensor<B, 2>,
    negatives: Tensor<B, 2>,
    margin: f64,
) -> Tensor<B, 1> {
    let to_positive = pairwise_cosines(anchors.clone(), positives);
    let to_negative = pairwise_cosines(anchors, negatives);
    // The 1 of both distances cancels.
    relu(to_negative - to_positive + margin).mean()
}

/// Distance of row `i` from row `i`: `[batch]`. Its gradient at distance 0 is 0, as PyTorch's.
fn euclidean_distances<B: Backend>(left: Tensor<B, 2>, right: Tensor<B, 2>) -> Tensor<B, 1> {
    let squares: Tensor<B, 1> = (left - right).square().sum_dim(1).squeeze_dim(1);
    // The gradient of the root at 0 is infinite, so zeros are masked before it. Subnormal numbers
    // count as 0, because some devices flush them.
    let zero = squares.clone().lower_elem(f32::MIN_POSITIVE);
    squares
        .mask_fill(zero.clone(), 1.0)
        .sqrt()
        .mask_fill(zero, 0.0)
}

#[cfg(test)]
mod tests {
    use burn::backend::Autodiff;
    use model::backend::EncoderOps;

    use super::*;
    use crate::test_device::on_test_device;
    use crate::testing::{assert_close, values};

    fn columns<B: Backend>(device: &B::Device) -> [Tensor<B, 2>; 3] {
        let column = |rows: [[f32; 2]; 2]| Tensor::from_floats(rows, device);
        [
            column([[0.0, 2.0], [3.0, 4.0]]),
            column([[3.0, 6.0], [3.0, 4.0]]),
            column([[0.0, 1.0], [-4.0, -20.0]]),
        ]
    }

    #[test]
    fn known_answer_by_distance() {
        fn body<B: EncoderOps>(device: &B::Device) {
            let [anchors, positives, negatives] = columns::<B>(device);
            // Distances 5 and 1; 0 and 25: 4 + 5, and nothing.
            let loss = values(triplet_euclidean(anchors, positives, negatives, 5.0));
            assert_eq!(loss, [4.5]);
        }
        on_test_device!(body);
    }

    #[test]
    fn known_answer_by_cosine() {
        fn body<B: EncoderOps>(device: &B::Device) {
            let [anchors, positives, negatives] = columns::<B>(device);
            // Cosines 2 / sqrt(5) and 1; 1 and below -0.8: 1 - 2 / sqrt(5) + 0.5, and nothing.
            let loss = values(triplet_cosine(anchors, positives, negatives, 0.5));
            let expected = (1.5 - 2.0 / 5f32.sqrt()) / 2.0;
            assert_close("loss", &loss, &[expected], 1e-6);
        }
        on_test_device!(body);
    }

    #[test]
    fn equal_vectors_have_no_distance_and_no_direction() {
        fn body<B: EncoderOps>(device: &B::Device) {
            let left = Tensor::<Autodiff<B>, 2>::from_floats([[1.0, 2.0], [3.0, 0.0]], device)
                .require_grad();
            let right = Tensor::from_floats([[1.0, 2.0], [0.0, 4.0]], device);
            let distances = euclidean_distances(left.clone(), right);
            let gradient = left.grad(&distances.clone().sum().backward()).unwrap();
            assert_eq!(values(distances), [0.0, 5.0]);
            assert_close("gradient", &values(gradient), &[0.0, 0.0, 0.6, -0.8], 1e-6);
        }
        on_test_device!(body);
    }
}
