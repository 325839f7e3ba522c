//! Products of float32 matrices where the device rounds their factors.
//!
//! burn multiplies float32 matrices on the tensor cores of NVIDIA's processors as TF32, which keeps 11 bits of
//! each factor (`adjust_dtypes` in cubek-matmul's `definition/blueprint.rs`): vectors would be off in the
//! fourth digit. Here each factor is cut in two, a bfloat16 and what is left, which both fit TF32 almost or
//! entirely, and three products of halves are added up; the fourth is below the last bits. It is the way of the
//! processor's own matrix unit too (`cpu/amx`). A factor keeps 17 bits or more, and a sum of hundreds of products
//! is as near as one of float32.

use burn::tensor::backend::Backend;
use burn::tensor::{DType, FloatDType, Tensor};

/// `left * right` from three products, in float32; in any other type burn's own.
pub(crate) fn product<B: Backend, const D: usize>(
    left: Tensor<B, D>,
    right: Tensor<B, D>,
) -> Tensor<B, D> {
    if [left.dtype(), right.dtype()] != [DType::F32; 2] {
        return left.matmul(right);
    }
    let ([left, left_rest], [right, right_rest]) = (halves(left), halves(right));
    // The small ones first: added to the large one they lose nothing among themselves.
    let small = left_rest.matmul(right.clone()) + left.clone().matmul(right_rest);
    left.matmul(right) + small
}

/// The nearest bfloat16, and what is missing.
fn halves<B: Backend, const D: usize>(values: Tensor<B, D>) -> [Tensor<B, D>; 2] {
    let near = values.clone().cast(FloatDType::BF16).cast(FloatDType::F32);
    let rest = values - near.clone();
    [near, rest]
}

#[cfg(all(test, feature = "cpu"))]
mod tests {
    use burn::tensor::{Distribution, Tolerance};
    use burn_flex::Flex;

    use super::*;

    #[test]
    fn the_halves_add_up_and_fit_where_they_have_to() {
        let device = Default::default();
        let values = Tensor::<Flex, 2>::random([50, 70], Distribution::Normal(0.0, 3.0), &device);
        let [near, rest] = halves(values.clone());
        let sum = (near + rest.clone()).into_data();
        sum.assert_eq(&values.to_data(), true);
        let largest = (rest / values).abs().max().into_scalar();
        assert!(largest <= 2f32.powi(-9) + f32::EPSILON, "{largest}");
    }

    #[test]
    fn three_products_are_almost_that_of_float32() {
        let device = Default::default();
        let random = |shape: [usize; 3]| {
            Tensor::<Flex, 3>::random(shape, Distribution::Normal(0.0, 1.0), &device)
        };
        let (left, right) = (random([3, 20, 300]), random([3, 300, 30]));
        let expected = left.clone().matmul(right.clone()).into_data();
        // 300 products, each off by up to 2^-18 of its size: in the mean far less, at most some 2e-4.
        let tolerance = Tolerance::absolute(2e-4);
        product(left, right)
            .into_data()
            .assert_approx_eq::<f32>(&expected, tolerance);
    }
}
