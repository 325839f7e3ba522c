use plotters::coord::ranged1d::{Ranged, ValueFormatter};
use proptest::prelude::*;

use super::super::html::tests::unbalanced;
use super::super::summary::tests::{evaluation, sample, step};
use super::axis::extent;
use super::*;

/// What is wrong with a picture.
fn wrong(svg: &str) -> Option<String> {
    let lower = svg.to_lowercase();
    if let Some(text) = ["nan", "inf\"", "infinity"]
        .iter()
        .find(|text| lower.contains(**text))
    {
        return Some(format!("{text} in {svg}"));
    }
    if svg.matches("<svg ").count() != 1 || !svg.trim_end().ends_with("</svg>") {
        return Some(format!("not one picture: {svg}"));
    }
    unbalanced(svg)
}

/// All pictures of a history, checked.
fn pictures(history: &History, reference: Option<&ReferenceCurve>) -> [Option<String>; 3] {
    let pictures = [
        loss(history, reference).unwrap(),
        learning_rate(history).unwrap(),
        scores(history).unwrap(),
    ];
    for picture in pictures.iter().flatten() {
        assert_eq!(wrong(picture), None);
    }
    pictures
}

fn of_losses(losses: &[f64]) -> History {
    let steps = losses.iter().zip(1..);
    History {
        events: steps.map(|(loss, at)| step(at, *loss, 1e-5)).collect(),
    }
}

#[test]
fn a_sample_has_lines_dots_and_labels() {
    let reference = ReferenceCurve {
        label: "reference & <more>".to_owned(),
        points: vec![(5.5, 1.75), (15.5, 1.5), (395.5, 0.25)],
    };
    let [loss, rate, scores] = pictures(&sample(), Some(&reference)).map(Option::unwrap);
    assert_eq!(
        loss.matches("<polyline").count() - rate.matches("<polyline").count(),
        2 + 3
    );
    for text in [
        "mean of 20 steps",
        "reference &amp; &lt;more&gt;",
        "\nstep\n",
        "\nloss\n",
    ] {
        assert!(loss.contains(text), "{text}");
    }
    assert!(rate.contains("1.0e-5"));
    for text in ["ndcg@10", "accuracy@1", "mrr@10"] {
        assert!(scores.contains(text), "{text}");
    }
    // A dot per evaluation, of which there are nine, and one per label.
    assert_eq!(scores.matches("<circle").count(), 3 * 10);
}

#[test]
fn nothing_is_no_picture() {
    assert_eq!(pictures(&History::default(), None), [None, None, None]);
    let [loss, rate, _] = pictures(&of_losses(&[f64::NAN, f64::INFINITY]), None);
    assert!(loss.is_none() && rate.is_some());
}

#[test]
fn one_point_is_a_dot() {
    let mut history = of_losses(&[0.5]);
    history.events.push(evaluation(0, &[("a", 1.0)]));
    for picture in pictures(&history, None) {
        assert_eq!(picture.unwrap().matches("<circle").count(), 1);
    }
}

#[test]
fn any_range_can_be_drawn() {
    let ranges = [
        [0.0, 0.0],
        [5e-324, 0.0],
        [f64::MAX, f64::MIN],
        [f64::MAX, f64::MAX],
        [1e16, 1e16 + 2.0],
        [-1e-300, 1e-300],
        [1e-7, 3e-7],
    ];
    for range in ranges {
        let [loss, ..] = pictures(&of_losses(&range), None);
        assert_eq!(loss.unwrap().matches("<circle").count(), 2, "{range:?}");
    }
}

#[test]
fn labels_are_told_apart() {
    let labels = |low: f64, high: f64| -> Vec<String> {
        let axis = Axis::between(low, high, 6.0);
        let points = axis.key_points(plotters::coord::ranged1d::BoldPoints(10));
        points.iter().map(|value| axis.format_ext(value)).collect()
    };
    assert_eq!(labels(0.0, 1.0), ["0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
    assert_eq!(labels(-1.0, 1.0), ["-1.0", "-0.5", "0", "0.5", "1.0"]);
    assert_eq!(
        labels(0.0, 2e-5),
        ["0", "5e-6", "1.0e-5", "1.5e-5", "2.0e-5"]
    );
    assert_eq!(labels(0.912, 0.9131).len(), 6);
}

#[test]
fn many_points_keep_their_extremes() {
    let mut losses = vec![1.0; 100_000];
    losses[77_777] = 9.0;
    losses[12_345] = 0.25;
    let thinned = thin(&drawable((0..).map(f64::from).zip(losses)));
    assert!(thinned.len() <= MOST_POINTS);
    assert_eq!(extent(thinned.iter().map(|point| point.1)), (0.25, 9.0));
    assert!(thinned.is_sorted_by(|a, b| a.0 <= b.0));
}

#[test]
fn the_mean_moves() {
    let points = [(1.0, 1.0), (2.0, 3.0), (3.0, 8.0), (4.0, 1.0)];
    assert_eq!(moving_mean(&points, 3), [(2.0, 4.0), (3.0, 4.0)]);
    assert_eq!(moving_mean(&points, 1), points);
}

#[test]
fn many_scores_have_a_bounded_legend() {
    let names: Vec<String> = (0..40)
        .map(|number| format!("a long name of score {number}"))
        .collect();
    let scores: Vec<(&str, f64)> = names.iter().map(|name| (name.as_str(), 0.5)).collect();
    let history = History {
        events: vec![evaluation(0, &scores)],
    };
    let [.., picture] = pictures(&history, None);
    assert!(picture.unwrap().contains("more"));
}

#[test]
fn control_characters_are_left_out() {
    let history = History {
        events: vec![evaluation(0, &[("a\u{1b}\0\u{ffff}b", 0.5), ("c", 0.5)])],
    };
    let [.., picture] = pictures(&history, None);
    assert!(picture.unwrap().contains("a   b"));
}

fn number() -> impl Strategy<Value = f64> {
    prop_oneof![
        any::<f64>(),
        -1.0..10.0,
        Just(f64::NAN),
        Just(0.0),
        Just(f64::INFINITY)
    ]
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None, ..ProptestConfig::with_cases(200)
    })]

    #[test]
    fn any_history_is_drawn_or_nothing(
        steps in prop::collection::vec((any::<usize>(), number(), number()), 0..80),
        evaluations in prop::collection::vec((0_usize..500, "[^nNiI]{0,12}", number()), 0..12),
        reference in prop::option::of(prop::collection::vec((number(), number()), 0..9)),
    ) {
        let finite = steps.iter().any(|(_, loss, _)| loss.is_finite());
        let mut history = History::default();
        history.events.extend(steps.iter().map(|(at, loss, rate)| step(*at, *loss, *rate)));
        for (at, name, value) in &evaluations {
            history.events.push(evaluation(*at, &[(name, *value)]));
        }
        let label = "reference".to_owned();
        let reference = reference.map(|points| ReferenceCurve { label, points });
        let [loss, ..] = pictures(&history, reference.as_ref());
        prop_assert_eq!(loss.is_some(), finite);
    }
}
