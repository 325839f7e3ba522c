use std::path::Path;

use serde::Deserialize;

use super::*;
use crate::data::TaggedOptions;

/// What `seqeval` says of random sequences: written by `taggers.py` of the model's fixtures.
#[derive(Deserialize)]
struct Seqeval {
    gold: Vec<Vec<String>>,
    predicted: Vec<Vec<String>>,
    report: BTreeMap<String, BTreeMap<String, f64>>,
}

/// The table of texts whose tokens have these tags.
fn table(tags: &[Vec<String>]) -> TextTable {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.conll");
    let lines = tags.iter().map(|tags| {
        let lines = tags
            .iter()
            .enumerate()
            .map(|(place, tag)| format!("token{place}\t{tag}\n"));
        lines.collect::<String>() + "\n"
    });
    std::fs::write(&path, lines.collect::<String>()).unwrap();
    TextTable::read_tagged(&[path], &TaggedOptions::default()).unwrap()
}

fn all(table: &TextTable) -> TagEvaluator {
    let rows: Vec<usize> = (0..table.len()).collect();
    TagEvaluator::of_rows(table, &rows).unwrap()
}

#[test]
fn strict_scores_are_those_of_seqeval() {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../model/tests/fixtures/taggers/seqeval.json");
    let seqeval: Seqeval = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let evaluator = all(&table(&seqeval.gold));
    let predicted = all(&table(&seqeval.predicted)).gold;
    let predicted: Vec<Vec<Span>> = predicted
        .into_iter()
        .map(|spans| {
            spans
                .into_iter()
                .map(|(start, end, label)| span(start, end, &label))
                .collect()
        })
        .collect();
    let scores = evaluator.score(&predicted);
    assert_eq!(scores.labels.len(), 3);
    let labels = scores
        .labels
        .iter()
        .map(|(label, counts)| (label.as_str(), *counts));
    for (name, counts) in labels.chain([("micro avg", scores.spans)]) {
        let expected = &seqeval.report[name];
        let ours = [
            counts.precision(),
            counts.recall(),
            counts.f1(),
            counts.gold as f64,
        ];
        for (ours, metric) in ours
            .into_iter()
            .zip(["precision", "recall", "f1-score", "support"])
        {
            // Divisions of f64.
            assert!(
                (ours - expected[metric]).abs() < 1e-12,
                "{name} {metric}: {ours}, seqeval {}",
                expected[metric]
            );
        }
    }
    assert_eq!(scores.scores().primary(), ("span_f1", scores.spans.f1()));
}

/// A span as a tagger gives it.
fn span(start: usize, end: usize, label: &str) -> Span {
    Span::new(start, end, label, 1.0)
}

fn written(rows: &str) -> TextTable {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.jsonl");
    std::fs::write(&path, rows).unwrap();
    TextTable::read_tagged(&[path], &TaggedOptions::default()).unwrap()
}

#[test]
fn values_count_where_the_text_has_the_label() {
    let table = written(concat!(
        r#"{"text": "acme red, red 2 l", "spans": [{"start": 0, "end": 4, "label": "brand"}, {"start": 5, "end": 8, "label": "colour"}]}"#,
        "\n",
        r#"{"text": "nord pot", "spans": [], "open": ["brand"]}"#,
    ));
    let evaluator = all(&table);
    // The colour in its other place, a size that the row does not have, and a brand of an open label.
    let found = [
        vec![
            span(0, 4, "brand"),
            span(10, 13, "colour"),
            span(14, 17, "size"),
        ],
        vec![span(0, 4, "brand")],
    ];
    let scores = evaluator.score(&found);
    let counts = |correct, found, gold| SpanCounts {
        correct,
        found,
        gold,
    };
    assert_eq!(scores.spans, counts(1, 3, 2));
    assert_eq!(scores.values, counts(2, 2, 2));
    assert_eq!(scores.labels["size"], counts(0, 1, 0));
    assert_eq!((scores.labels["size"].f1(), scores.unseen), (0.0, None));
    assert!(judged(&evaluator, 1, &found[1]).is_empty());

    let training =
        written(r#"{"text": "ACME", "spans": [{"start": 0, "end": 4, "label": "brand"}]}"#);
    let scores = evaluator.with_training(&training).score(&found);
    assert_eq!(scores.unseen, Some(counts(0, 2, 1)));
    assert!(has_unseen(&scores));
    // All right values are in training: there is nothing to find.
    let scores = all(&table).with_training(&table).score(&found);
    assert_eq!(scores.unseen, Some(counts(0, 1, 0)));
    assert!(!has_unseen(&scores));
    let json = serde_json::to_string(&scores.spans).unwrap();
    assert!(
        json.starts_with(r#"{"precision":0.3333"#) && json.ends_with(r#""support":2}"#),
        "{json}"
    );
}

fn has_unseen(scores: &TagScores) -> bool {
    serde_json::to_string(&scores.scores())
        .unwrap()
        .contains("unseen_f1")
}

/// Label, start, and whether a span is right, of the spans of which the text says it.
fn judged(evaluator: &TagEvaluator, text: usize, spans: &[Span]) -> Vec<(String, usize, bool)> {
    let judged = evaluator.judged(text, spans);
    judged
        .map(|(span, right)| (span.label.clone(), span.start, right))
        .collect()
}

#[test]
fn nothing_is_wrong_that_a_row_does_not_speak_of() {
    // No row has a colour or a size.
    let table = written(concat!(
        r#"{"text": "acme red kettle by acme", "attributes": {"brand": "acme"}}"#,
        "\n",
        r#"{"text": "red pot 2 l", "spans": [], "open": ["size"]}"#,
    ));
    let evaluator = all(&table);
    let found = [
        vec![
            span(0, 4, "brand"),
            span(5, 8, "colour"),
            span(9, 15, "brand"),
            span(19, 23, "brand"),
        ],
        vec![span(0, 3, "colour"), span(8, 11, "size")],
    ];
    let named = |label: &str, start, right| (label.to_owned(), start, right);
    assert_eq!(
        judged(&evaluator, 0, &found[0]),
        [named("brand", 0, true), named("brand", 9, false)]
    );
    assert_eq!(
        judged(&evaluator, 1, &found[1]),
        [named("colour", 0, false)]
    );
    let scores = evaluator.score(&found);
    let counts = |correct, found, gold| SpanCounts {
        correct,
        found,
        gold,
    };
    assert_eq!(scores.spans, counts(1, 3, 1));
    // The value in its other place is the value.
    let again = [vec![span(19, 23, "brand")], Vec::new()];
    let scores = evaluator.score(&again);
    assert_eq!(
        (scores.spans, scores.values),
        (counts(0, 0, 1), counts(1, 1, 1))
    );
}
