//! The evaluator against sentence-transformers, and against a plain sort of everything.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::evaluation::testing::{
    FakeEncoder, assert_reference, direction, encoder, reference, turn,
};

/// The reference's queries, documents and judgements.
fn reference_data() -> (Vec<String>, Vec<String>, Vec<Judgement>) {
    let reference = reference("retrieval");
    let texts = |side: &str| -> BTreeMap<String, String> {
        serde_json::from_value(reference[side].clone()).unwrap()
    };
    let (queries, documents) = (texts("queries"), texts("corpus"));
    let relevant: BTreeMap<String, Vec<String>> =
        serde_json::from_value(reference["relevant"].clone()).unwrap();
    let position = |texts: &BTreeMap<String, String>, id: &String| {
        texts.keys().position(|key| key == id).unwrap()
    };
    let judgements = relevant.iter().flat_map(|(query, found)| {
        let query = position(&queries, query);
        found
            .iter()
            .map(|id| position(&documents, id))
            .map(move |document| Judgement {
                query,
                document,
                relevance: 1.0,
            })
            .collect::<Vec<_>>()
    });
    let judgements = judgements.collect();
    (
        queries.into_values().collect(),
        documents.into_values().collect(),
        judgements,
    )
}

fn options(ranking: Ranking, chunk_size: usize) -> RetrievalOptions {
    RetrievalOptions {
        ranking,
        chunk_size,
        ..RetrievalOptions::default()
    }
}

fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|&text| text.to_owned()).collect()
}

fn judgements(of: &[(usize, usize, f64)]) -> Vec<Judgement> {
    of.iter()
        .map(|&(query, document, relevance)| Judgement {
            query,
            document,
            relevance,
        })
        .collect()
}

#[test]
fn as_sentence_transformers_in_any_chunks() {
    let (queries, documents, judgements) = reference_data();
    let encoder = encoder();
    for chunk_size in [7, 60, 16_384] {
        let evaluator = RetrievalEvaluator::new(
            queries.clone(),
            documents.clone(),
            &judgements,
            options(Ranking::All, chunk_size),
        )
        .unwrap();
        let scores = evaluator.evaluate(&encoder).unwrap();
        assert_reference(&scores, &reference("retrieval")["result"]);
        assert_eq!(scores.primary().0, "cosine_ndcg@10");
        // Grades of 0 and 1 are worth the same with every gain.
        assert_eq!(
            scores.get("cosine_graded_ndcg@10"),
            scores.get("cosine_ndcg@10")
        );
        assert_eq!(scores.iter().count(), 16);
    }
}

/// Grades by query and document; no document twice.
type Grades = Vec<BTreeMap<usize, u8>>;

/// The means over queries of all metrics, each from its formula: by counting over a full sort,
/// without `search::metrics`.
fn plain_scores(ranked: &[(Vec<f64>, Vec<f64>)]) -> BTreeMap<String, f64> {
    let mut sums: BTreeMap<String, f64> = BTreeMap::new();
    for (ranked, all) in ranked {
        // The ranks of the relevant documents, from 1.
        let ranks: Vec<f64> = (1..)
            .zip(ranked)
            .filter(|(_, relevance)| **relevance > 0.0)
            .map(|(rank, _)| f64::from(rank))
            .collect();
        let relevant = all.iter().filter(|relevance| **relevance > 0.0).count() as f64;
        let within = |k: f64| ranks.iter().filter(|rank| **rank <= k).count() as f64;
        let mut add = |name: String, value| *sums.entry(name).or_default() += value;
        for k in [1.0, 3.0, 5.0, 10.0] {
            add(format!("cosine_accuracy@{k}"), within(k).min(1.0));
            add(format!("cosine_precision@{k}"), within(k) / k);
            add(format!("cosine_recall@{k}"), within(k) / relevant);
        }
        let reciprocal = match ranks.first() {
            Some(&first) if first <= 10.0 => 1.0 / first,
            _ => 0.0,
        };
        add("cosine_mrr@10".to_owned(), reciprocal);
        // The precision at each relevant document that is found.
        let found = ranks.iter().filter(|rank| **rank <= 100.0);
        let precisions: f64 = found.map(|&rank| within(rank) / rank).sum();
        add(
            "cosine_map@100".to_owned(),
            precisions / relevant.min(100.0),
        );
        let binary = |relevance: f64| if relevance > 0.0 { 1.0 } else { 0.0 };
        let exponential = |relevance: f64| 2f64.powf(relevance) - 1.0;
        add("cosine_ndcg@10".to_owned(), plain_ndcg(ranked, all, binary));
        add(
            "cosine_graded_ndcg@10".to_owned(),
            plain_ndcg(ranked, all, exponential),
        );
    }
    for sum in sums.values_mut() {
        *sum /= ranked.len() as f64;
    }
    sums
}

/// The gains of the first ten results, each divided by `log2(rank + 1)`, over the same of the best
/// order: that in which the highest relevance that is left comes next.
fn plain_ndcg(ranked: &[f64], all: &[f64], gain: impl Fn(f64) -> f64) -> f64 {
    let mut left = all.to_vec();
    let (mut sum, mut best) = (0.0, 0.0);
    for place in 0..10 {
        let discount = (place as f64 + 2.0).ln() / 2f64.ln();
        if let Some(&relevance) = ranked.get(place) {
            sum += gain(relevance) / discount;
        }
        let highest = left.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        if let Some(taken) = left.iter().position(|&relevance| relevance == highest) {
            left.remove(taken);
            best += gain(highest) / discount;
        }
    }
    sum / best
}

#[test]
fn the_plain_formulas_by_hand() {
    // Relevant at ranks 2 and 3 of 4; three are relevant, one was not found.
    let scores = plain_scores(&[(vec![0.0, 3.0, 1.0, 0.0], vec![1.0, 3.0, 2.0, 0.0])]);
    let log2 = f64::log2;
    for (name, expected) in [
        ("cosine_accuracy@1", 0.0),
        ("cosine_accuracy@3", 1.0),
        ("cosine_precision@3", 2.0 / 3.0),
        ("cosine_recall@3", 2.0 / 3.0),
        ("cosine_recall@1", 0.0),
        ("cosine_mrr@10", 0.5),
        ("cosine_map@100", (1.0 / 2.0 + 2.0 / 3.0) / 3.0),
        (
            "cosine_ndcg@10",
            (1.0 / log2(3.0) + 0.5) / (1.0 + 1.0 / log2(3.0) + 0.5),
        ),
        (
            "cosine_graded_ndcg@10",
            (7.0 / log2(3.0) + 0.5) / (7.0 + 3.0 / log2(3.0) + 0.5),
        ),
    ] {
        assert!((scores[name] - expected).abs() < 1e-12, "{name}");
    }
}

fn assert_scores(scores: &Scores, expected: &BTreeMap<String, f64>) -> Result<(), TestCaseError> {
    let names: Vec<&str> = scores.iter().map(|(name, _)| name).collect();
    prop_assert_eq!(names.len(), expected.len(), "{:?}", names);
    for (name, value) in scores.iter() {
        prop_assert!(
            (value - expected[name]).abs() < 1e-12,
            "{}: {}",
            name,
            value
        );
    }
    Ok(())
}

proptest! {
    #[test]
    fn as_a_full_sort(
        queries in prop::collection::vec(0usize..8, 1..6),
        documents in prop::collection::vec(0usize..8, 1..150),
        relevances in prop::collection::vec(prop::collection::btree_map(0usize..150, 0u8..4, 0..20), 6),
        chunk_size in 0usize..60,
    ) {
        let relevances: Grades = relevances
            .into_iter()
            .take(queries.len())
            .map(|mut relevances| {
                relevances.retain(|document, _| *document < documents.len());
                relevances
            })
            .collect();
        // Judged in descending order of position, to tell the order of judgements from it.
        let judgements: Vec<Judgement> = relevances
            .iter()
            .enumerate()
            .flat_map(|(query, relevances)| {
                relevances.iter().rev().map(move |(&document, &relevance)| Judgement {
                    query,
                    document,
                    relevance: f64::from(relevance),
                })
            })
            .collect();
        let texts = |numbers: &[usize]| numbers.iter().map(usize::to_string).collect::<Vec<_>>();

        for ranking in [Ranking::All, Ranking::Judged] {
            let mut ranked = Vec::new();
            for (query, relevances) in queries.iter().zip(&relevances) {
                let mut order: Vec<usize> = match ranking {
                    Ranking::All => (0..documents.len()).collect(),
                    Ranking::Judged => relevances.keys().rev().copied().collect(),
                };
                order.sort_by_key(|&document| turn(*query, documents[document]));
                let relevance = |document| relevances.get(document).map_or(0.0, |&relevance| f64::from(relevance));
                let all: Vec<f64> = relevances.values().map(|&relevance| f64::from(relevance)).collect();
                let kept = match ranking {
                    Ranking::All => all.iter().any(|&relevance| relevance > 0.0),
                    Ranking::Judged => all.iter().any(|relevance| *relevance != all[0]),
                };
                if kept {
                    ranked.push((order.iter().map(relevance).collect::<Vec<f64>>(), all));
                }
            }
            let evaluator = RetrievalEvaluator::new(
                texts(&queries), texts(&documents), &judgements, options(ranking, chunk_size),
            );
            let Ok(evaluator) = evaluator else {
                prop_assert!(ranked.is_empty());
                continue;
            };
            prop_assert_eq!(evaluator.queries.len(), ranked.len());
            prop_assert_eq!(evaluator.queries_left_out, queries.len() - ranked.len());
            let scores = evaluator.evaluate(&FakeEncoder::of(direction)).unwrap();
            assert_scores(&scores, &plain_scores(&ranked))?;
        }
    }
}

#[test]
fn only_judged_documents_are_embedded_where_only_they_are_ranked() {
    let evaluator = RetrievalEvaluator::new(
        strings(&["0", "1", "2"]),
        strings(&["10", "11", "12", "13", "14"]),
        // The second query's judgements are all equal, the third has none.
        &judgements(&[(0, 4, 1.0), (0, 2, 3.0), (1, 1, 2.0), (1, 3, 2.0)]),
        options(Ranking::Judged, 1),
    )
    .unwrap();
    assert_eq!(
        evaluator.description(),
        Description::Retrieval {
            queries: 1,
            queries_left_out: 2,
            documents: 2,
            judgements: 2,
            ranking: Ranking::Judged,
            cutoffs: Cutoffs::default(),
        }
    );
    let encoder = FakeEncoder::of(direction);
    let mut calls = Vec::new();
    let scores = evaluator
        .evaluate_with_progress(&encoder, &mut |progress| {
            calls.push((progress.done, progress.total));
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(encoder.encoded(), ["0", "12", "14"]);
    assert_eq!(calls, [(1, 3), (2, 3), (3, 3)]);
    // 14 is a quarter of a turn from 0, 12 half of one: the lower relevance comes first.
    let discount = 3f64.log2();
    let expected = (1.0 + 7.0 / discount) / (7.0 + 1.0 / discount);
    let (primary, value) = scores.primary();
    assert_eq!(primary, "cosine_graded_ndcg@10");
    assert!((value - expected).abs() < 1e-12, "{value}");
    assert_eq!(scores.get("cosine_ndcg@10"), Some(1.0));
}

#[test]
fn cutoffs_can_be_chosen() {
    let with = |cutoffs| {
        RetrievalEvaluator::new(
            strings(&["0"]),
            strings(&["4", "2", "0"]),
            &judgements(&[(0, 0, 1.0)]),
            RetrievalOptions {
                cutoffs,
                ..RetrievalOptions::default()
            },
        )
    };
    let cutoffs = Cutoffs {
        accuracy: vec![],
        precision_recall: vec![2, 3],
        ndcg: vec![3, 2],
        mrr: vec![3],
        map: vec![],
    };
    let scores = with(cutoffs)
        .unwrap()
        .evaluate(&FakeEncoder::of(direction))
        .unwrap();
    let figures: Vec<(&str, f64)> = scores.iter().collect();
    // The relevant document is the third and last.
    assert_eq!(
        figures,
        [
            ("cosine_ndcg@3", 0.5),
            ("cosine_precision@2", 0.0),
            ("cosine_precision@3", 1.0 / 3.0),
            ("cosine_recall@2", 0.0),
            ("cosine_recall@3", 1.0),
            ("cosine_ndcg@2", 0.0),
            ("cosine_mrr@3", 1.0 / 3.0),
            ("cosine_graded_ndcg@3", 0.5),
            ("cosine_graded_ndcg@2", 0.0),
        ]
    );
    for impossible in [
        Cutoffs {
            ndcg: vec![],
            ..Cutoffs::default()
        },
        Cutoffs {
            mrr: vec![0],
            ..Cutoffs::default()
        },
    ] {
        assert_eq!(with(impossible).unwrap_err(), SetupError::Cutoffs);
    }
}

#[test]
fn what_cannot_be_measured_is_refused() {
    let new = |of: &[(usize, usize, f64)], ranking| {
        RetrievalEvaluator::new(
            strings(&["0", "1"]),
            strings(&["2"]),
            &judgements(of),
            options(ranking, 1),
        )
        .unwrap_err()
    };
    assert_eq!(
        new(&[(0, 0, 0.0)], Ranking::All),
        SetupError::NothingRelevant
    );
    assert_eq!(new(&[], Ranking::All), SetupError::NothingRelevant);
    assert_eq!(
        new(&[(0, 0, 1.0)], Ranking::Judged),
        SetupError::NothingToTellApart
    );
    assert!(matches!(
        new(&[(0, 1, 1.0)], Ranking::All),
        SetupError::NoSuchDocument { .. }
    ));
}

#[test]
fn vectors_without_order_are_an_error() {
    let evaluator = RetrievalEvaluator::new(
        strings(&["0"]),
        strings(&["1"]),
        &judgements(&[(0, 0, 1.0)]),
        RetrievalOptions::default(),
    );
    let error = evaluator
        .unwrap()
        .evaluate(&FakeEncoder::of(|_| [f32::NAN, 0.0]));
    let message = error.unwrap_err().to_string();
    assert!(
        message.starts_with("the model's vectors cannot be compared: row 0"),
        "{message}"
    );
}

#[test]
fn options_are_read_with_defaults() {
    let read: RetrievalOptions =
        serde_json::from_str(r#"{"ranking": "judged", "cutoffs": {"map": [10]}}"#).unwrap();
    let expected = RetrievalOptions {
        ranking: Ranking::Judged,
        cutoffs: Cutoffs {
            map: vec![10],
            ..Cutoffs::default()
        },
        ..RetrievalOptions::default()
    };
    assert_eq!(read, expected);
}
