//! Runs that are stopped, and go on.

use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use crate::support::{
    REPEATABLE, checkpoints, fit, folder, inside, stderr, steps, succeed, tensors, weights,
};

/// Arguments of a run long enough to be stopped in its midst.
fn long(output: &str) -> String {
    let output = format!("--no-dashboard --output {output}");
    format!("--epochs {EPOCHS} --batch-size 4 --save-steps 3 --lr 1e-3 {output}")
}

/// Six steps each; a software graphics adapter takes its time for them.
const EPOCHS: u64 = if REPEATABLE { 40 } else { 10 };

/// Waits for a checkpoint, and a little for the next one to be in the making.
#[track_caller]
fn wait_for_checkpoint(child: &mut Child, output: &Path, at_least: usize) {
    let begun = Instant::now();
    while checkpoints(output).into_iter().max().unwrap_or(0) < at_least {
        assert!(begun.elapsed() < Duration::from_secs(120), "no checkpoint");
        assert!(child.try_wait().unwrap().is_none(), "ended too early");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// The weights after all steps are those of a run that nobody stopped.
#[track_caller]
fn assert_same_end(folder: &Path, stopped: &str) {
    succeed(fit(folder, &long("whole")));
    let (whole, resumed) = (inside(folder, "whole"), inside(folder, stopped));
    let numbers = |output: &Path| -> Vec<u64> {
        steps(output)
            .iter()
            .map(|step| step["step"].as_u64().unwrap())
            .collect()
    };
    assert_eq!(numbers(&resumed), (1..=6 * EPOCHS).collect::<Vec<_>>());
    assert_eq!(numbers(&whole), numbers(&resumed));
    if REPEATABLE {
        assert!(weights(&whole) == weights(&resumed), "not the same weights");
    } else {
        // Order of sums: a run is not the same twice there.
        for ((name, a), (_, b)) in tensors(&whole).iter().zip(&tensors(&resumed)) {
            let close = a.iter().zip(b).all(|(a, b)| (a - b).abs() < 0.05);
            assert!(close || name.ends_with("attn.k.bias"), "{name}");
        }
    }
}

#[test]
fn a_killed_run_goes_on_to_the_same_end() {
    let folder = folder();
    let output = inside(folder.path(), "killed");
    let mut at_least = 1;
    // Killed again and again, wherever it happens to be.
    for attempt in 0..3 {
        let arguments = if attempt == 0 {
            long("killed")
        } else {
            "--no-dashboard --output killed --resume".to_owned()
        };
        let mut child = fit(folder.path(), &arguments)
            .stderr(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        wait_for_checkpoint(&mut child, &output, at_least);
        std::thread::sleep(Duration::from_millis(attempt * 7));
        child.kill().unwrap();
        child.wait().unwrap();
        at_least = checkpoints(&output).into_iter().max().unwrap() + 1;
        assert!(
            at_least < 5 * EPOCHS as usize,
            "too fast to be killed in its midst"
        );
    }
    succeed(fit(
        folder.path(),
        "--resume --no-dashboard --output killed",
    ));
    assert_same_end(folder.path(), "killed");
}

#[cfg(unix)]
#[test]
fn an_interrupt_writes_a_checkpoint_and_says_how_to_go_on() {
    let folder = folder();
    let output = inside(folder.path(), "interrupted");
    let mut child = fit(folder.path(), &long("interrupted"))
        .stderr(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    wait_for_checkpoint(&mut child, &output, 1);
    let status = std::process::Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status()
        .unwrap();
    assert!(status.success());
    let ended = child.wait_with_output().unwrap();
    let text = stderr(&ended);
    assert_eq!(ended.status.code(), Some(130), "{text}");
    assert!(text.contains("--resume"), "{text}");
    // The checkpoint is of the last step that was done.
    let last = steps(&output).last().unwrap()["step"].as_u64().unwrap();
    assert_eq!(checkpoints(&output), [last as usize]);
    assert!(!output.join("modules.json").exists(), "no half-tuned model");
    succeed(fit(
        folder.path(),
        "--resume --no-dashboard --output interrupted",
    ));
    assert_same_end(folder.path(), "interrupted");
}

#[test]
fn a_run_goes_on_only_with_its_own_settings_and_from_whole_files() {
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
        assert_eq!(output.status.code(), Some(1));
        stderr(&output)
    };
    let text = refused("--resume --lr 5e-5 --output run");
    assert!(text.contains("lr = 0.001"), "{text}");
    let text = refused("--output run");
    assert!(text.contains("--resume"), "{text}");

    let step = checkpoints(&output).into_iter().max().unwrap();
    let optimizer = output.join(format!("checkpoint/optim-{step}.bin"));
    std::fs::write(&optimizer, b"not a record").unwrap();
    let text = refused("--resume --output run");
    assert!(
        text.starts_with("error: ") || text.contains("\nerror: "),
        "{text}"
    );
    assert!(text.contains("checkpoint"), "{text}");
}
