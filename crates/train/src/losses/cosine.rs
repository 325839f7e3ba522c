//! Cosines of rows, as in PyTorch.
//!
//! The cosine with a zero vector is 0. Its gradient is finite but large: the other vector divided by
//! epsilon.

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use model::backend::EncoderOps;

/// Epsilon of `torch.nn.functional.normalize`, which sentence-transformers' `cos_sim` and
/// `pairwise_cos_sim` use.
const NORMALIZE_EPSILON: f64 = 1e-12;

/// Epsilon of `torch.nn.functional.cosine_similarity`, which sentence-transformers'
/// `CosineSimilarityLoss` and `ContrastiveLoss` use.
const COSINE_SIMILARITY_EPSILON: f64 = 1e-8;

/// Scales every row of `[batch, width]` to L2 norm 1; norms below 1e-12 count as 1e-12.
pub(super) fn normalize<B: Backend>(rows: Tensor<B, 2>) -> Tensor<B, 2> {
    scale_to_unit(rows, NORMALIZE_EPSILON)
}

/// Cosine of row `i` of `left` with row `i` of `right`, both `[batch, width]`: `[batch]`.
///
/// Norms below 1e-8 count as 1e-8, as in PyTorch's `cosine_similarity`.
///
/// # Panics
///
/// If the shapes differ.
pub(super) fn row_cosines<B: Backend>(left: Tensor<B, 2>, right: Tensor<B, 2>) -> Tensor<B, 1> {
    row_products(
        scale_to_unit(left, COSINE_SIMILARITY_EPSILON),
        scale_to_unit(right, COSINE_SIMILARITY_EPSILON),
    )
}

/// As [`row_cosines`], but norms below 1e-12 count as 1e-12, as in sentence-transformers'
/// `pairwise_cos_sim`.
///
/// # Panics
///
/// If the shapes differ.
pub(super) fn pairwise_cosines<B: Backend>(
    left: Tensor<B, 2>,
    right: Tensor<B, 2>,
) -> Tensor<B, 1> {
    row_products(normalize(left), normalize(right))
}

/// Cosine of every row of `left` `[rows, width]` with every row of `right` `[columns, width]`:
/// `[rows, columns]`.
///
/// # Panics
///
/// If the widths differ.
pub(super) fn cosine_matrix<B: EncoderOps>(
    left: Tensor<B, 2>,
    right: Tensor<B, 2>,
) -> Tensor<B, 2> {
    B::exact_matmul(normalize(left), normalize(right).transpose())
}

/// As [`cosine_matrix`], but norms below 1e-8 count as 1e-8, as in PyTorch's `cosine_similarity`.
///
/// # Panics
///
/// If the widths differ.
pub(super) fn similarity_matrix<B: EncoderOps>(
    left: Tensor<B, 2>,
    right: Tensor<B, 2>,
) -> Tensor<B, 2> {
    let right = scale_to_unit(right, COSINE_SIMILARITY_EPSILON);
    B::exact_matmul(
        scale_to_unit(left, COSINE_SIMILARITY_EPSILON),
        right.transpose(),
    )
}

/// Dot product of row `i` of `left` with row `i` of `right`, both `[batch, width]`: `[batch]`.
///
/// # Panics
///
/// If the shapes differ.
pub(super) fn row_products<B: Backend>(left: Tensor<B, 2>, right: Tensor<B, 2>) -> Tensor<B, 1> {
    (left * right).sum_dim(1).squeeze_dim(1)
}

fn scale_to_unit<B: Backend>(rows: Tensor<B, 2>, shortest: f64) -> Tensor<B, 2> {
    // Clamped before the root, whose gradient at 0 is infinite: 0 times infinity would be NaN.
    let square = rows
        .clone()
        .square()
        .sum_dim(1)
        .clamp_min(shortest * shortest);
    rows / square.sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_device::on_test_device;
    use crate::testing::{assert_close, values};

    /// Three roundings in f32.
    const TOLERANCE: f32 = 1e-6;

    fn tensor<B: Backend, const N: usize>(device: &B::Device, rows: [[f32; 2]; N]) -> Tensor<B, 2> {
        Tensor::from_floats(rows, device)
    }

    #[test]
    fn cosines_of_rows() {
        fn body<B: EncoderOps>(device: &B::Device) {
            let left = [[3.0, 4.0], [0.0, 0.0], [1.0, 0.0], [0.0, 2.0]];
            let left = tensor::<B, _>(device, left);
            let right = tensor(device, [[4.0, 3.0], [1.0, 2.0], [-2.0, 0.0], [5.0, 0.0]]);
            let expected = [0.96, 0.0, -1.0, 0.0];
            for cosines in [row_cosines, pairwise_cosines] {
                let actual = values(cosines(left.clone(), right.clone()));
                assert_close("cosines", &actual, &expected, TOLERANCE);
            }
        }
        on_test_device!(body);
    }

    #[test]
    fn cosines_of_all_with_all() {
        fn body<B: EncoderOps>(device: &B::Device) {
            let matrix = cosine_matrix(
                tensor::<B, _>(device, [[3.0, 4.0], [0.0, 0.0]]),
                tensor(device, [[4.0, 3.0], [0.0, -1.0], [10.0, 0.0]]),
            );
            assert_eq!(matrix.dims(), [2, 3]);
            let expected = [0.96, -0.8, 0.6, 0.0, 0.0, 0.0];
            assert_close("matrix", &values(matrix), &expected, TOLERANCE);
        }
        on_test_device!(body);
    }

    #[test]
    fn the_shortest_lengths_are_those_of_pytorch() {
        fn body<B: EncoderOps>(device: &B::Device) {
            let left = tensor::<B, _>(device, [[1e-9, 0.0]]);
            let right = tensor(device, [[1.0, 0.0]]);
            let cosine = values(row_cosines(left.clone(), right.clone()));
            assert_close("below 1e-8", &cosine, &[0.1], TOLERANCE);
            let cosine = values(pairwise_cosines(left, right.clone()));
            assert_close("above 1e-12", &cosine, &[1.0], TOLERANCE);
            let cosine = values(pairwise_cosines(tensor(device, [[1e-13, 0.0]]), right));
            assert_close("below 1e-12", &cosine, &[0.1], TOLERANCE);
        }
        on_test_device!(body);
    }
}
