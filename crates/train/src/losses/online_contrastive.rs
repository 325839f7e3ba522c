//! `online-contrastive`: the contrastive loss on the hard pairs of a batch.
//!
//! `sum over hard pairs of label 1 of d^2 + sum over hard pairs of label 0 of
//! max(margin - d, 0)^2`, with `d = 1 - cos(left, right)`
//!
//! A pair of label 1 is hard if it is farther apart than the nearest pair of label 0; a pair of label
//! 0 is hard if it is nearer than the farthest pair of label 1. If the batch has no pair of the other
//! label, the mean distance of the pair's own label is the limit. There is no paper: it is
//! sentence-transformers' `OnlineContrastiveLoss`
//! (`sentence_transformers/losses/OnlineContrastiveLoss.py`, version 6; version 5.7.0 also takes the
//! mean if the other label has exactly one pair). It is a sum, not a mean. Pairs with a label other
//! than 0 and 1 do not count.

use burn::tensor::activation::relu;
use burn::tensor::backend::Backend;
use burn::tensor::{Bool, Tensor};

use super::cosine_distance::cosine_distances;

/// The loss of `left` and `right`, both `[batch, width]`, with `labels` `[batch]`: `[1]`.
///
/// # Panics
///
/// If the shapes differ.
pub fn online_contrastive<B: Backend>(
    left: Tensor<B, 2>,
    right: Tensor<B, 2>,
    labels: Tensor<B, 1>,
    margin: f64,
) -> Tensor<B, 1> {
    loss_of_distances(cosine_distances(left, right), labels, margin)
}

/// The loss of the distances `[batch]` of pairs.
fn loss_of_distances<B: Backend>(
    distances: Tensor<B, 1>,
    labels: Tensor<B, 1>,
    margin: f64,
) -> Tensor<B, 1> {
    let alike = labels.clone().equal_elem(1.0);
    let different = labels.equal_elem(0.0);
    // The choice of hard pairs has no gradient.
    let known = distances.clone().detach();

    let farthest_alike = known
        .clone()
        .mask_fill(alike.clone().bool_not(), f32::NEG_INFINITY)
        .max()
        .mask_where(none(&alike), mean_of(&known, &different));
    let nearest_different = known
        .clone()
        .mask_fill(different.clone().bool_not(), f32::INFINITY)
        .min()
        .mask_where(none(&different), mean_of(&known, &alike));

    let every = distances.shape();
    let hard_alike = alike.bool_and(
        known
            .clone()
            .greater(nearest_different.expand(every.clone())),
    );
    let hard_different = different.bool_and(known.lower(farthest_alike.expand(every)));

    let together = distances.clone().mask_fill(hard_alike.bool_not(), 0.0);
    let apart = relu(-distances + margin).mask_fill(hard_different.bool_not(), 0.0);
    together.square().sum() + apart.square().sum()
}

/// Whether the mask is false everywhere: `[1]`.
fn none<B: Backend>(mask: &Tensor<B, 1, Bool>) -> Tensor<B, 1, Bool> {
    mask.clone().any().bool_not()
}

/// Mean of the values where the mask is true: `[1]`; 0 if it is true nowhere.
fn mean_of<B: Backend>(values: &Tensor<B, 1>, mask: &Tensor<B, 1, Bool>) -> Tensor<B, 1> {
    let sum = values.clone().mask_fill(mask.clone().bool_not(), 0.0).sum();
    sum / mask.clone().float().sum().clamp_min(1.0)
}

#[cfg(test)]
mod tests {
    use burn::backend::Autodiff;
    use model::backend::EncoderOps;
    use proptest::prelude::*;

    use super::*;
    use crate::test_device::on_test_device;
    use crate::testing::{assert_close, cases, values};

    /// Value and gradient.
    fn differentiate(distances: &[f32], labels: &[f32], margin: f64) -> (f32, Vec<f32>) {
        fn body<B: EncoderOps>(
            device: &B::Device,
            distances: &[f32],
            labels: &[f32],
            margin: f64,
        ) -> (f32, Vec<f32>) {
            let tracked = Tensor::<Autodiff<B>, 1>::from_floats(distances, device).require_grad();
            let labels = Tensor::from_floats(labels, device);
            let loss = loss_of_distances(tracked.clone(), labels, margin);
            let gradient = tracked.grad(&loss.backward()).unwrap();
            (values(loss)[0], values(gradient))
        }
        on_test_device!(
            body(distances: &[f32], labels: &[f32], margin: f64) -> (f32, Vec<f32>)
        )
    }

    /// The library's own lines, with lists: the selected pairs of both labels, then the sums.
    fn plain(distances: &[f32], labels: &[f32], margin: f32) -> (f32, Vec<f32>) {
        let of = |label: f32| -> Vec<f32> {
            let pairs = distances.iter().zip(labels);
            pairs
                .filter(|&(_, l)| *l == label)
                .map(|(d, _)| *d)
                .collect()
        };
        let (negatives, positives) = (of(0.0), of(1.0));
        let mean = |values: &[f32]| values.iter().sum::<f32>() / values.len() as f32;
        let farthest = positives.iter().copied().reduce(f32::max);
        let nearest = negatives.iter().copied().reduce(f32::min);
        let farthest = farthest.unwrap_or_else(|| mean(&negatives));
        let nearest = nearest.unwrap_or_else(|| mean(&positives));
        let (mut loss, mut gradient) = (0.0, Vec::new());
        for (&distance, &label) in distances.iter().zip(labels) {
            if label == 1.0 && distance > nearest {
                loss += distance * distance;
                gradient.push(2.0 * distance);
            } else if label == 0.0 && distance < farthest {
                let missing = (margin - distance).max(0.0);
                loss += missing * missing;
                gradient.push(-2.0 * missing);
            } else {
                gradient.push(0.0);
            }
        }
        (loss, gradient)
    }

    #[test]
    fn known_answer() {
        fn body<B: EncoderOps>(device: &B::Device) {
            // Distances 0.2, 1, 0.4 and 2.
            let left = Tensor::<B, 2>::from_floats([[4.0, 3.0]; 4], device);
            let right =
                Tensor::from_floats([[1.0, 0.0], [-3.0, 4.0], [0.0, 9.0], [-4.0, -3.0]], device);
            let labels = Tensor::from_floats([1.0, 1.0, 0.0, 0.0], device);
            // Hard are the second (1 > 0.4) and the third (0.4 < 1).
            let loss = values(online_contrastive(left, right, labels, 0.5));
            // 1^2 + 0.1^2, a few roundings off.
            assert_close("loss", &loss, &[1.01], 1e-6);
        }
        on_test_device!(body);
    }

    #[test]
    fn without_one_label_the_mean_of_the_other_tells_which_are_hard() {
        let (loss, gradient) = differentiate(&[0.25, 0.5, 0.75], &[1.0; 3], 0.5);
        assert_eq!((loss, gradient), (0.5625, vec![0.0, 0.0, 1.5]));
        let (loss, gradient) = differentiate(&[0.25, 0.5, 0.75], &[0.0; 3], 0.5);
        assert_eq!((loss, gradient), (0.0625, vec![-0.5, 0.0, 0.0]));
    }

    #[test]
    fn other_labels_do_not_count() {
        let (loss, gradient) = differentiate(&[0.25, 1.5], &[0.5, -1.0], 0.5);
        assert_eq!((loss, gradient), (0.0, vec![0.0, 0.0]));
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            failure_persistence: None, ..ProptestConfig::with_cases(cases())
        })]
        /// Multiples of 1/8 are exact, and ties among them frequent.
        #[test]
        fn masks_select_what_lists_select(
            pairs in prop::collection::vec((0u8..=16, 0u8..=2), 1..9),
            margin in 0u8..=16,
        ) {
            let distances: Vec<f32> = pairs.iter().map(|&(d, _)| f32::from(d) / 8.0).collect();
            let labels: Vec<f32> = pairs.iter().map(|&(_, label)| f32::from(label)).collect();
            let margin = f32::from(margin) / 8.0;
            prop_assert_eq!(
                differentiate(&distances, &labels, margin.into()),
                plain(&distances, &labels, margin)
            );
        }
    }
}
