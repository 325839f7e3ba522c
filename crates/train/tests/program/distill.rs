//! `distill`: smaller models of a teacher.

use std::path::Path;
use std::process::Command;

use model::{Device, SentenceEncoder};
use serde_json::Value;

use crate::guides::vectors;
use crate::interruption::kill_at;
use crate::support::{
    command, device, evaluations, folder, inside, repeatable, stderr, stdout, steps, succeed, tiny,
    weights,
};

/// `train distill` of the tiny model in a folder with `pairs.tsv`.
fn distill(folder: &Path, arguments: &str) -> Command {
    let (tiny, device) = (tiny(), device());
    let mut all = vec!["distill", "--device", &device];
    if !arguments.contains("--resume") {
        all.extend(["--teacher", &tiny, "--train", "pairs.tsv"]);
    }
    all.extend(arguments.split_whitespace());
    command(folder, &all)
}

fn config(model: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(model.join("config.json")).unwrap()).unwrap()
}

#[test]
fn a_student_of_some_layers_learns_the_vectors() {
    let folder = folder();
    let line = "--student layers=1 --split 0.25 --epochs 6 --batch-size 8 --lr 2e-3 --output small";
    let output = succeed(distill(folder.path(), line));
    let text = stderr(&output);
    // 24 queries and 24 descriptions.
    assert!(
        text.contains("36 training rows (texts), 12 validation rows"),
        "{text}"
    );
    let small = inside(folder.path(), "small");
    let config = config(&small);
    assert_eq!(config["num_hidden_layers"], 1);
    let scores: Vec<f64> = evaluations(&small)
        .iter()
        .map(|evaluation| {
            assert_eq!(evaluation["primary"], "teacher_cosine");
            evaluation["scores"]["teacher_cosine"].as_f64().unwrap()
        })
        .collect();
    let (first, last) = (scores[0], *scores.last().unwrap());
    assert!(last > first + 0.05 && last < 1.0, "{scores:?}");
    // Without dropout, the loss is 1 minus the cosine.
    let losses = steps(&small);
    let loss = losses[0]["loss"].as_f64().unwrap();
    assert!((loss - (1.0 - first)).abs() < 0.15, "{loss} {first}");
    // The folder opens, and has the teacher's width.
    let encoder = SentenceEncoder::from_pretrained(small.to_str().unwrap(), Device::Auto).unwrap();
    assert_eq!(encoder.width(), 32);
    let card = std::fs::read_to_string(small.join("README.md")).unwrap();
    assert!(card.contains("layers"), "{card}");
}

#[test]
fn all_layers_of_the_teacher_are_the_teacher() {
    let folder = folder();
    let line = "--student layers=0,1 --split 0.25 --max-steps 1 --lr 1e-9 --output same";
    let mut run = distill(folder.path(), line);
    // The variable is that of `--teacher`, which is given.
    run.env("MPNET_BURN_MODEL", "no/such-model");
    succeed(run);
    let first = &evaluations(&inside(folder.path(), "same"))[0];
    let cosine = first["scores"]["teacher_cosine"].as_f64().unwrap();
    // Rounding of the packed network against that in training.
    assert!((cosine - 1.0).abs() < 1e-5, "{cosine}");
}

#[test]
fn a_killed_distillation_resumes() {
    let folder = folder();
    let line = |output: &str| {
        format!(
            "--student layers=0 --epochs 40 --batch-size 8 --save-steps 3 --no-dashboard --output {output}"
        )
    };
    let killed = inside(folder.path(), "killed");
    let run = distill(folder.path(), &line("killed"));
    assert!(kill_at(run, &killed, 1), "it had finished");
    assert_eq!(vectors(&killed).len(), 1);
    // It has the batches that it was started with, not the command's own, and does not follow the variable.
    let line_of_resumed = "--resume --student layers=0 --no-dashboard --output killed";
    let mut resumed = distill(folder.path(), line_of_resumed);
    resumed.env("MPNET_BURN_MODEL", "no/such-model");
    let output = succeed(resumed);
    let text = stderr(&output);
    assert!(!text.contains("the guide embeds"), "{text}");
    succeed(distill(folder.path(), &line("whole")));
    if repeatable() {
        let whole = inside(folder.path(), "whole");
        assert!(weights(&whole) == weights(&killed), "not the same weights");
    }
}

#[test]
fn a_static_student_learns_the_vectors() {
    let folder = folder();
    std::fs::write(
        inside(folder.path(), "more.txt"),
        "red kettle\n\na long day\n",
    )
    .unwrap();
    let line = "--train more.txt --student static --dimensions 16 --epochs 30 --batch-size 16 --lr 0.01 \
                --output static";
    let output = succeed(distill(folder.path(), line));
    let text = stderr(&output);
    assert!(
        text.contains("50 texts") && text.contains("epoch 30: loss"),
        "{text}"
    );
    let loss = |epoch: usize| -> f64 {
        let line = text
            .lines()
            .find_map(|line| line.split_once(&format!("epoch {epoch}: loss ")));
        line.unwrap().1.trim().parse().unwrap()
    };
    assert!(loss(30) < 0.5 * loss(1), "{text}");
    let shown = stdout(&output);
    let cosine = shown.split_once("mean cosine ").unwrap().1;
    let cosine: f64 = cosine.lines().next().unwrap().parse().unwrap();
    assert!(cosine > 0.9, "{shown}");
    let model = inside(folder.path(), "static");
    let encoder = SentenceEncoder::from_pretrained(model.to_str().unwrap(), Device::Auto).unwrap();
    assert_eq!(encoder.width(), 16);
    let vectors = encoder.encode(&["red bottle", "Red bottle!"]).unwrap();
    let norm: f32 = vectors.values()[..16]
        .iter()
        .map(|value| value * value)
        .sum();
    assert!((norm - 1.0).abs() < 1e-4, "{norm}");
    assert!(!model.join("checkpoint").exists());
    // The same command gives the same model.
    succeed(distill(
        folder.path(),
        &line.replace("--output static", "--output again"),
    ));
    if repeatable() {
        assert!(weights(&model) == weights(&inside(folder.path(), "again")));
    }
}

/// The cosine of the student with two teachers, before it learns: 1 if the second one has no weight.
#[test]
fn several_teachers_count_by_their_weights() {
    let folder = folder();
    let other = tiny().replace("tiny-mpnet", "architectures/bert");
    let first_cosine = |weights: &str, output: &str| {
        let line = format!(
            "--student {} --teacher {other} --guide-weights {weights} --split 0.25 --max-steps 1 --lr 1e-9 --output \
             {output}",
            tiny()
        );
        succeed(distill(folder.path(), &line));
        let run = inside(folder.path(), output);
        let card = std::fs::read_to_string(run.join("README.md")).unwrap();
        assert!(card.contains("guide | tiny-mpnet, bert"), "{card}");
        evaluations(&run)[0]["scores"]["teacher_cosine"]
            .as_f64()
            .unwrap()
    };
    let alone = first_cosine("1,1e-3", "alone");
    assert!((alone - 1.0).abs() < 0.01, "{alone}");
    let both = first_cosine("1,1", "both");
    assert!(both < 0.99, "{both}");
    // Axes that were not turned towards the student would have no cosine with it, in the mean.
    assert!(both > 0.5, "{both}");
}

#[test]
fn a_precision_is_for_the_networks_among_several_teachers() {
    let folder = folder();
    let (tiny, table) = (tiny(), tiny().replace("tiny-mpnet", "static/root"));
    // Only the processor computes in int8.
    let words = format!(
        "distill --device cpu --train pairs.tsv --teacher {tiny} --teacher {table} --student {tiny} --guide-precision int8 \
         --epochs 40 --batch-size 8 --save-steps 3 --no-dashboard --output both"
    );
    let words: Vec<&str> = words.split_whitespace().collect();
    let both = inside(folder.path(), "both");
    let run = command(folder.path(), &words);
    assert!(kill_at(run, &both, 1), "it had finished");
    let has = |part: &str| vectors(&both).iter().any(|(name, _)| name.contains(part));
    // The table is the second of them.
    assert!(has("-int8-") && has("-f32-1-"), "{:?}", vectors(&both));
}

#[test]
fn what_does_not_fit_is_refused() {
    let folder = folder();
    std::fs::write(folder.path().join("model.toml"), "model = \"other\"\n").unwrap();
    for (more, words) in [
        ("--student layers=0,2 --output a", "there is no layer 2"),
        ("--student layers=1,0 --output a", "ascending order"),
        (
            "--student static --lora 4 --output a",
            "--lora is not for --student static",
        ),
        (
            "--student static --dimensions 64 --output a",
            "above the width of the teacher's vectors",
        ),
        ("--student static --resume --output a", "without --resume"),
        (
            "--student layers=0 --loss mse --output a",
            "cannot be used with",
        ),
        (
            "--student layers=0 --query-prompt q --output a",
            "cannot be used with",
        ),
        (
            "--student layers=0 --dimensions 8 --output a",
            "are for --student static",
        ),
        (
            "--student layers=0 --lora 2 --save-adapter --output a",
            "--save-adapter is not for a model with some layers",
        ),
        (
            "--student layers=0 --config model.toml --output a",
            "model.toml, line 1: --model follows from --teacher and --student",
        ),
        (
            "--student static --dimensions 16 --lr 1e30 --epochs 1 --output a",
            "NaN or infinite weights",
        ),
        (
            "--student static --teacher other --output a",
            "learns from one --teacher",
        ),
        (
            "--student layers=0 --guide-weights 1,1 --output a",
            "--guide-weights is for several models",
        ),
        (
            "--student layers=0 --guide-weights 2 --output a",
            "--guide-weights is for several models",
        ),
        ("--output a", "--student"),
    ] {
        let output = if more.contains("--resume") {
            let line = format!("--teacher {} --train pairs.tsv {more}", tiny());
            distill(folder.path(), &line).output().unwrap()
        } else {
            distill(folder.path(), more).output().unwrap()
        };
        let text = stderr(&output);
        assert!(
            !output.status.success() && text.contains(words),
            "{more}: {text}"
        );
        assert!(!inside(folder.path(), "a").join("modules.json").exists());
    }
}

/// The demo pairs are no texts to learn from, and few texts have few directions.
#[test]
fn texts_must_be_named_and_enough() {
    let folder = folder();
    let (tiny, device) = (tiny(), device());
    let run = |more: &[&str]| {
        let mut words = vec!["distill", "--teacher", &tiny, "--device", &device];
        words.extend(["--output", "a"]);
        words.extend(more);
        command(folder.path(), &words).output().unwrap()
    };
    let output = run(&["--student", "layers=0"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).contains("--train FILE"),
        "{}",
        stderr(&output)
    );
    std::fs::write(folder.path().join("few.txt"), "red chair\nred chair\n").unwrap();
    let output = run(&[
        "--student",
        "static",
        "--dimensions",
        "8",
        "--train",
        "few.txt",
    ]);
    assert_eq!(output.status.code(), Some(2));
    let text = stderr(&output);
    assert!(
        text.contains("1 texts have") && text.contains("give more texts"),
        "{text}"
    );
    let output = run(&[
        "--student",
        "static",
        "--columns",
        "anchor=headline,positive=x",
        "--train",
        "pairs.tsv",
    ]);
    assert!(
        stderr(&output).contains("no file has the columns headline, x"),
        "{}",
        stderr(&output)
    );
}
