//! Half precision (float16, bfloat16) for weights and activations, and the operations that stay in float32.
//!
//! burn 0.21 sums products of float16 and bfloat16 in float32 (`MatmulElems::from_globals` in cubek-matmul), and sums and
//! means of them, too (`ReduceOperationConfig::precision` in cubek-reduce). It stores intermediate results in half
//! precision. That is enough between layers, and too little inside three operations, which upcast their input and round
//! once at the end:
//!
//! - LayerNorm: the squares of centred values pass float16's 65,504 from 256 on, and bfloat16's mean has 8 bits. The
//!   residual addition is upcast as well; gamma and beta are float32.
//! - Activations: burn's shaders compute erf as a polynomial in the type of the input.
//! - Softmax: half-precision scores are upcast before the float32 position bias is added; the weights are rounded last.
//!
//! A sentence vector is pooled and normalized in float32 from the last hidden states.

use burn::tensor::backend::Backend;
use burn::tensor::{DType, FloatDType, Tensor};
use cpu_kernels::Precision;

/// float32, and the half precisions that the device supports.
pub(crate) fn precisions<B: Backend>(device: &B::Device) -> Vec<Precision> {
    let half_precisions = [
        (Precision::Float16, DType::F16),
        (Precision::Bfloat16, DType::BF16),
    ];
    let supported = half_precisions
        .into_iter()
        .filter(|(_, dtype)| B::supports_dtype(device, *dtype))
        .map(|(precision, _)| precision);
    std::iter::once(Precision::Float32)
        .chain(supported)
        .collect()
}

/// The element type of tensors in this precision; none where weights must be packed.
#[must_use]
pub fn element_type(precision: Precision) -> Option<FloatDType> {
    match precision {
        Precision::Float32 => Some(FloatDType::F32),
        Precision::Float16 => Some(FloatDType::F16),
        Precision::Bfloat16 => Some(FloatDType::BF16),
        _ => None,
    }
}

/// float16 and bfloat16 as float32; any other type as it is.
#[must_use]
pub fn upcast<B: Backend, const D: usize>(values: Tensor<B, D>) -> Tensor<B, D> {
    match values.dtype() {
        DType::F16 | DType::BF16 => values.cast(FloatDType::F32),
        _ => values,
    }
}

/// Computes in float32 on half-precision values, and rounds the result to their type.
pub(crate) fn in_float32<B: Backend, const D: usize>(
    values: Tensor<B, D>,
    compute: impl FnOnce(Tensor<B, D>) -> Tensor<B, D>,
) -> Tensor<B, D> {
    let dtype = values.dtype();
    compute(upcast(values)).cast(dtype)
}

/// The reference implementations, which GPUs use, with half-precision tensors on the CPU.
#[cfg(test)]
#[cfg(feature = "cpu")]
mod tests {
    use burn::tensor::{Distribution, Tolerance};
    use burn_flex::Flex;
    use cpu_kernels::Activation;

    use super::*;
    use crate::reference;
    use crate::weights::{LayerNormWeights, LinearWeights};

    type Rows = Tensor<Flex, 2>;

    /// Numbers of half precision, some so large that their squares are no float16.
    fn numbers(shape: [usize; 2], scale: f64, dtype: FloatDType) -> Rows {
        let numbers = Rows::random(shape, Distribution::Normal(0.0, scale), &Default::default());
        numbers.cast(dtype)
    }

    /// The operation rounds once, at its end: as `expected` rounded, except the neighbour when a
    /// float32 lies between two.
    #[track_caller]
    fn assert_rounded_once(actual: &Rows, expected: Rows, dtype: FloatDType) {
        assert_eq!(FloatDType::from(actual.dtype()), dtype);
        // Half of the last of 11 and of 8 bits, and a little.
        let relative = if dtype == FloatDType::F16 { 5e-4 } else { 4e-3 };
        let tolerance = Tolerance::<f32>::relative(relative * 1.01).set_absolute(1e-4);
        upcast(actual.clone())
            .into_data()
            .assert_approx_eq(&expected.into_data(), tolerance);
    }

    #[test]
    fn layer_norm_and_activations_round_once() {
        for dtype in [FloatDType::F16, FloatDType::BF16] {
            let [values, residual] = [300.0, 40.0].map(|scale| numbers([7, 33], scale, dtype));
            let norm = LayerNormWeights {
                gamma: Tensor::random([33], Distribution::Normal(1.0, 0.3), &Default::default()),
                beta: Tensor::random([33], Distribution::Normal(0.0, 0.3), &Default::default()),
                epsilon: 1e-5,
            };
            let exact = reference::add_layer_norm(
                upcast(values.clone()),
                upcast(residual.clone()),
                norm.clone(),
            );
            let rounded = reference::add_layer_norm(values, residual, norm);
            assert_rounded_once(&rounded, exact, dtype);

            let values = numbers([7, 33], 2.0, dtype);
            let gradient = numbers([7, 33], 1.0, dtype);
            for activation in [
                Activation::Gelu,
                Activation::GeluTanh,
                Activation::Relu,
                Activation::Silu,
                Activation::Tanh,
            ] {
                let exact = reference::activation(upcast(values.clone()), activation);
                let rounded = reference::activation(values.clone(), activation);
                assert_rounded_once(&rounded, exact, dtype);
                let back =
                    |values, gradient| reference::activation_backward(values, gradient, activation);
                let exact = back(upcast(values.clone()), upcast(gradient.clone()));
                let rounded = back(values.clone(), gradient.clone());
                assert_rounded_once(&rounded, exact, dtype);
            }
        }
    }

    #[test]
    fn a_linear_layer_gives_what_it_takes() {
        for dtype in [FloatDType::F16, FloatDType::BF16] {
            let input = numbers([5, 16], 1.0, dtype);
            let weight = numbers([16, 9], 1.0, dtype);
            let bias = numbers([1, 9], 1.0, dtype).squeeze_dim::<1>(0);
            let layer = |weight, bias| LinearWeights::Unpacked { weight, bias };
            let exact = reference::linear(
                upcast(input.clone()),
                layer(upcast(weight.clone()), upcast(bias.clone())),
                Activation::Identity,
            );
            let rounded = reference::linear(input, layer(weight, bias), Activation::Identity);
            assert_eq!(FloatDType::from(rounded.dtype()), dtype);
            // Rounded behind the product and behind the bias; both are below 16 here.
            let step = if dtype == FloatDType::F16 {
                8e-3
            } else {
                6.3e-2
            };
            upcast(rounded)
                .into_data()
                .assert_approx_eq(&exact.into_data(), Tolerance::<f32>::absolute(2.0 * step));
        }
    }

    #[test]
    fn other_numbers_stay_as_they_are() {
        let device = Default::default();
        let single = Tensor::<Flex, 1>::from_data([1.0f32, 2.5], &device);
        assert_eq!(upcast(single.clone()).dtype(), DType::F32);
        let double = single.cast(FloatDType::F64);
        assert_eq!(upcast(double).dtype(), DType::F64);
    }
}
