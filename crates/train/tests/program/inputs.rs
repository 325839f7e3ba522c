//! Settings and rows without tests elsewhere.

use model::Device;

use crate::support::{command, device, fit, folder, inside, pairs, stderr, steps, succeed, tiny};
use crate::test_device::test_device;

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
            "batches hold 1.0 rows of 8: 20 rows have 1 distinct anchor, one of them 20 times, and a \
             batch has no text twice; 17 rows wait for the next epoch"
        ),
        "{text}"
    );
}

/// Of 24 rows and half of 8: 28 rows of an epoch.
#[test]
fn files_have_weights() {
    let folder = folder();
    let rows: String = (0..8)
        .map(|row| format!("kettle {row}\tkettle number {row}\n"))
        .collect();
    let more = format!("query\tdescription\n{rows}");
    std::fs::write(folder.path().join("more.tsv"), more).unwrap();
    let with = |weights: &str| {
        let more = "--train more.tsv --batch-size 4 --output tuned";
        fit(folder.path(), &format!("{more} --train-weights {weights}"))
    };
    let text = stderr(&succeed(with("1,0.5")));
    assert!(text.contains("7 optimiser steps"), "{text}");
    let refused = with("1").output().unwrap();
    assert_eq!(refused.status.code(), Some(2));
    let text = stderr(&refused);
    assert!(
        text.contains("--train-weights has 1 numbers for 2 files of --train: give one for each"),
        "{text}"
    );
    let text = stderr(&with("1,1e9").output().unwrap());
    assert!(text.contains("above 0 and at most 100"), "{text}");
    std::fs::write(folder.path().join("run.toml"), "lr = [1e-5, 3e-5]\n").unwrap();
    let text = stderr(&fit(folder.path(), "--config run.toml").output().unwrap());
    assert!(
        text.contains("line 1: `lr` takes one value, not a list"),
        "{text}"
    );
}

/// The prompt is read in training, and the tuned model has it.
#[test]
fn prompts_are_trained_and_written() {
    let folder = folder();
    let first_step = |more: &str| -> (u64, f64) {
        let run = format!("{more} --max-steps 1 --batch-size 8 --output tuned");
        succeed(fit(folder.path(), &run));
        let step = &steps(&inside(folder.path(), "tuned"))[0];
        let tokens = step["tokens"].as_u64().unwrap();
        std::fs::remove_dir_all(inside(folder.path(), "tuned/checkpoint")).unwrap();
        (tokens, step["loss"].as_f64().unwrap())
    };
    let without = first_step("");
    let settings = "tuned/config_sentence_transformers.json";
    let before = std::fs::read_to_string(inside(folder.path(), settings)).unwrap();
    assert!(!before.contains("find: "), "{before}");
    std::fs::remove_dir_all(inside(folder.path(), "tuned")).unwrap();
    // A config file, because the words of a test are cut at spaces.
    std::fs::write(
        folder.path().join("prompts.toml"),
        "query-prompt = \"find: \"\ntrain = \"pairs.tsv\"\n",
    )
    .unwrap();
    let with = first_step("--config prompts.toml");
    assert_ne!(with.1, without.1, "the same loss");
    // Eight queries have the prompt's tokens each, at least two of them. Other devices compute padded texts, which are
    // as long as before here.
    if matches!(test_device(), Device::Cpu) {
        assert!(with.0 >= without.0 + 16, "{with:?} and {without:?}");
    }
    let after = std::fs::read_to_string(inside(folder.path(), settings)).unwrap();
    assert!(after.contains(r#""query": "find: ""#), "{after}");
}
