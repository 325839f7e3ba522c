//! What a run resumes with: its settings, its rows and its model, also from another place.

use std::path::Path;
use std::process::Stdio;

use crate::interruption::{OVERSHOT, kill, long, wait_for_checkpoint};
use crate::support::{
    checkpoints, contents, copy_model, evaluations, fit, fit_model, folder, inside,
    latest_checkpoint, position, repeatable, stderr, steps, succeed, tiny, weights,
};

#[test]
fn a_run_resumes_only_with_its_own_settings_and_complete_files() {
    let folder = folder();
    let mut child = fit(folder.path(), &long("run"))
        .stderr(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let output = inside(folder.path(), "run");
    wait_for_checkpoint(&mut child, &output, 1);
    child.kill().unwrap();
    child.wait().unwrap();

    let refused = |arguments: &str| {
        let output = fit(folder.path(), arguments).output().unwrap();
        (output.status.code(), stderr(&output))
    };
    let (code, text) = refused("--resume --lr 5e-5 --output run");
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("lr = 0.001"), "{text}");
    let (code, text) = refused("--output run");
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("--resume"), "{text}");
    let optimizer = latest_checkpoint(&output).join("optim.bin");
    std::fs::write(&optimizer, b"not a record").unwrap();
    let (code, text) = refused("--resume --output run");
    assert_eq!(code, Some(1), "{text}");
    assert!(
        text.starts_with("error: ") || text.contains("\nerror: "),
        "{text}"
    );
    assert!(text.contains("checkpoint"), "{text}");
}

#[test]
fn a_finished_run_that_is_resumed_is_left_alone() {
    let folder = folder();
    for (output, arguments) in [
        ("whole", OVERSHOT.to_owned()),
        ("stopped", format!("{OVERSHOT} --patience 2")),
    ] {
        succeed(fit(
            folder.path(),
            &format!("{arguments} --output {output}"),
        ));
        let tuned = inside(folder.path(), output);
        let before = contents(&tuned);
        let again = succeed(fit(
            folder.path(),
            &format!("--resume --no-dashboard --output {output}"),
        ));
        assert!(stderr(&again).contains("already finished"), "{output}");
        assert!(contents(&tuned) == before, "{output}");
        let best = tuned.join("checkpoint").read_dir().unwrap().flatten();
        let best = best.filter(|entry| entry.file_name().to_string_lossy().starts_with("best"));
        assert_eq!(best.count(), 0, "{output}");
    }
}

#[test]
fn a_run_goes_on_from_another_folder_and_keeps_what_was_changed() {
    let folder = folder();
    let arguments = "--epochs 2 --batch-size 6 --no-dashboard --output";
    for output in ["tuned", "whole"] {
        succeed(fit(folder.path(), &format!("{arguments} {output}")));
    }
    let tuned = inside(folder.path(), "tuned");
    let whole = weights(&inside(folder.path(), "whole"));
    let elsewhere = inside(folder.path(), "elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    let text = |name: &str| std::fs::read_to_string(tuned.join(name)).unwrap();
    let resume = |more: &str| {
        std::fs::remove_file(tuned.join("README.md")).unwrap();
        let arguments = format!("--resume --no-dashboard --output ../tuned {more}");
        succeed(fit(&elsewhere, &arguments));
        if repeatable() {
            assert!(weights(&tuned) == whole, "{more}");
        }
        assert!(text("training.toml").contains("workers = 3"), "{more}");
    };
    resume("--workers 3");
    let place = |name: &str| inside(folder.path(), name);
    std::fs::rename(place("pairs.tsv"), place("moved.tsv")).unwrap();
    resume("--train ../moved.tsv");
    assert!(text("training.toml").contains("moved.tsv"));
}

#[test]
fn a_model_may_move_but_not_change_and_nothing_published_names_the_machine() {
    let folder = folder();
    let place = |name: &str| inside(folder.path(), name);
    copy_model(Path::new(&tiny()), &place("base"));
    let base = place("base").to_string_lossy().into_owned();
    let arguments =
        "--epochs 2 --batch-size 6 --lora 2 --save-adapter --no-dashboard --output tuned";
    succeed(fit_model(folder.path(), &base, arguments));
    let tuned = place("tuned");
    let whole = weights(&tuned);
    let home = folder.path().to_string_lossy().into_owned();
    let check = || {
        for (path, bytes) in contents(&tuned) {
            let text = String::from_utf8_lossy(&bytes);
            assert!(!text.contains(&home), "{} names {home}", path.display());
        }
    };
    check();
    let adapter = std::fs::read_to_string(tuned.join("adapter/adapter_config.json")).unwrap();
    assert!(
        adapter.contains("\"base_model_name_or_path\": \"base\""),
        "{adapter}"
    );

    std::fs::rename(place("base"), place("moved")).unwrap();
    copy_model(&place("moved"), &place("other"));
    let config = std::fs::read_to_string(place("other").join("config.json")).unwrap();
    let other = config.replace(
        "\"hidden_dropout_prob\": 0.1",
        "\"hidden_dropout_prob\": 0.2",
    );
    assert_ne!(config, other);
    std::fs::write(place("other").join("config.json"), other).unwrap();
    std::fs::remove_file(tuned.join("README.md")).unwrap();
    let resume = |more: &str| {
        let line = format!("fit --resume --no-dashboard --output tuned {more}");
        let words: Vec<&str> = line.split_whitespace().collect();
        crate::support::command(folder.path(), &words)
    };
    for (more, words) in [
        ("", "give its new place with --model"),
        ("--model other", "files differ"),
    ] {
        let refused = resume(more).output().unwrap();
        let text = stderr(&refused);
        assert_eq!(refused.status.code(), Some(2), "{text}");
        assert!(text.contains(words), "{text}");
    }
    succeed(resume("--model moved"));
    check();
    if repeatable() {
        assert!(weights(&tuned) == whole);
    }
}

#[test]
fn a_validation_that_was_due_is_made_up_for() {
    let folder = folder();
    let arguments =
        "--split 0.25 --epochs 2 --batch-size 6 --eval-steps 2 --save-steps 4 --lr 1e-3";
    succeed(fit(
        folder.path(),
        &format!("{arguments} --no-dashboard --keep-last --output tuned"),
    ));
    let tuned = inside(folder.path(), "tuned");
    // Also where `--save-steps` does not divide it.
    let last = steps(&tuned).len();
    assert_eq!((last, checkpoints(&tuned)), (6, vec![6]));
    let path = latest_checkpoint(&tuned).join("state.json");
    let text = std::fs::read_to_string(&path).unwrap();
    let due = text.replace("\"validation_due\": false", "\"validation_due\": true");
    assert_ne!(text, due);
    std::fs::write(&path, due).unwrap();
    std::fs::remove_file(tuned.join("README.md")).unwrap();
    let count = evaluations(&tuned).len();
    succeed(fit(folder.path(), "--resume --no-dashboard --output tuned"));
    assert_eq!(evaluations(&tuned).len(), count + 1);
    assert_eq!(position(&tuned)["validation_due"], false);
}

#[test]
fn a_run_does_not_go_on_with_other_rows() {
    let folder = folder();
    succeed(fit(
        folder.path(),
        "--epochs 2 --batch-size 6 --no-dashboard --output tuned",
    ));
    std::fs::remove_file(inside(folder.path(), "tuned/README.md")).unwrap();
    let pairs = folder.path().join("pairs.tsv");
    let text = std::fs::read_to_string(&pairs).unwrap();
    let fewer: Vec<&str> = text.lines().take(12).collect();
    std::fs::write(&pairs, fewer.join("\n")).unwrap();
    let refused = fit(folder.path(), "--resume --no-dashboard --output tuned")
        .output()
        .unwrap();
    let message = stderr(&refused);
    assert_eq!(refused.status.code(), Some(1), "{message}");
    assert!(
        message.contains("24 training rows") && message.contains("11"),
        "{message}"
    );
}

#[test]
fn a_second_run_in_the_same_folder_is_refused() {
    let folder = folder();
    let output = inside(folder.path(), "run");
    let mut child = fit(folder.path(), &long("run"))
        .stderr(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    wait_for_checkpoint(&mut child, &output, 1);
    let second = fit(folder.path(), "--resume --no-dashboard --output run")
        .output()
        .unwrap();
    kill(&mut child);
    let text = stderr(&second);
    // On a busy machine the first run may have finished.
    if !text.contains("already finished") {
        assert_eq!(second.status.code(), Some(2), "{text}");
        assert!(
            text.contains("another run is writing to this folder"),
            "{text}"
        );
    }
}

/// A checkpoint at the end of an epoch, and a kill between the validation that follows and the next checkpoint.
#[test]
fn a_validation_is_logged_once() {
    let folder = folder();
    succeed(fit(
        folder.path(),
        "--split 0.25 --epochs 2 --batch-size 6 --save-steps 3 --no-dashboard --keep-last --output tuned",
    ));
    let tuned = inside(folder.path(), "tuned");
    let count = evaluations(&tuned).len();
    let mut state = position(&tuned);
    assert_eq!((&state["epoch"], &state["step"]), (&2.into(), &6.into()));
    state["epoch"] = 1.into();
    state["batch"] = 3.into();
    state["events"] = (state["events"].as_u64().unwrap() - 1).into();
    let path = latest_checkpoint(&tuned).join("state.json");
    std::fs::write(path, state.to_string()).unwrap();
    std::fs::remove_file(tuned.join("README.md")).unwrap();
    succeed(fit(folder.path(), "--resume --no-dashboard --output tuned"));
    assert_eq!(evaluations(&tuned).len(), count);
}
