//! Losses that need a guide.

use std::path::Path;

use crate::interruption::{kill_at, long};
use crate::support::{
    copy_model, fit, folder, inside, repeatable, stderr, steps, succeed, tiny, weights,
};

/// The files of vectors of a run.
pub(crate) fn vectors(output: &Path) -> Vec<(String, u64)> {
    let entries = output.join("checkpoint").read_dir().unwrap();
    entries
        .map(|entry| entry.unwrap())
        .filter_map(|entry| {
            let name = entry.file_name().into_string().unwrap();
            let bytes = entry.metadata().unwrap().len();
            name.starts_with("vectors-").then_some((name, bytes))
        })
        .collect()
}

#[test]
fn a_guide_embeds_the_rows_before_the_first_step() {
    let folder = folder();
    let tiny = tiny();
    for loss in ["gist", "embed-distill"] {
        let run = format!(
            "--loss {loss} --guide {tiny} --split 0.2 --max-steps 2 --batch-size 8 --lr 1e-3 --output {loss}"
        );
        let output = succeed(fit(folder.path(), &run));
        // 24 queries and 24 descriptions, all of them different.
        let text = stderr(&output);
        assert!(text.contains("the guide embeds 48 texts"), "{text}");
        let tuned = inside(folder.path(), loss);
        let steps = steps(&tuned);
        assert_eq!(steps.len(), 2);
        let first = steps[0]["loss"].as_f64().unwrap();
        if loss == "embed-distill" {
            // The model is its own teacher; dropout moves its vectors a little.
            assert!(first < 0.2, "{first}");
        } else {
            assert!(first.is_finite() && first > 0.0, "{first}");
        }
        assert_eq!(vectors(&tuned), [], "a finished run needs none");
        let card = std::fs::read_to_string(tuned.join("README.md")).unwrap();
        assert!(card.contains("guide | tiny-mpnet"), "{card}");
    }
}

/// The larger batches of GradCache change no gradient, and so no weight.
#[test]
fn cached_gist_is_gist() {
    let folder = folder();
    let run = |more: &str| {
        let line = format!(
            "{more} --guide {} --max-steps 2 --batch-size 12 --dropout 0 --lr 1e-3 --keep-last",
            tiny()
        );
        succeed(fit(folder.path(), &line));
    };
    run("--loss gist --output plain");
    run("--loss cached-gist --mini-batch-size 5 --output cached");
    let (plain, cached) = (
        inside(folder.path(), "plain"),
        inside(folder.path(), "cached"),
    );
    for (one, other) in steps(&plain).iter().zip(steps(&cached)) {
        let [one, other] = [one, &other].map(|step| step["loss"].as_f64().unwrap());
        // Sums run in another order.
        assert!((one - other).abs() <= 1e-4 * one.abs(), "{one} {other}");
    }
    let norms = |run: &Path| -> f64 { steps(run)[0]["gradient_norm"].as_f64().unwrap() };
    let (one, other) = (norms(&plain), norms(&cached));
    assert!(
        one > 1e-3 && (one - other).abs() <= 1e-4 * one,
        "{one} {other}"
    );
}

#[test]
fn a_resumed_run_has_the_vectors_of_before() {
    let folder = folder();
    let line = |output: &str| format!("--loss gist --guide {} {}", tiny(), long(output));
    let killed = inside(folder.path(), "killed");
    let run = fit(folder.path(), &line("killed"));
    assert!(kill_at(run, &killed, 1), "it had finished");
    // 48 texts of 32 numbers.
    let files = vectors(&killed);
    assert_eq!(files.len(), 1);
    assert_eq!(files[0].1, 48 * 32 * 4);
    let output = succeed(fit(
        folder.path(),
        "--resume --no-dashboard --output killed",
    ));
    let text = stderr(&output);
    assert!(!text.contains("the guide embeds"), "{text}");
    succeed(fit(folder.path(), &line("whole")));
    if repeatable() {
        let whole = inside(folder.path(), "whole");
        assert!(weights(&whole) == weights(&killed), "not the same weights");
    }
}

/// A model of the tiny model's width.
fn other() -> String {
    tiny().replace("tiny-mpnet", "architectures/bert")
}

/// A guide with twice the weight counts as if it were named twice.
#[test]
fn the_cosines_of_several_guides_are_averaged() {
    let folder = folder();
    let (tiny, other) = (tiny(), other());
    let losses = |guides: &str, output: &str| -> Vec<f64> {
        let line = format!(
            "--loss gist {guides} --max-steps 2 --batch-size 12 --dropout 0 --output {output}"
        );
        succeed(fit(folder.path(), &line));
        let steps = steps(&inside(folder.path(), output));
        let losses = steps.iter().map(|step| step["loss"].as_f64().unwrap());
        losses.collect()
    };
    let weighted = losses(
        &format!("--guide {tiny} --guide {other} --guide-weights 4,2"),
        "weighted",
    );
    let repeated = losses(
        &format!("--guide {tiny} --guide {other} --guide {tiny}"),
        "repeated",
    );
    // A product that one hides and the other does not would change the loss by more.
    for (one, other) in weighted.iter().zip(&repeated) {
        assert!((one - other).abs() < 1e-5 * one, "{one} {other}");
    }
    let alone = losses(&format!("--guide {tiny}"), "alone");
    assert!((alone[0] - weighted[0]).abs() > 1e-3, "{alone:?}");
}

#[test]
fn a_run_with_several_guides_resumes() {
    let folder = folder();
    let (tiny, other) = (tiny(), other());
    let line = |output: &str| {
        format!(
            "--loss embed-distill --guide {tiny} --guide {other} --guide-weights 1,0.5 {}",
            long(output)
        )
    };
    let killed = inside(folder.path(), "killed");
    let run = fit(folder.path(), &line("killed"));
    assert!(kill_at(run, &killed, 1), "it had finished");
    assert_eq!(vectors(&killed).len(), 2);
    let resumed = |more: &str| {
        fit(
            folder.path(),
            &format!("--resume {more} --no-dashboard --output killed"),
        )
    };
    for (more, words) in [
        (
            format!("--guide {other} --guide {tiny}"),
            "every --guide in the same order",
        ),
        (format!("--guide {tiny}"), "started with guide = ["),
        (
            "--guide-weights 1,1".to_owned(),
            "started with guide-weights = [",
        ),
    ] {
        let output = resumed(&more).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        assert!(stderr(&output).contains(words), "{}", stderr(&output));
    }
    let text = stderr(&succeed(resumed("")));
    assert!(!text.contains("the guide embeds"), "{text}");
    succeed(fit(folder.path(), &line("whole")));
    if repeatable() {
        let whole = inside(folder.path(), "whole");
        assert!(weights(&whole) == weights(&killed), "not the same weights");
    }
}

#[test]
fn what_does_not_fit_a_guide_is_refused() {
    let folder = folder();
    // A table of 8 numbers per token.
    let narrow = tiny().replace("tiny-mpnet", "static/root");
    let narrow = format!("--loss embed-distill --guide {narrow} --output c");
    let cut = inside(folder.path(), "cut");
    copy_model(Path::new(&tiny()), &cut);
    let settings = cut.join("config_sentence_transformers.json");
    std::fs::write(settings, r#"{"truncate_dim": 8}"#).unwrap();
    let cut_teacher = "--loss embed-distill --guide cut --output e";
    let cut_student = format!(
        "--loss embed-distill --model cut --guide {} --output f",
        tiny()
    );
    for (more, words) in [
        (cut_teacher, "the teacher cut keeps 8 of 32 numbers"),
        (
            cut_student.as_str(),
            "the student cut keeps 8 of 32 numbers",
        ),
        (narrow.as_str(), "give a guide or teacher with more"),
        (
            "--loss gist --guide-precision int8 --output d",
            "--guide-precision needs --guide:",
        ),
        ("--loss gist --output a", "needs a guide"),
        (
            "--guide none --output b",
            "--guide is for the losses gist and embed-distill",
        ),
    ] {
        let output = fit(folder.path(), more).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        assert!(stderr(&output).contains(words), "{}", stderr(&output));
    }
}

#[test]
fn too_few_texts_for_several_guides_are_refused() {
    let folder = folder();
    let pairs = "query\tdescription\none\ttwo\nthree\tfour\n";
    std::fs::write(inside(folder.path(), "pairs.tsv"), pairs).unwrap();
    let line = format!(
        "--loss embed-distill --guide {} --guide {} --output few",
        tiny(),
        other()
    );
    let output = fit(folder.path(), &line).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let text = stderr(&output);
    assert!(
        text.contains("4 texts cannot tell the 32 directions"),
        "{text}"
    );
    assert!(!inside(folder.path(), "few").join("training.toml").exists());
}
