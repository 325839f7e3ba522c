//! What a run notices about itself: vectors that collapse, and numbers that are not finite.

use crate::support::{evaluations, fit, folder, inside, stderr, stdout, succeed};

#[test]
fn a_collapse_of_the_vectors_is_noted() {
    let folder = folder();
    let output = succeed(fit(
        folder.path(),
        "--loss mse --epochs 30 --lr 5e-3 --warmup 0 --decay constant --output tuned",
    ));
    let text = stderr(&output);
    assert!(text.contains("--loss multiple-negatives-ranking"), "{text}");
    let card = std::fs::read_to_string(inside(folder.path(), "tuned/README.md")).unwrap();
    assert!(card.contains("have collapsed into one"), "{card}");
}

#[test]
fn an_infinite_or_nan_loss_names_the_step_and_the_texts() {
    let folder = folder();
    let output = fit(
        folder.path(),
        "--lr 1e30 --warmup 0 --max-grad-norm 0 --epochs 5 --output tuned",
    )
    .output()
    .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let text = stderr(&output);
    assert!(text.contains("step 2"), "{text}");
    assert!(text.contains("line "), "{text}");
    assert!(text.contains("pairs.tsv"), "{text}");
    let batch = inside(folder.path(), "tuned/non-finite-step-2.jsonl");
    assert!(text.contains("non-finite-step-2.jsonl"), "{text}");
    assert_eq!(std::fs::read_to_string(batch).unwrap().lines().count(), 24);
    assert!(!inside(folder.path(), "tuned/modules.json").exists());
}

#[test]
fn an_infinite_or_nan_gradient_names_the_step_and_the_texts() {
    let folder = folder();
    // The loss is finite, the squares of its gradients are not.
    let output = fit(folder.path(), "--scale 1e25 --output tuned")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let text = stderr(&output);
    for part in [
        "step 1: the norm of the gradients is",
        "--output",
        "pairs.tsv, line ",
        "non-finite-step-1.jsonl",
    ] {
        assert!(text.contains(part), "{part} in\n{text}");
    }
    let batch = inside(folder.path(), "tuned/non-finite-step-1.jsonl");
    assert_eq!(std::fs::read_to_string(batch).unwrap().lines().count(), 24);
}

#[test]
fn a_nan_score_is_not_the_best() {
    let folder = folder();
    // The same pair under three scores: its cosine has no order.
    let rows = "sentence1\tsentence2\tscore\nred chair\tshoes\t1\nred chair\tshoes\t0.5\nred chair\tshoes\t0\n";
    std::fs::write(folder.path().join("sts.tsv"), rows).unwrap();
    let output = succeed(fit(
        folder.path(),
        "--valid sts.tsv --epochs 9 --patience 2 --output tuned",
    ));
    assert!(stdout(&output).contains("was NaN"), "{}", stdout(&output));
    let tuned = inside(folder.path(), "tuned");
    assert_eq!(evaluations(&tuned).len(), 3);
    // Its checkpoint can be read.
    std::fs::remove_file(tuned.join("README.md")).unwrap();
    succeed(fit(folder.path(), "--resume --output tuned"));
}

#[test]
fn one_query_in_all_rows_is_no_collapse() {
    let folder = folder();
    let rows: String = (0..8)
        .map(|row| format!("red chair\tA chair {row}\n"))
        .collect();
    std::fs::write(
        folder.path().join("pairs.tsv"),
        format!("query\tdescription\n{rows}"),
    )
    .unwrap();
    let output = succeed(fit(
        folder.path(),
        "--loss mse --dropout 0 --lr 1e-9 --output tuned",
    ));
    assert!(
        !stderr(&output).contains("have collapsed into one"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn a_model_with_a_weight_that_is_no_number_is_not_written() {
    let folder = folder();
    let run = "--lr 1e30 --warmup 0 --decay constant --max-steps 1 --output tuned";
    let output = fit(folder.path(), run).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let text = stderr(&output);
    assert!(
        text.contains("step 1: the model has NaN or infinite weights or vectors"),
        "{text}"
    );
    let tuned = inside(folder.path(), "tuned");
    assert!(!tuned.join("model.safetensors").exists());
    assert!(!tuned.join("README.md").exists());
}

/// One row has no negative: nothing is learned, and the run says so once.
#[test]
fn a_step_without_a_gradient_is_noted() {
    let folder = folder();
    std::fs::write(
        folder.path().join("pairs.tsv"),
        "query\tdescription\nred chair\ta chair\n",
    )
    .unwrap();
    let text = stderr(&succeed(fit(folder.path(), "--epochs 3 --output tuned")));
    assert_eq!(text.matches("the gradient is 0").count(), 1, "{text}");
    let card = std::fs::read_to_string(inside(folder.path(), "tuned/README.md")).unwrap();
    assert!(card.contains("the gradient is 0"), "{card}");
}
