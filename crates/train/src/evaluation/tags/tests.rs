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

    let training =
        written(r#"{"text": "ACME", "spans": [{"start": 0, "end": 4, "label": "brand"}]}"#);
    let scores = evaluator.with_training(&training).score(&found);
    assert_eq!(scores.unseen, Some(counts(0, 2, 1)));
    let json = serde_json::to_string(&scores.spans).unwrap();
    assert!(
        json.starts_with(r#"{"precision":0.3333"#) && json.ends_with(r#""support":2}"#),
        "{json}"
    );
}
