//! Known answers, and the hard pairs of `online-contrastive` against lists.

use burn::backend::Autodiff;
use model::backend::EncoderOps;
use proptest::prelude::*;

use super::*;
use crate::test_device::on_test_device;
use crate::testing::{assert_close, cases, values};

#[test]
fn known_answer_of_mean_squared_error() {
    fn body<B: EncoderOps>(device: &B::Device) {
        let left = Tensor::<B, 2>::from_floats([[1.0, 2.0], [0.0, -1.0]], device);
        let right = Tensor::from_floats([[1.0, 0.0], [3.0, 0.0]], device);
        // (0 + 4 + 9 + 1) / 4, exact in f32.
        assert_eq!(values(mean_squared_error(left, right)), [3.5]);
    }
    on_test_device!(body);
}

#[test]
fn known_answer_of_cosine_distance() {
    fn body<B: EncoderOps>(device: &B::Device) {
        let left = Tensor::<B, 2>::from_floats([[3.0, 4.0], [2.0, 0.0]], device);
        let right = Tensor::from_floats([[4.0, 3.0], [-1.0, 0.0]], device);
        let loss = values(cosine_distance(left, right));
        // (0.04 + 2) / 2, a few roundings off.
        assert_close("loss", &loss, &[1.02], 1e-6);
    }
    on_test_device!(body);
}

#[test]
fn known_answer_of_cosine_similarity() {
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

fn cosent_loss(scores: [f32; 3], scale: f64) -> f32 {
    fn body<B: EncoderOps>(device: &B::Device, scores: [f32; 3], scale: f64) -> f32 {
        // Cosines 0.8, 0 and 1.
        let left = Tensor::<B, 2>::from_floats([[4.0, 3.0]; 3], device);
        let right = Tensor::from_floats([[2.0, 0.0], [-3.0, 4.0], [8.0, 6.0]], device);
        let scores = Tensor::from_floats(scores, device);
        values(cosent(left, right, scores, scale))[0]
    }
    on_test_device!(body(scores: [f32; 3], scale: f64) -> f32)
}

/// A few roundings in f32.
const TOLERANCE: f32 = 1e-6;

#[test]
fn known_answer_of_cosent() {
    // The lower score first: (third, first), (third, second), (second, first).
    let expected = (1.0f32 + 0.2f32.exp() + 1f32.exp() + (-0.8f32).exp()).ln();
    assert_close(
        "loss",
        &[cosent_loss([3.0, 2.0, 1.0], 1.0)],
        &[expected],
        TOLERANCE,
    );
    // (second, first), (second, third), (first, third).
    let expected = (1.0f32 + (-4f32).exp() + (-5f32).exp() + (-1f32).exp()).ln();
    assert_close(
        "loss",
        &[cosent_loss([0.5, -7.0, 1e9], 5.0)],
        &[expected],
        TOLERANCE,
    );
}

#[test]
fn equal_scores_say_nothing() {
    assert_eq!(cosent_loss([0.5; 3], 20.0), 0.0);
    // (first, third) and (second, third); the first two are a tie.
    let expected = (1.0f32 + (-0.2f32).exp() + (-1f32).exp()).ln();
    assert_close(
        "loss",
        &[cosent_loss([0.0, 0.0, 1.0], 1.0)],
        &[expected],
        TOLERANCE,
    );
}

#[test]
fn large_scales_do_not_overflow() {
    // The largest of 0.2, 1 and -0.8 times the scale is all that is left.
    let actual = cosent_loss([3.0, 2.0, 1.0], 1e6);
    assert_close("loss", &[actual], &[1e6], 1e6 * TOLERANCE);
    assert_eq!(cosent_loss([2.0, 1.0, 3.0], 1e6), 0.0);
}

#[test]
fn known_answer_of_contrastive() {
    fn body<B: EncoderOps>(device: &B::Device) {
        // Distances 0.2, 0.2, 2 and 0.2.
        let left = Tensor::<B, 2>::from_floats([[4.0, 3.0]; 4], device);
        let right = Tensor::from_floats([[1.0, 0.0], [2.0, 0.0], [-4.0, -3.0], [3.0, 0.0]], device);
        let labels = Tensor::from_floats([1.0, 0.0, 0.0, 0.5], device);
        let loss = values(contrastive(left, right, labels, 0.5));
        // Halves of 0.2^2, 0.3^2, nothing, and (0.2^2 + 0.3^2) / 2; a few roundings off.
        let expected = (0.04 + 0.09 + 0.0 + 0.065) / 2.0 / 4.0;
        assert_close("loss", &loss, &[expected], 1e-6);
    }
    on_test_device!(body);
}

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
fn known_answer_of_online_contrastive() {
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
