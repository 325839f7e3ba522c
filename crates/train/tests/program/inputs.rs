//! Settings and rows without tests elsewhere.

use crate::support::{command, device, fit, folder, inside, pairs, stderr, steps, succeed, tiny};

#[test]
fn a_json_config_trains_several_dimensions() {
    let folder = folder();
    std::fs::write(
        folder.path().join("run.json"),
        r#"{"train": "pairs.tsv", "loss": "cached-multiple-negatives-ranking", "scale": 10,
            "matryoshka": [32, 16], "matryoshka-weights": [1, 0.5], "batch-size": 8,
            "max-steps": 2, "mini-batch-size": 4, "output": "tuned"}"#,
    )
    .unwrap();
    succeed(fit(folder.path(), "--config run.json"));
    let tuned = inside(folder.path(), "tuned");
    assert_eq!(steps(&tuned).len(), 2);
    let card = std::fs::read_to_string(tuned.join("README.md")).unwrap();
    for part in [
        "multiple-negatives-ranking, scale 10, Matryoshka at",
        "32, 16",
        "mini-batch-size | 4",
    ] {
        assert!(card.contains(part), "{part} in\n{card}");
    }
}

#[test]
fn the_card_tells_the_length_that_the_tuned_model_reads() {
    let folder = folder();
    succeed(fit(
        folder.path(),
        "--max-length 12 --max-steps 1 --output tuned",
    ));
    let card = std::fs::read_to_string(inside(folder.path(), "tuned/README.md")).unwrap();
    assert!(card.contains("first 12 tokens"), "{card}");
}

#[test]
fn a_group_stays_on_one_side_of_a_split() {
    let folder = folder();
    let rows: String = pairs(folder.path())
        .iter()
        .enumerate()
        .map(|(row, [query, description])| format!("{query}\t{description}\tp{}\n", row / 4))
        .collect();
    std::fs::write(
        folder.path().join("pairs.tsv"),
        format!("query\tdescription\tproduct\n{rows}"),
    )
    .unwrap();
    let output = succeed(fit(
        folder.path(),
        "--split 0.2 --group-column product --max-steps 1 --output tuned",
    ));
    // A fifth of 24 rows would be 5: it is a group of 4.
    let text = stderr(&output);
    assert!(
        text.contains("20 training rows (pairs), 4 validation rows"),
        "{text}"
    );
}

/// A click log with a head query: as many steps as rows fill, and a word about the rows that wait.
#[test]
fn a_query_of_many_rows_makes_no_further_steps() {
    let folder = folder();
    let rows: String = (0..20)
        .map(|row| format!("kettle,kettle number {row}\n"))
        .collect();
    std::fs::write(
        folder.path().join("one.csv"),
        format!("query,product\n{rows}"),
    )
    .unwrap();
    let (tiny, device) = (tiny(), device());
    let output = succeed(command(
        folder.path(),
        &[
            "fit",
            "--model",
            &tiny,
            "--device",
            &device,
            "--train",
            "one.csv",
            "--batch-size",
            "8",
            "--output",
            "tuned",
            "--epochs",
            "2",
        ],
    ));
    let text = stderr(&output);
    assert!(text.contains("6 optimiser steps"), "{text}");
    assert!(
        text.contains(
            "batches hold 1.0 rows of 8: 20 rows have 1 distinct anchors, one of them 20 times, and a \
             batch has no text twice; 17 rows wait for the next epoch"
        ),
        "{text}"
    );
}
