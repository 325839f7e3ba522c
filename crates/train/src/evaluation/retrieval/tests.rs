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

proptest! {
    /// Documents in eight directions, so many have equal scores.
    #[test]
    fn places_are_those_of_counting_all_pairs(
        queries in prop::collection::vec(0usize..8, 1..6),
        documents in prop::collection::vec(0usize..8, 1..150),
        relevances in prop::collection::vec(prop::collection::btree_map(0usize..150, 0u8..4, 0..20), 6),
        chunk_size in 0usize..60,
        block in (1usize..8, 1usize..8),
    ) {
        let relevances: Vec<BTreeMap<usize, u8>> = relevances
            .into_iter()
            .take(queries.len())
            .map(|mut relevances| {
                relevances.retain(|document, _| *document < documents.len());
                relevances
            })
            .collect();
        let judged = relevances.iter().enumerate().flat_map(|(query, relevances)| {
            relevances.iter().map(move |(&document, &relevance)| (query, document, relevance.into()))
        });
        let judgements = judgements(&judged.collect::<Vec<_>>());
        let texts = |numbers: &[usize]| numbers.iter().map(usize::to_string).collect::<Vec<_>>();
        let block = Block { queries: block.0, documents: block.1 };

        for ranking in [Ranking::All, Ranking::Judged] {
            let mut expected = Vec::new();
            for (query, relevances) in queries.iter().zip(&relevances) {
                let ranked: Vec<usize> = match ranking {
                    Ranking::All => (0..documents.len()).collect(),
                    Ranking::Judged => relevances.keys().copied().collect(),
                };
                let kept = match ranking {
                    Ranking::All => relevances.values().any(|&relevance| relevance > 0),
                    Ranking::Judged => relevances.values().any(|relevance| Some(relevance) != relevances.values().next()),
                };
                if !kept {
                    continue;
                }
                let turns: Vec<usize> = ranked.iter().map(|&document| turn(*query, documents[document])).collect();
                let ties = (0..=4).filter_map(|of| {
                    let tied = ranked.iter().zip(&turns).filter(|(_, turn)| **turn == of);
                    let relevant: Vec<f64> = tied
                        .filter_map(|(document, _)| relevances.get(document))
                        .filter(|relevance| **relevance > 0)
                        .map(|&relevance| relevance.into())
                        .collect();
                    (!relevant.is_empty()).then(|| Ties {
                        higher: turns.iter().filter(|turn| **turn < of).count(),
                        equal: turns.iter().filter(|turn| **turn == of).count(),
                        relevances: relevant,
                    })
                });
                expected.push(ties.collect::<Vec<_>>());
            }
            let evaluator = RetrievalEvaluator::new(
                texts(&queries), texts(&documents), &judgements, options(ranking, chunk_size),
            );
            let Ok(evaluator) = evaluator else {
                prop_assert!(expected.is_empty());
                continue;
            };
            prop_assert_eq!(evaluator.queries.len(), expected.len());
            prop_assert_eq!(evaluator.queries_left_out, queries.len() - expected.len());
            let encoder = FakeEncoder::of(direction);
            let mut nothing = |_| ControlFlow::Continue(());
            let mut encoding = Encoding::new(&encoder, &mut nothing, 0);
            let (places, similarity) = evaluator
                .rank(&mut encoding, block, &mut |_, _| Ok(()))
                .unwrap();
            prop_assert_eq!((places, similarity), (expected, "cosine"));
            // Every text once.
            prop_assert_eq!(encoder.encoded().len(), evaluator.queries.len() + evaluator.ranked_documents());
        }
    }
}

fn pairs(rows: &[(&str, &str)]) -> RetrievalEvaluator {
    let (first, second) = rows
        .iter()
        .map(|&(first, second)| (first.to_owned(), second.to_owned()))
        .unzip();
    RetrievalEvaluator::of_pairs([first, second]).unwrap()
}

#[test]
fn all_second_texts_of_a_first_text_are_right() {
    let evaluator = pairs(&[("0", "7"), ("0", "1"), ("4", "3"), ("4", "5"), ("4", "5")]);
    let scores = evaluator.evaluate(&FakeEncoder::of(direction)).unwrap();
    let metrics: Vec<(&str, f64)> = scores.iter().collect();
    assert_eq!(
        metrics,
        [("ndcg@10", 1.0), ("accuracy@1", 1.0), ("mrr@10", 1.0)]
    );
}

/// With a real network: as by the definition, over the scores of all pairs of texts.
#[test]
fn pairs_of_a_network_are_ranked_as_by_definition() {
    let texts = reference("similarity");
    let side = |name: &str| -> Vec<String> { serde_json::from_value(texts[name].clone()).unwrap() };
    let (first, second) = (side("a"), side("b"));
    let encoder = encoder();
    let [a, b] = [&first, &second].map(|texts| encoder.encode(texts).unwrap());
    let [a, b] = [&a, &b]
        .map(|vectors| search::VectorsView::new(vectors.values(), encoder.width()).unwrap());
    let matrix = search::similarity_matrix(a, b, search::Similarity::Cosine).unwrap();
    let ranks = matrix.chunks_exact(second.len()).enumerate();
    let ranks: Vec<f64> = ranks
        .map(|(pair, row)| row.iter().filter(|score| **score > row[pair]).count() as f64)
        .collect();
    let mean = |of: fn(f64) -> f64| ranks.iter().map(|&rank| of(rank)).sum::<f64>() / 20.0;
    let scores = RetrievalEvaluator::of_pairs([first, second])
        .unwrap()
        .evaluate(&encoder)
        .unwrap();
    for (name, expected) in [
        (
            "ndcg@10",
            mean(|rank| {
                if rank < 10.0 {
                    1.0 / (rank + 2.0).log2()
                } else {
                    0.0
                }
            }),
        ),
        ("accuracy@1", mean(|rank| f64::from(u8::from(rank == 0.0)))),
        (
            "mrr@10",
            mean(|rank| if rank < 10.0 { 1.0 / (rank + 1.0) } else { 0.0 }),
        ),
    ] {
        let value = scores.get(name).unwrap();
        assert!(
            (value - expected).abs() < 1e-12,
            "{name}: {value}, not {expected}"
        );
    }
    // The model is random, but not so random that no text finds its own.
    assert!(scores.get("mrr@10").unwrap() > 0.0);
}

#[test]
fn comparing_can_be_interrupted() {
    let evaluator = pairs(&[("0", "2"), ("2", "0")]);
    let mut calls = Vec::new();
    let error = evaluator.evaluate_with_progress(&FakeEncoder::of(direction), &mut |progress| {
        calls.push((progress.done, progress.total));
        if calls.len() == 3 {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });
    assert!(matches!(error, Err(EvaluationError::Interrupted)));
    assert_eq!(calls, [(2, 4), (4, 4), (4, 4)]);
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
    assert_eq!(calls, [(1, 3), (3, 3)]);
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
    assert_eq!(
        RetrievalEvaluator::of_pairs([Vec::new(), Vec::new()]).unwrap_err(),
        SetupError::Empty { what: "pairs" }
    );
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
