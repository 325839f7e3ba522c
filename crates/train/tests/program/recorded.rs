//! What a run records about itself.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::interruption::long;
use crate::support::{
    command, copy_model, device, fit, folder, inside, repeatable, steps, succeed, tiny,
};

/// A model of the hub may change under its name.
#[test]
fn a_model_of_the_hub_is_recorded_with_its_commit() {
    const COMMIT: &str = "e8c3b32edf5434bc2275fc9bab85f82640a19130";
    let folder = folder();
    let cached = inside(folder.path(), "hub/models--owner--tiny");
    copy_model(Path::new(&tiny()), &cached.join("snapshots").join(COMMIT));
    std::fs::create_dir_all(cached.join("refs")).unwrap();
    std::fs::write(cached.join("refs/main"), COMMIT).unwrap();
    let device = device();
    let run = "fit --model owner/tiny --train pairs.tsv --max-steps 1 --output tuned --device";
    let mut words: Vec<&str> = run.split(' ').collect();
    words.push(&device);
    let mut run = command(folder.path(), &words);
    run.env("HF_HOME", folder.path()).env_remove("HF_HUB_CACHE");
    succeed(run);
    for name in ["training.toml", "README.md", "report.html"] {
        let text = std::fs::read_to_string(inside(folder.path(), "tuned").join(name)).unwrap();
        assert!(text.contains(COMMIT), "{name}: {text}");
    }
}

#[test]
fn the_report_tells_the_epochs_that_were_done() {
    let folder = folder();
    // 24 rows in batches of 6: a limit of 2 steps is half an epoch of 1,000.
    let run = "--epochs 1000 --max-steps 2 --batch-size 6 --output tuned";
    succeed(fit(folder.path(), run));
    let report = std::fs::read_to_string(inside(folder.path(), "tuned/report.html")).unwrap();
    assert!(report.contains("2 steps, 0.5 epochs"), "{report}");
}

/// Reading the folder of checkpoints takes long on a network file system, so a step without a new one does not.
#[test]
fn superfluous_files_are_removed_only_after_a_checkpoint() {
    if !repeatable() {
        return;
    }
    let folder = folder();
    let output = inside(folder.path(), "run");
    let arguments = long("run").replace("--save-steps 3", "--save-steps 100000");
    let arguments = arguments.replace("--epochs 40", "--epochs 100000");
    let mut child = fit(folder.path(), &arguments)
        .stderr(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let begun = Instant::now();
    let mut wait_for_step = |step: usize| {
        while !output.join("metrics.jsonl").is_file() || lines(&output) < step {
            assert!(begun.elapsed() < Duration::from_secs(120), "no step {step}");
            assert_eq!(child.try_wait().unwrap(), None, "the run ended");
            std::thread::sleep(Duration::from_millis(2));
        }
    };
    wait_for_step(1);
    // A best model that no checkpoint names.
    let superfluous = output.join("checkpoint/best-999999");
    std::fs::create_dir(&superfluous).unwrap();
    let step = lines(&output);
    wait_for_step(step + 5);
    assert!(superfluous.is_dir(), "removed after a step");
    child.kill().unwrap();
    child.wait().unwrap();
}

/// The lines of the log of a run, the last of which may not be complete yet.
fn lines(output: &Path) -> usize {
    let log = std::fs::read(output.join("metrics.jsonl")).unwrap();
    log.iter().filter(|byte| **byte == b'\n').count()
}

/// A resumed run compares the settings with those of its start, so all must be there.
#[test]
fn defaults_of_the_loss_are_recorded() {
    let folder = folder();
    let (tiny, device) = (tiny(), device());
    for (loss, negatives) in [
        ("multiple-negatives-ranking", Some("negatives = 4")),
        ("binary-cross-entropy --negatives 3", Some("negatives = 3")),
        (
            "margin-mse --columns anchor=query,positive=description,negative=query2,score=s,score=t",
            None,
        ),
    ] {
        let name = loss.split(' ').next().unwrap();
        let rows = crate::support::pairs(folder.path());
        let rows = rows
            .iter()
            .map(|[query, text]| format!("{query}\t{text}\t{query} 2\t1\t0\n"));
        let text = "query\tdescription\tquery2\ts\tt\n".to_owned() + &rows.collect::<String>();
        std::fs::write(inside(folder.path(), "scored.tsv"), text).unwrap();
        let rows = if negatives.is_some() {
            "pairs.tsv"
        } else {
            "scored.tsv"
        };
        let line = format!(
            "rerank --model {tiny} --train {rows} --loss {loss} --max-steps 1 --output {name} --device {device}"
        );
        succeed(command(folder.path(), &line.split(' ').collect::<Vec<_>>()));
        let output = inside(folder.path(), name);
        assert_eq!(steps(&output).len(), 1);
        let settings = std::fs::read_to_string(output.join("training.toml")).unwrap();
        match negatives {
            Some(line) => assert!(settings.lines().any(|found| found == line), "{settings}"),
            None => assert!(!settings.contains("negatives"), "{settings}"),
        }
    }
}
