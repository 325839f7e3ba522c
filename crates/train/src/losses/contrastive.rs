//! `contrastive`: pairs of label 1 together, pairs of label 0 at least a margin apart.
//!
//! `mean over rows of (label * d^2 + (1 - label) * max(margin - d, 0)^2) / 2`, with
//! `d = 1 - cos(left, right)`
//!
//! Hadsell et al., *Dimensionality Reduction by Learning an Invariant Mapping*, 2006
//! (<https://doi.org/10.1109/CVPR.2006.100>); sentence-transformers' `ContrastiveLoss`. A label
//! between 0 and 1 counts in both terms.

use burn::tensor::Tensor;
use burn::tensor::activation::relu;
use burn::tensor::backend::Backend;

use super::cosine_distance::cosine_distances;

/// The loss of `left` and `right`, both `[batch, width]`, with `labels` `[batch]`: `[1]`.
///
/// # Panics
///
/// If the shapes differ.
pub fn contrastive<B: Backend>(
    left: Tensor<B, 2>,
    right: Tensor<B, 2>,
    labels: Tensor<B, 1>,
    margin: f64,
) -> Tensor<B, 1> {
    let distances = cosine_distances(left, right);
    let together = labels.clone() * distances.clone().square();
    let apart = (-labels + 1.0) * relu(-distances + margin).square();
    (together + apart).mean() * 0.5
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
            // Distances 0.2, 0.2, 2 and 0.2.
            let left = Tensor::<B, 2>::from_floats([[4.0, 3.0]; 4], device);
            let right =
                Tensor::from_floats([[1.0, 0.0], [2.0, 0.0], [-4.0, -3.0], [3.0, 0.0]], device);
            let labels = Tensor::from_floats([1.0, 0.0, 0.0, 0.5], device);
            let loss = values(contrastive(left, right, labels, 0.5));
            // Halves of 0.2^2, 0.3^2, nothing, and (0.2^2 + 0.3^2) / 2; a few roundings off.
            let expected = (0.04 + 0.09 + 0.0 + 0.065) / 2.0 / 4.0;
            assert_close("loss", &loss, &[expected], 1e-6);
        }
        on_test_device!(body);
    }
}
