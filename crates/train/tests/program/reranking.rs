//! `train rerank`, and `train evaluate --reranker`.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use model::PairScorer;
use serde_json::Value;

use crate::interruption::kill_at;
use crate::support::{
    command, device, evaluations, folder, inside, pairs, repeatable, stderr, stdout, steps,
    succeed, tensors, tiny, weights,
};
use crate::test_device::test_device;

/// `train rerank` with more arguments, parted by spaces.
fn rerank(folder: &Path, arguments: &str) -> Command {
    let device = device();
    let mut all = vec!["rerank", "--device", &device, "--no-dashboard"];
    all.extend(arguments.split_whitespace());
    command(folder, &all)
}

/// Options by which the tiny model learns the words of `pairs.tsv` by heart.
const LEARNS: &str = "--negatives 8 --lr 5e-3 --epochs 40 --batch-size 12 --dropout 0";

/// A random cross-encoder of the architecture.
fn cross_encoder(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../model/tests/fixtures/rerankers");
    folder.join(name).to_str().unwrap().to_owned()
}

fn scores(folder: &Path, pairs: &[[String; 2]]) -> Vec<f32> {
    let scorer = PairScorer::builder().device(test_device());
    let scorer = scorer.load(folder.to_str().unwrap()).unwrap();
    let pairs: Vec<(&str, &str)> = pairs
        .iter()
        .map(|[query, text]| (query.as_str(), text.as_str()))
        .collect();
    scorer.scores(&pairs).unwrap()
}

#[test]
fn an_encoder_becomes_a_reranker() {
    let folder = folder();
    let run = format!(
        "--model {} --train pairs.tsv --valid pairs.tsv {LEARNS} --keep-last --output tuned",
        tiny()
    );
    let output = succeed(rerank(folder.path(), &run));
    let notes = stderr(&output);
    assert!(notes.contains("no reranker yet"), "{notes}");
    let tuned = inside(folder.path(), "tuned");
    let steps = steps(&tuned);
    let mean = |steps: &[Value]| {
        let losses = steps.iter().map(|step| step["loss"].as_f64().unwrap());
        losses.sum::<f64>() / steps.len() as f64
    };
    let (first, last) = (mean(&steps[..5]), mean(&steps[steps.len() - 5..]));
    assert!(last < 0.2 * first, "{first} -> {last}");
    assert!(stdout(&output).contains("ndcg@10"), "{}", stdout(&output));

    // The right descriptions of training rows now score higher than wrong ones.
    let right = pairs(folder.path());
    let wrong: Vec<[String; 2]> = right
        .iter()
        .enumerate()
        .map(|(row, [query, _])| [query.clone(), right[(row + 7) % right.len()][1].clone()])
        .collect();
    let (right, wrong) = (scores(&tuned, &right), scores(&tuned, &wrong));
    let higher = right
        .iter()
        .zip(&wrong)
        .filter(|(right, wrong)| right > wrong)
        .count();
    assert!(higher >= 20, "{right:?} {wrong:?}");
    // Scores of a reranker that was an encoder are between 0 and 1.
    assert!(
        right.iter().all(|score| (0.0..=1.0).contains(score)),
        "{right:?}"
    );
    let card = std::fs::read_to_string(tuned.join("README.md")).unwrap();
    assert!(
        card.contains("CrossEncoder(\"tuned\")") && card.contains("pipeline_tag: text-ranking"),
        "{card}"
    );
    // No vectors are printed.
    assert!(!stdout(&output).contains("vectors"), "{}", stdout(&output));
}

/// A cross-encoder goes on with its head, and keeps its activation.
#[test]
fn a_cross_encoder_starts_with_its_own_head() {
    let folder = folder();
    for (name, dense) in [
        ("bert", "bert.pooler.dense"),
        ("mpnet", "classifier.dense"),
        ("xlm-roberta", "classifier.dense"),
    ] {
        let model = cross_encoder(name);
        // A step of this size changes no weight by more than itself.
        let run =
            format!("--model {model} --train pairs.tsv --lr 1e-9 --max-steps 1 --output {name}");
        succeed(rerank(folder.path(), &run));
        let tuned = inside(folder.path(), name);
        let pairs = pairs(folder.path());
        let (before, after) = (scores(Path::new(&model), &pairs), scores(&tuned, &pairs));
        for (before, after) in before.iter().zip(&after) {
            assert!((before - after).abs() < 1e-4, "{name}: {before} {after}");
        }
        let names: Vec<String> = tensors(&tuned).into_iter().map(|(name, _)| name).collect();
        assert!(names.contains(&format!("{dense}.weight")), "{names:?}");
        let config: Value =
            serde_json::from_slice(&std::fs::read(tuned.join("config.json")).unwrap()).unwrap();
        assert_eq!(config["id2label"], serde_json::json!({ "0": "LABEL_0" }));
    }
}

#[test]
fn a_resumed_run_ends_with_the_weights_of_an_uninterrupted_one() {
    if !repeatable() {
        return;
    }
    let folder = folder();
    let run = |output: &str| {
        format!(
            "--model {} --train pairs.tsv --epochs 30 --batch-size 4 --save-steps 3 --lr 1e-3 --output {output}",
            cross_encoder("bert")
        )
    };
    let stopped = inside(folder.path(), "stopped");
    kill_at(rerank(folder.path(), &run("stopped")), &stopped, 6);
    // Not as another kind of model.
    let device = device();
    let fit = [
        "fit",
        "--device",
        &device,
        "--resume",
        "--no-dashboard",
        "--output",
        "stopped",
        "--lr",
        "1",
    ];
    let refused = command(folder.path(), &fit).output().unwrap();
    assert!(
        stderr(&refused).contains("started with lr"),
        "{}",
        stderr(&refused)
    );
    succeed(rerank(folder.path(), "--resume --output stopped"));
    succeed(rerank(folder.path(), &run("whole")));
    assert!(
        weights(&stopped) == weights(&inside(folder.path(), "whole")),
        "not the same weights"
    );
}

#[test]
fn rows_of_every_kind_train_and_validate() {
    let folder = folder();
    let rows = pairs(folder.path());
    let mut labelled = "query\ttext\tlabel\n".to_owned();
    let mut teacher = "query\ttext\twrong\tof_right\tof_wrong\n".to_owned();
    for (number, [query, text]) in rows.iter().enumerate() {
        let wrong = &rows[(number + 5) % rows.len()][1];
        writeln!(labelled, "{query}\t{text}\t1\n{query}\t{wrong}\t0").unwrap();
        writeln!(
            teacher,
            "{query}\t{text}\t{wrong}\t{}\t-1.5",
            number as f32 / 10.0
        )
        .unwrap();
    }
    std::fs::write(folder.path().join("labelled.tsv"), &labelled).unwrap();
    std::fs::write(folder.path().join("teacher.tsv"), teacher).unwrap();
    let halves = labelled
        .replace("\t1\n", "\t0.5\n")
        .replace("label\n", "score\n");
    std::fs::write(folder.path().join("scored.tsv"), halves).unwrap();
    let scores =
        "--columns anchor=query,positive=text,negative=wrong,score=of_right,score=of_wrong";
    for (number, (arguments, metric)) in [
        ("--train labelled.tsv --loss binary-cross-entropy --freeze 1", "ap"),
        ("--train scored.tsv --loss bce --lora 2 --lr 1e-3", "spearman"),
        (&format!("--train teacher.tsv {scores} --loss margin-mse --checkpointing"), "ndcg@10"),
        ("--train teacher.tsv --columns anchor=query,positive=text,negative=wrong --loss cached-mnrl --negatives 2", "ndcg@10"),
        ("--train pairs.tsv --loss binary-cross-entropy --negatives 3", "ndcg@10"),
    ]
    .into_iter()
    .enumerate()
    {
        let model = cross_encoder("bert");
        let valid = arguments.split(' ').nth(1).unwrap();
        let run = format!("{arguments} --model {model} --valid {valid} --max-steps 2 --batch-size 8 --output out{number}");
        succeed(rerank(folder.path(), &run));
        let output = inside(folder.path(), &format!("out{number}"));
        let evaluations = evaluations(&output);
        assert_eq!(evaluations[0]["primary"], metric, "{arguments}");
        assert!(evaluations[0]["loss"].as_f64().unwrap().is_finite(), "{arguments}");
        let changed = tensors(&output);
        let before: std::collections::HashMap<_, _> = tensors(Path::new(&model)).into_iter().collect();
        let head = changed.iter().find(|(name, _)| name == "classifier.weight").unwrap();
        assert_ne!(before["classifier.weight"], head.1, "{arguments}");
        let frozen = changed.iter().find(|(name, _)| name.ends_with("word_embeddings.weight")).unwrap();
        assert_eq!(before[&frozen.0] == frozen.1, number < 2, "{arguments}");
    }
}

#[test]
fn what_a_reranker_does_not_have_is_refused() {
    let folder = folder();
    std::fs::write(
        folder.path().join("scored.tsv"),
        "query\ttext\tscore\nred chair\tA red chair\t5\nred chair\tA kettle\t0\n",
    )
    .unwrap();
    let model = cross_encoder("bert");
    for (arguments, words) in [
        (
            "--train pairs.tsv --output x --matryoshka 8",
            "--matryoshka is for encoders",
        ),
        (
            "--train pairs.tsv --output x --lora 2 --save-adapter",
            "--save-adapter is for encoders",
        ),
        (
            "--train pairs.tsv --output x --loss cosent",
            "`cosent` is not a loss of a reranker",
        ),
        (
            "--train pairs.tsv --output x --loss margin-mse",
            "needs 3 or more columns",
        ),
        (
            "--train pairs.tsv --output x --loss binary-cross-entropy",
            "a label, a score from 0 to 1, or negatives",
        ),
        (
            "--train pairs.tsv --output x --negatives 0",
            "needs 3 or more columns",
        ),
        (
            "--train scored.tsv --output x --loss margin-mse --negatives 2",
            "has no negatives",
        ),
        (
            "--train scored.tsv --output x --loss binary-cross-entropy",
            "the score 5 is not from 0 to 1",
        ),
        ("--output x", "give --train FILE"),
    ] {
        let output = rerank(folder.path(), &format!("{arguments} --model {model}"))
            .output()
            .unwrap();
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{arguments}: {text}");
        assert!(text.contains(words), "{arguments}: {text}");
        assert!(!folder.path().join("x").exists(), "{arguments}");
    }
    let device = device();
    let fit = [
        "fit",
        "--train",
        "pairs.tsv",
        "--output",
        "x",
        "--negatives",
        "3",
        "--device",
        &device,
    ];
    let output = command(folder.path(), &fit).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).contains("--negatives"),
        "{}",
        stderr(&output)
    );
    // Its head would be lost.
    let model = cross_encoder("mpnet");
    let fit = [
        "fit",
        "--train",
        "pairs.tsv",
        "--output",
        "x",
        "--model",
        &model,
    ];
    let output = command(folder.path(), &fit).output().unwrap();
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(
        text.contains("is a reranker, which `train rerank` trains"),
        "{text}"
    );
    assert!(!folder.path().join("x").exists());
}

#[test]
fn rerankers_are_compared_with_the_search_before_them() {
    let folder = folder();
    let rows = pairs(folder.path());
    let mut products = "id\ttitle\n".to_owned();
    let mut qrels = "query\tdocid\trating\n".to_owned();
    for (number, [query, text]) in rows.iter().enumerate() {
        writeln!(products, "{number}\t{text}").unwrap();
        let other = (number + 1) % rows.len();
        writeln!(qrels, "{query}\t{number}\t2\n{query}\t{other}\t0").unwrap();
    }
    std::fs::write(folder.path().join("products.tsv"), products).unwrap();
    std::fs::write(folder.path().join("qrels.tsv"), qrels).unwrap();
    let run = format!(
        "--model {} --train pairs.tsv {LEARNS} --output tuned",
        tiny()
    );
    succeed(rerank(folder.path(), &run));
    let (tiny, device, random) = (tiny(), device(), cross_encoder("mpnet"));
    let evaluate = |more: &str| {
        let mut all = vec![
            "evaluate",
            "--device",
            &device,
            "--model",
            &tiny,
            "--reranker",
            "tuned",
        ];
        all.extend(["--corpus", "products.tsv", "--qrels", "qrels.tsv"]);
        all.extend(more.split_whitespace());
        command(folder.path(), &all)
    };
    let json = |more: &str| -> Value {
        serde_json::from_str(&stdout(&succeed(evaluate(&format!("--json {more}"))))).unwrap()
    };
    let all = json(&format!("--depth 10 --reranker {random}"));
    let metric = |place: usize, name: &str| {
        all[place]["evaluations"][0]["metrics"][name]
            .as_f64()
            .unwrap()
    };
    for name in ["ndcg@10", "mrr@10"] {
        let [before, tuned, random] = [0, 1, 2].map(|place| metric(place, name));
        assert!(
            tuned > before && tuned > random,
            "{name}: {before} {tuned} {random}"
        );
    }
    // Reordering the first ten finds nothing new among ten.
    assert_eq!(metric(0, "recall@10"), metric(1, "recall@10"));
    let judged = json("--judged-only");
    let primary = &judged[1]["evaluations"][0];
    assert_eq!(primary["primary"], "graded_ndcg@10");
    assert!(
        primary["metrics"]["mrr@10"].as_f64().unwrap() > 0.5,
        "{judged}"
    );
    let table = stdout(&succeed(evaluate("")));
    for part in ["before: ", "after:  tuned", "ndcg@10 *", "mrr@10"] {
        assert!(table.contains(part), "{part} in\n{table}");
    }
    for (more, words) in [
        ("--model other", "give one"),
        ("--depth 0", "--depth"),
        ("--pairs pairs.tsv", "--pairs"),
    ] {
        let output = evaluate(more).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{more}");
        assert!(
            stderr(&output).contains(words),
            "{more}: {}",
            stderr(&output)
        );
    }
}
