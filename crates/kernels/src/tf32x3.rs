//! 3xTF32: float32 matmul from three products on tensor cores.
//!
//! burn multiplies float32 matrices on NVIDIA's tensor cores as TF32, which keeps 11 bits of each factor (`adjust_dtypes` in
//! cubek-matmul's `definition/blueprint.rs`): vectors would be wrong in the fourth digit. So each factor is split into two
//! parts, the nearest bfloat16 (`high`) and the rest (`low`), and three products of the parts are added. AMX computes
//! float32 in the same way (`cpu/amx`). The fourth product, of both low parts, is left out: it is up to `2^-16` of a
//! product, and in sums of hundreds most of it cancels. An infinite factor, or one above the largest bfloat16 (3.39e38),
//! makes the product NaN.

use burn::tensor::backend::Backend;
use burn::tensor::{DType, FloatDType, Tensor};

/// `left * right` from three products in float32; in any other type burn's matmul.
pub(crate) fn matmul<B: Backend, const D: usize>(
    left: Tensor<B, D>,
    right: Tensor<B, D>,
) -> Tensor<B, D> {
    if [left.dtype(), right.dtype()] != [DType::F32; 2] {
        return left.matmul(right);
    }
    let ([left, left_low], [right, right_low]) = (parts(left), parts(right));
    // The small ones first: added to the large one they lose nothing among themselves.
    let small = left_low.matmul(right.clone()) + left.clone().matmul(right_low);
    left.matmul(right) + small
}

/// The nearest bfloat16, and the rest.
fn parts<B: Backend, const D: usize>(values: Tensor<B, D>) -> [Tensor<B, D>; 2] {
    let high = values.clone().cast(FloatDType::BF16).cast(FloatDType::F32);
    let low = values - high.clone();
    [high, low]
}

#[cfg(test)]
#[cfg(feature = "cpu")]
mod tests {
    use burn::tensor::{Distribution, Tolerance};
    use burn_flex::Flex;

    use super::*;

    #[test]
    fn the_parts_add_up_and_fit_where_they_have_to() {
        let device = Default::default();
        let values = Tensor::<Flex, 2>::random([50, 70], Distribution::Normal(0.0, 3.0), &device);
        let [high, low] = parts(values.clone());
        let sum = (high + low.clone()).into_data();
        sum.assert_eq(&values.to_data(), true);
        let largest = (low / values).abs().max().into_scalar();
        assert!(largest <= 2f32.powi(-8), "{largest}");
    }

    #[test]
    fn three_products_are_almost_that_of_float32() {
        let device = Default::default();
        let random = |shape: [usize; 3]| {
            Tensor::<Flex, 3>::random(shape, Distribution::Normal(0.0, 1.0), &device)
        };
        let (left, right) = (random([3, 20, 300]), random([3, 300, 30]));
        let expected = left.clone().matmul(right.clone()).into_data();
        // 300 products of two standard normals, each off by up to 2^-16 of its size and by some 2^-18 mostly: 5e-5 in
        // the mean of their sums, and no more than eight times as much in any.
        let tolerance = Tolerance::absolute(4e-4);
        matmul(left, right)
            .into_data()
            .assert_approx_eq::<f32>(&expected, tolerance);
    }
}
