//! A model that gives all texts one vector scores as chance does, in every evaluator.

use super::testing::FakeEncoder;
use super::{
    Evaluator, Judgement, Ranking, RetrievalEvaluator, RetrievalOptions, Scores,
    SimilarityEvaluator, TripletEvaluator,
};

fn scores(evaluator: &dyn Evaluator) -> Scores {
    let constant = FakeEncoder::of(|_| [0.6, 0.8]);
    evaluator.evaluate(&constant).unwrap()
}

#[track_caller]
fn assert_scores(scores: &Scores, expected: &[(&str, f64)]) {
    for &(metric, expected) in expected {
        let value = scores.get(metric).unwrap();
        assert!(
            (value - expected).abs() < 1e-12,
            "{metric} is {value}, not {expected}"
        );
    }
}

/// Mean over the ranks 1 to `documents` of a value that is 0 beyond rank 10.
fn mean_of_ranks(documents: u32, value: fn(f64) -> f64) -> f64 {
    let first = (1..=10).map(|rank| value(f64::from(rank)));
    first.sum::<f64>() / f64::from(documents)
}

fn texts(numbers: std::ops::Range<usize>) -> Vec<String> {
    numbers.map(|number| number.to_string()).collect()
}

#[test]
fn pairs() {
    let evaluator = RetrievalEvaluator::of_pairs([texts(0..40), texts(100..140)]).unwrap();
    let expected = [
        (
            "ndcg@10",
            mean_of_ranks(40, |rank| 1.0 / (rank + 1.0).log2()),
        ),
        ("accuracy@1", 1.0 / 40.0),
        ("mrr@10", mean_of_ranks(40, |rank| 1.0 / rank)),
    ];
    assert_scores(&scores(&evaluator), &expected);
}

#[test]
fn retrieval() {
    let judgements: Vec<Judgement> = (0..4)
        .map(|document| Judgement {
            query: 0,
            document: 10 * document,
            relevance: 1.0,
        })
        .collect();
    let documents = texts(0..40);
    let evaluator = RetrievalEvaluator::new(
        vec!["query".to_owned()],
        documents.clone(),
        &judgements,
        RetrievalOptions::default(),
    );
    let discounts: f64 = (1..=10).map(|rank| 1.0 / f64::from(rank + 1).log2()).sum();
    let best: f64 = (1..=4).map(|rank| 1.0 / f64::from(rank + 1).log2()).sum();
    // One in ten documents is relevant, and each is among the first ten of 40 in a quarter of all orders.
    let expected = [
        ("cosine_precision@1", 0.1),
        ("cosine_precision@10", 0.1),
        ("cosine_recall@10", 0.25),
        ("cosine_accuracy@1", 0.1),
        ("cosine_ndcg@10", 0.1 * discounts / best),
    ];
    assert_scores(&scores(&evaluator.unwrap()), &expected);

    let judgements = [(0, 0.0), (1, 1.0)].map(|(document, relevance)| Judgement {
        query: 0,
        document,
        relevance,
    });
    let evaluator = RetrievalEvaluator::new(
        vec!["query".to_owned()],
        documents,
        &judgements,
        RetrievalOptions {
            ranking: Ranking::Judged,
            ..RetrievalOptions::default()
        },
    );
    let expected = [("cosine_graded_ndcg@10", (1.0 + 1.0 / 3f64.log2()) / 2.0)];
    assert_scores(&scores(&evaluator.unwrap()), &expected);
}

#[test]
fn triplets() {
    let columns = [texts(0..5), texts(10..15), texts(20..25)];
    let evaluator = TripletEvaluator::new(columns).unwrap();
    assert_scores(&scores(&evaluator), &[("cosine_accuracy", 0.5)]);
}

/// Cosines that do not vary have no correlation, and NaN is never better than a number.
#[test]
fn scores_and_labels() {
    let columns = || [texts(0..10), texts(10..20)];
    let labels = || (0..10_u8).map(|row| f64::from(u8::from(row < 3))).collect();
    let of_scores = scores(&SimilarityEvaluator::new(columns(), labels()).unwrap());
    assert!(of_scores.iter().all(|(_, value)| value.is_nan()));
    let of_labels = scores(&SimilarityEvaluator::of_labels(columns(), labels()).unwrap());
    assert_eq!(of_labels.primary().0, "cosine_ap");
    assert_scores(&of_labels, &[("cosine_ap", 0.3)]);
}
