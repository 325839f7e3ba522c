//! Usage errors and help.

#[cfg(unix)]
use std::io::BufRead;

use crate::support::{command, device, fit, folder, stderr, stdout, succeed, tiny};

#[test]
fn losses_are_listed() {
    let output = succeed(command(&std::env::temp_dir(), &["losses"]));
    let text = stdout(&output);
    for name in [
        "mse",
        "multiple-negatives-ranking",
        "triplet-euclidean",
        "cached-",
    ] {
        assert!(text.contains(name), "{name} in\n{text}");
    }
}

#[test]
fn usage_errors_have_exit_code_2_and_name_the_fix() {
    let folder = folder();
    for (name, text) in [
        (
            "wrong.toml",
            "train = \"pairs.tsv\"\nlearning-rate = 1e-5\n",
        ),
        (
            "type.json",
            "{\"train\": \"pairs.tsv\", \"epochs\": \"two\"}",
        ),
        (
            "loss.toml",
            "# loss\ntrain = \"pairs.tsv\"\nloss = \"mnlr\"\noutput = \"x\"\n",
        ),
        (
            "scale.toml",
            "train = \"pairs.tsv\"\noutput = \"x\"\nscale = 0\n",
        ),
        ("one.tsv", "query\tdescription\nred chair\tA chair\n"),
        ("one.toml", "train = \"one.tsv\"\nsplit = 0.5\n"),
        (
            "both.toml",
            "train = \"pairs.tsv\"\nvalid = \"pairs.tsv\"\nsplit = 0.1\n",
        ),
    ] {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    for (arguments, words) in [
        ("--loss cosent --output x", "needs 2 columns and a score"),
        ("--loss mnlr --output x", "multiple-negatives-ranking"),
        ("", "--output"),
        ("--patience 3 --output x", "--valid"),
        ("--freeze 2 --output x", "nothing to train"),
        ("--columns anchor=nothing --output x", "--columns"),
        ("--batch-size 0 --output x", "--batch-size"),
        ("--seed 18446744073709551615 --output x", "--seed"),
        ("--lora 999999999999 --output x", "--lora"),
        ("--drop-last --batch-size 64 --output x", "--drop-last"),
        ("--freeze 99 --output x", "nothing to train"),
        ("--threads 0 --output x", "--threads"),
        ("--scale 0 --output x", "scale"),
        (
            "--matryoshka 8,16 --matryoshka-weights 1 --output x",
            "weights",
        ),
        ("--matryoshka 999 --output x", "999"),
        ("--max-length 0 --output x", "--max-length"),
        (
            "--columns anchor=query,positive=nothing --output x",
            "nothing",
        ),
        ("--split 0.2 --group-column nothing --output x", "nothing"),
        ("--config one.toml --output x", "split off"),
        ("--resume --output x", "without --resume"),
        ("--config wrong.toml --output x", "learning-rate"),
        ("--config type.json --output x", "two"),
        ("--config both.toml --output x", "cannot be used with"),
        ("--config both.toml --output x", "both.toml, line "),
        ("--config type.json --output x", "type.json, line 1: "),
        ("--config loss.toml", "loss.toml, line 3: --loss: `mnlr`"),
        ("--config scale.toml", "scale.toml, line 3: --scale"),
    ] {
        let output = fit(folder.path(), arguments).output().unwrap();
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {text}");
        assert!(text.contains(words), "{arguments:?}: {text}");
        assert_eq!(output.stdout, b"", "{arguments:?}");
        // The corrected command can use the same folder.
        assert!(!folder.path().join("x").exists(), "{arguments:?}");
    }
}

#[test]
fn a_device_that_is_not_there_is_wrong_usage() {
    let folder = folder();
    let compiled = model::Device::compiled_in();
    for device in ["ndarray", "cuda:99", "wgpu:99"] {
        let backend = device.split(':').next().unwrap();
        let named = ["--train", "pairs.tsv", "--output", "x", "--device", device];
        for arguments in [
            &[&["fit", "--model", &tiny()], &named[..]].concat()[..],
            &[
                "evaluate",
                "--pairs",
                "pairs.tsv",
                "--model",
                &tiny(),
                "--device",
                device,
            ],
        ] {
            if device == "ndarray" && compiled.contains(&backend) {
                continue;
            }
            let output = command(folder.path(), arguments).output().unwrap();
            let text = stderr(&output);
            assert_eq!(output.status.code(), Some(2), "{arguments:?}: {text}");
            assert!(text.ends_with("try '--help'.\n"), "{text}");
        }
    }
    let mut losses = command(folder.path(), &["losses", "--threads", "2"]);
    let output = losses.output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    // An option may come before the command that uses it.
    let before = [
        "--threads",
        "2",
        "evaluate",
        "--pairs",
        "pairs.tsv",
        "--model",
        &tiny(),
    ];
    succeed(command(folder.path(), &before));
}

/// A run keeps the model and the device that it started with.
#[test]
fn variables_name_the_model_and_the_device_of_a_new_run() {
    let folder = folder();
    let run = |arguments: &[&str], model: &str| {
        let mut command = command(folder.path(), arguments);
        command
            .env("MPNET_BURN_MODEL", model)
            .env("MPNET_BURN_DEVICE", device());
        command
    };
    let new = [
        "fit",
        "--train",
        "pairs.tsv",
        "--max-steps",
        "1",
        "--output",
        "x",
    ];
    succeed(run(&new, &tiny()));
    let settings = std::fs::read_to_string(folder.path().join("x/training.toml")).unwrap();
    // Without the folders of this machine.
    assert!(settings.contains("model = \"tiny-mpnet\""), "{settings}");
    let model = format!("model = {:?}", tiny());
    assert!(
        settings.contains(&format!("device = \"{}\"", device())),
        "{settings}"
    );

    let resumed = succeed(run(
        &["fit", "--output", "x", "--resume"],
        "./no-such-model",
    ));
    assert!(
        stderr(&resumed).contains("already finished"),
        "{}",
        stderr(&resumed)
    );
    // The command line and a config file count first.
    std::fs::write(folder.path().join("run.toml"), format!("{model}\n")).unwrap();
    let configured = [&new[..5], &["--config", "run.toml", "--output", "y"]].concat();
    succeed(run(&configured, "./no-such-model"));
    let evaluate = ["evaluate", "--pairs", "pairs.tsv", "--json"];
    let scores = stdout(&succeed(run(&evaluate, &tiny())));
    assert!(scores.contains("tiny-mpnet"), "{scores}");
}

#[test]
fn a_bad_row_is_named_or_skipped() {
    let folder = folder();
    let pairs = folder.path().join("pairs.tsv");
    let mut text = std::fs::read_to_string(&pairs).unwrap();
    text.push_str("no description\n");
    std::fs::write(&pairs, text).unwrap();
    let output = fit(folder.path(), "--output x").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let text = stderr(&output);
    assert!(text.contains("pairs.tsv") && text.contains("26"), "{text}");
    assert!(!folder.path().join("x").exists(), "no folder");
    let output = succeed(fit(
        folder.path(),
        "--skip-bad-rows --max-steps 1 --output x",
    ));
    assert!(
        stderr(&output).contains("skipped 1 rows"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn an_unreadable_reference_fails_before_training() {
    let folder = folder();
    let output = fit(folder.path(), "--reference nope.json --output x")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("nope.json"), "{}", stderr(&output));
    assert!(!folder.path().join("x").exists(), "no folder");
}

#[test]
fn scores_that_are_to_be_cosines_are_named_by_file_and_line() {
    let folder = folder();
    let rows = "sentence1\tsentence2\tscore\nred chair\tsteel chair\t0.5\nred cable\tshoes\t4\n";
    std::fs::write(folder.path().join("sts.tsv"), rows).unwrap();
    std::fs::remove_file(folder.path().join("pairs.tsv")).unwrap();
    std::fs::rename(
        folder.path().join("sts.tsv"),
        folder.path().join("pairs.tsv"),
    )
    .unwrap();
    let output = fit(folder.path(), "--loss cosine-similarity --output x")
        .output()
        .unwrap();
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(2), "{text}");
    for part in ["pairs.tsv", "line 3", "cosent"] {
        assert!(text.contains(part), "{text}");
    }
}

#[cfg(unix)]
#[test]
fn a_stop_is_heard_while_steps_are_counted() {
    let folder = folder();
    // One text in two rows: with --drop-last each epoch must be counted.
    let pairs = folder.path().join("pairs.tsv");
    let mut text = std::fs::read_to_string(&pairs).unwrap();
    text.push_str("red chair\tanother one\n");
    std::fs::write(&pairs, text).unwrap();
    let mut child = fit(
        folder.path(),
        "--epochs 100000000000 --batch-size 8 --drop-last --output x",
    )
    .stderr(std::process::Stdio::piped())
    .spawn()
    .unwrap();
    let mut lines = std::io::BufReader::new(child.stderr.take().unwrap()).lines();
    let counting = lines.by_ref().find(|line| {
        let line = line.as_ref().unwrap();
        line.contains("counting the batches")
    });
    assert!(counting.is_some(), "ended before it counted");
    std::process::Command::new("kill")
        .args(["-TERM", &child.id().to_string()])
        .status()
        .unwrap();
    let text: String = lines.map(|line| line.unwrap() + "\n").collect();
    assert_eq!(child.wait().unwrap().code(), Some(143), "{text}");
    assert!(text.contains("training had not begun"), "{text}");
    assert!(!folder.path().join("x").exists());
}
