//! The loss of a tagger: cross-entropy where a token has one right tag, and its marginal form where it may have several.

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

/// Stands for a wrong output: its exponential is 0.
const WRONG: f32 = -1e30;

/// The mean over the scored tokens of `-log sum(p(tag))`, the sum over the tags that may be right; `[1]`.
///
/// `logits` are `[tokens, outputs]`. `possible` has as many numbers, row by row: 1 for an output that may be right, 0 for one
/// that is wrong. Where one output may be right this is the cross-entropy; where all may be, the loss and its gradient are 0,
/// and the token does not count. The gradient of the others is `p - q`, with `q` the probabilities among the outputs that
/// may be right (partial labels: Jin and Ghahramani, "Learning with Multiple Labels", 2002).
///
/// # Panics
///
/// When the numbers are not as many as the logits.
pub(super) fn cross_entropy<B: Backend>(
    logits: Tensor<B, 2>,
    possible: Tensor<B, 1>,
) -> Tensor<B, 1> {
    let possible = possible.reshape(logits.dims());
    let wrong = possible.clone().equal_elem(0.0);
    let scored = wrong.clone().any_dim(1).float().sum();
    let among = logits.clone().mask_fill(wrong, WRONG);
    let losses = log_sum_exp(logits) - log_sum_exp(among);
    losses.sum() / scored.clamp_min(1.0)
}

/// `log(sum(exp(row)))`: `[rows, 1]`.
fn log_sum_exp<B: Backend>(rows: Tensor<B, 2>) -> Tensor<B, 2> {
    let largest = rows.clone().max_dim(1).detach();
    (rows - largest.clone()).exp().sum_dim(1).log() + largest
}

#[cfg(test)]
mod tests {
    use burn::backend::Autodiff;
    use burn::tensor::TensorData;
    use burn::tensor::activation::log_softmax;
    use model::backend::EncoderOps;

    use super::*;
    use crate::test_device::on_test_device;
    use crate::testing::{assert_close, values};

    const OUTPUTS: usize = 4;

    /// Logits of six tokens, the last of them far apart.
    fn logits() -> Vec<f32> {
        let spread = (0..5 * OUTPUTS).map(|place| ((place * 7 + 3) % 11) as f32 * 0.5 - 2.5);
        spread.chain([80.0, -80.0, 0.0, 79.0]).collect()
    }

    /// The loss, and its gradient.
    fn computed<B: EncoderOps>(device: &B::Device, possible: &[f32]) -> (f32, Vec<f32>) {
        let rows = possible.len() / OUTPUTS;
        let data = TensorData::new(logits()[..possible.len()].to_vec(), [rows, OUTPUTS]);
        let logits = Tensor::<Autodiff<B>, 2>::from_data(data, device).require_grad();
        let loss = cross_entropy(logits.clone(), Tensor::from_floats(possible, device));
        let gradients = loss.backward();
        (values(loss)[0], values(logits.grad(&gradients).unwrap()))
    }

    /// Of f32: exponentials, and a logarithm of their sum.
    const TOLERANCE: f32 = 1e-6;

    #[test]
    fn with_one_right_tag_it_is_the_cross_entropy() {
        fn body<B: EncoderOps>(device: &B::Device) {
            let right = [0, 3, 1, 2, 2, 3];
            let possible: Vec<f32> = right
                .iter()
                .flat_map(|&right| {
                    (0..OUTPUTS).map(move |output| if output == right { 1.0 } else { 0.0 })
                })
                .collect();
            let (loss, gradient) = computed::<B>(device, &possible);
            let data = TensorData::new(logits(), [6, OUTPUTS]);
            let reference = Tensor::<Autodiff<B>, 2>::from_data(data, device).require_grad();
            let chosen = log_softmax(reference.clone(), 1)
                * Tensor::<Autodiff<B>, 1>::from_floats(possible.as_slice(), device)
                    .reshape([6, OUTPUTS]);
            let mean = -chosen.sum() / 6.0;
            let gradients = mean.backward();
            assert_close("loss", &[loss], &values(mean), TOLERANCE);
            assert_close(
                "gradient",
                &gradient,
                &values(reference.grad(&gradients).unwrap()),
                TOLERANCE,
            );
        }
        on_test_device!(body);
    }

    #[test]
    fn with_several_it_is_that_of_their_sum() {
        fn body<B: EncoderOps>(device: &B::Device) {
            // One right tag, two, three, all, two, two that are far apart.
            let possible = [
                1.0, 0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0,
                0.0, 1.0, 0.0, 1.0, 0.0, 0.0, 1.0, 1.0,
            ];
            let (loss, gradient) = computed::<B>(device, &possible);
            let (mut sum, mut expected) = (0.0_f64, Vec::new());
            for (row, possible) in logits().chunks(OUTPUTS).zip(possible.chunks(OUTPUTS)) {
                let powers: Vec<f64> = row
                    .iter()
                    .map(|logit| (f64::from(*logit) - 80.0).exp())
                    .collect();
                let all: f64 = powers.iter().sum();
                let among: f64 = powers
                    .iter()
                    .zip(possible)
                    .map(|(power, possible)| power * f64::from(*possible))
                    .sum();
                sum += all.ln() - among.ln();
                let of_row = powers
                    .iter()
                    .zip(possible)
                    .map(|(power, possible)| power / all - power * f64::from(*possible) / among);
                // Five tokens are scored.
                expected.extend(of_row.map(|value| (value / 5.0) as f32));
            }
            assert_close("loss", &[loss], &[(sum / 5.0) as f32], TOLERANCE);
            assert_close("gradient", &gradient, &expected, TOLERANCE);
            assert!(
                gradient[3 * OUTPUTS..4 * OUTPUTS]
                    .iter()
                    .all(|value| *value == 0.0),
                "{gradient:?}"
            );
        }
        on_test_device!(body);
    }

    #[test]
    fn tokens_that_may_be_anything_teach_nothing() {
        fn body<B: EncoderOps>(device: &B::Device) {
            let (loss, gradient) = computed::<B>(device, &[1.0; 2 * OUTPUTS]);
            assert_eq!((loss, gradient), (0.0, vec![0.0; 2 * OUTPUTS]));
        }
        on_test_device!(body);
    }
}
