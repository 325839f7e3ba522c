//! Runs that are stopped and resumed.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::{
    checkpoints, contents, evaluations, fit, folder, inside, position, repeatable, stderr, steps,
    succeed, tensors, tiny, weights,
};

/// Arguments of a run long enough to be stopped in the middle.
pub(crate) fn long(output: &str) -> String {
    let output = format!("--no-dashboard --output {output}");
    format!(
        "--epochs {} --batch-size 4 --save-steps 3 --lr 1e-3 {output}",
        epochs()
    )
}

/// Epochs of six steps; fewer where a software graphics adapter is slow.
fn epochs() -> u64 {
    if repeatable() { 40 } else { 10 }
}

/// Waits for a checkpoint of step `at_least` or later.
#[track_caller]
pub(crate) fn wait_for_checkpoint(child: &mut Child, output: &Path, at_least: usize) {
    let begun = Instant::now();
    // A finished run has written all its checkpoints.
    while child.try_wait().unwrap().is_none()
        && checkpoints(output).into_iter().max().unwrap_or(0) < at_least
    {
        assert!(begun.elapsed() < Duration::from_secs(120), "no checkpoint");
        std::thread::sleep(Duration::from_millis(2));
    }
    let latest = checkpoints(output).into_iter().max();
    assert!(latest >= Some(at_least), "ended with {latest:?}");
}

/// Starts a run, kills it at a checkpoint of step `at_least` or later, and returns whether it was still running.
#[track_caller]
pub(crate) fn kill_at(mut run: Command, output: &Path, at_least: usize) -> bool {
    let run = run.stderr(Stdio::null()).stdout(Stdio::null());
    let mut child = run.spawn().unwrap();
    wait_for_checkpoint(&mut child, output, at_least);
    kill(&mut child)
}

/// Kills a run and returns whether it was still running.
#[track_caller]
pub(crate) fn kill(child: &mut Child) -> bool {
    child.kill().unwrap();
    !child.wait().unwrap().success()
}

/// The weights after all steps equal those of an uninterrupted run.
#[track_caller]
pub(crate) fn assert_same_end(folder: &Path, stopped: &str) {
    succeed(fit(folder, &long("whole")));
    let (whole, resumed) = (inside(folder, "whole"), inside(folder, stopped));
    let numbers = |output: &Path| -> Vec<u64> {
        steps(output)
            .iter()
            .map(|step| step["step"].as_u64().unwrap())
            .collect()
    };
    assert_eq!(numbers(&resumed), (1..=6 * epochs()).collect::<Vec<_>>());
    assert_eq!(numbers(&whole), numbers(&resumed));
    if repeatable() {
        assert!(weights(&whole) == weights(&resumed), "not the same weights");
    } else {
        // The order of sums varies on such a backend, so two runs differ, but little compared with the
        // change by training.
        let (whole, resumed) = (tensors(&whole), tensors(&resumed));
        let begun = tensors(Path::new(&tiny()));
        let (apart, moved) = (distance(&whole, &resumed), distance(&whole, &begun));
        assert!(apart < 0.1 * moved, "{apart} apart, {moved} from the start");
    }
}

/// Distance of all tensors except the biases of keys, which cancel out in the softmax: their gradients
/// are only rounding errors.
fn distance(one: &[(String, Vec<f32>)], other: &[(String, Vec<f32>)]) -> f64 {
    let counted = |tensors: &[(String, Vec<f32>)]| -> Vec<f32> {
        tensors
            .iter()
            .filter(|(name, _)| !name.ends_with("attn.k.bias"))
            .flat_map(|(_, values)| values.clone())
            .collect()
    };
    let (one, other) = (counted(one), counted(other));
    assert_eq!(one.len(), other.len());
    let squares = one
        .iter()
        .zip(&other)
        .map(|(a, b)| f64::from(a - b).powi(2));
    squares.sum::<f64>().sqrt()
}

/// A run killed before its first checkpoint; that does not depend on the backend.
#[test]
fn a_run_that_was_killed_before_its_first_checkpoint_starts_again() {
    if !repeatable() {
        return;
    }
    let folder = folder();
    let output = inside(folder.path(), "early");
    let arguments = long("early").replace("--save-steps 3", "--save-steps 100000");
    let mut child = fit(folder.path(), &arguments)
        .stderr(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let begun = Instant::now();
    while !output.join("metrics.jsonl").is_file() {
        assert!(begun.elapsed() < Duration::from_secs(120), "no run");
        std::thread::sleep(Duration::from_millis(2));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(checkpoints(&output), [0; 0]);
    let resumed = succeed(fit(folder.path(), "--resume --no-dashboard --output early"));
    let message = stderr(&resumed);
    assert!(message.contains("starting from the beginning"), "{message}");
    assert_same_end(folder.path(), "early");
}

#[test]
fn a_killed_run_resumes_to_the_same_end() {
    let folder = folder();
    let output = inside(folder.path(), "killed");
    let (mut at_least, mut kills) = (1, 0);
    // Killed several times, at arbitrary points.
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
        kills += usize::from(kill(&mut child));
        at_least = checkpoints(&output).into_iter().max().unwrap() + 1;
        // On a busy machine the run may have finished meanwhile.
        if at_least > 6 * epochs() as usize {
            break;
        }
    }
    assert!(kills > 0, "the run finished before every kill");
    succeed(fit(
        folder.path(),
        "--resume --no-dashboard --output killed",
    ));
    assert_same_end(folder.path(), "killed");
}

/// Further content of checkpoints: adapters with accumulated batches, frozen layers, the seeds of
/// micro-batches that are computed twice, and results of validations.
#[test]
fn a_killed_run_of_every_kind_resumes_to_the_same_end() {
    if !repeatable() {
        return;
    }
    let folder = folder();
    let kinds = [
        ("adapters", "--lora 2 --accumulation 4"),
        ("frozen", "--freeze 1 --checkpointing --sampler length"),
        (
            "micro-batches",
            "--mini-batch-size 2 --dropout 0.3 --decay constant",
        ),
        ("validated", "--split 0.25 --eval-steps 5 --patience 100"),
    ];
    for (kind, more) in kinds {
        let killed = format!("{kind}-killed");
        let output = inside(folder.path(), &killed);
        // On a busy machine a run may finish before the kill; then another one is started.
        let was_killed = (0..3).any(|attempt| {
            if attempt > 0 {
                std::fs::remove_dir_all(&output).unwrap();
            }
            let run = fit(folder.path(), &format!("{} {more}", long(&killed)));
            kill_at(run, &output, 4)
        });
        assert!(was_killed, "{kind}: the run finished before every kill");
        succeed(fit(
            folder.path(),
            &format!("--resume --no-dashboard --output {killed}"),
        ));
        succeed(fit(folder.path(), &format!("{} {more}", long(kind))));
        let whole = inside(folder.path(), kind);
        assert_eq!(steps(&output).len(), steps(&whole).len(), "{kind}");
        let validations = [&output, &whole].map(|output| evaluations(output).len());
        assert_eq!(validations[0], validations[1], "{kind}");
        assert!(weights(&whole) == weights(&output), "{kind}");
    }
}

#[cfg(unix)]
#[test]
fn an_interrupt_writes_a_checkpoint_and_names_the_command_to_resume() {
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
    // The checkpoint is that of the last completed step.
    let last = steps(&output).last().unwrap()["step"].as_u64().unwrap();
    assert_eq!(checkpoints(&output), [last as usize]);
    assert!(!output.join("modules.json").exists(), "no half-tuned model");
    succeed(fit(
        folder.path(),
        "--resume --no-dashboard --output interrupted",
    ));
    assert_same_end(folder.path(), "interrupted");
}

/// A run that learns too fast: its first epochs are better than its last.
pub(crate) const OVERSHOT: &str =
    "--split 0.25 --epochs 8 --batch-size 6 --lr 5e-2 --seed 3 --no-dashboard";

#[test]
fn a_run_killed_before_its_report_keeps_the_best_weights() {
    let folder = folder();
    let tuned = inside(folder.path(), "tuned");
    let whole = inside(folder.path(), "whole");
    for output in ["tuned", "whole"] {
        succeed(fit(
            folder.path(),
            &format!("{OVERSHOT} --patience 2 --output {output}"),
        ));
    }
    // As a kill leaves it between the model and the report: the best model is in both places.
    let position = position(&tuned);
    let (best, last) = (&position["best"]["step"], &position["step"]);
    assert!(best.as_u64() < last.as_u64(), "{position}");
    let kept = tuned.join(format!("checkpoint/best-{best}"));
    std::fs::create_dir_all(kept.join("1_Pooling")).unwrap();
    let mut parts = Vec::new();
    for (path, bytes) in contents(&tuned) {
        let name = path.strip_prefix(&tuned).unwrap().to_owned();
        let report = ["README.md", "report.html", "metrics.jsonl", "training.toml"];
        if report.iter().any(|file| name == Path::new(file))
            || name.extension().is_some_and(|end| end == "svg")
        {
            continue;
        }
        std::fs::write(kept.join(&name), bytes).unwrap();
        parts.push(path);
    }
    std::fs::remove_file(tuned.join("README.md")).unwrap();
    // And while the model was put in place.
    for part in &parts[..parts.len() / 2] {
        std::fs::remove_file(part).unwrap();
    }
    succeed(fit(folder.path(), "--resume --no-dashboard --output tuned"));
    assert!(tuned.join("README.md").is_file());
    if repeatable() {
        assert!(weights(&tuned) == weights(&whole), "not the best weights");
    }
    assert_eq!(steps(&tuned).len(), steps(&whole).len(), "no step more");

    // Without the best model the last one does not take its place.
    std::fs::remove_file(tuned.join("README.md")).unwrap();
    let refused = fit(folder.path(), "--resume --no-dashboard --output tuned")
        .output()
        .unwrap();
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        stderr(&refused).contains("--keep-last"),
        "{}",
        stderr(&refused)
    );
    if repeatable() {
        assert!(weights(&tuned) == weights(&whole));
    }
}

/// How often the test kills a run; `.ci/nightly train-resume` sets it.
const KILLS: &str = "TRAIN_KILLS";

/// 18 of 24 rows in batches of 4 make 5 steps per epoch.
const SIXTY_STEPS: &str = "--split 0.25 --epochs 12 --batch-size 4 --save-steps 2 --eval-steps 7 --lr 1e-3 --no-dashboard";

/// Kills at any moment: while the run starts, trains, validates, writes a checkpoint or the tuned model.
#[test]
fn a_run_killed_at_a_random_moment_resumes_to_the_same_bits() {
    if !repeatable() {
        return;
    }
    let kills = std::env::var(KILLS).map_or(3, |kills| kills.parse().unwrap());
    let folder = folder();
    let begun = Instant::now();
    succeed(fit(folder.path(), &format!("{SIXTY_STEPS} --output whole")));
    let took = begun.elapsed();
    let whole = inside(folder.path(), "whole");
    assert_eq!(steps(&whole).len(), 60);
    let (mut early, mut late) = (0, 0);
    for number in 0..kills {
        // A random share of the time that the whole run took.
        let share = train::random::derive_seed(60, number) as f64 / u64::MAX as f64;
        let output = inside(folder.path(), "killed");
        let arguments = format!("{SIXTY_STEPS} --output killed");
        let mut child = fit(folder.path(), &arguments)
            .stderr(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(took.mul_f64(share));
        late += u64::from(!kill(&mut child));
        if output.join("checkpoint/settings.toml").is_file() {
            succeed(fit(
                folder.path(),
                "--resume --no-dashboard --output killed",
            ));
        } else {
            early += 1;
            succeed(fit(folder.path(), &arguments));
        }
        let what = format!("kill {number} after {share:.3} of {took:?}");
        assert!(weights(&output) == weights(&whole), "{what}: other weights");
        assert_eq!(steps(&output).len(), 60, "{what}");
        assert_eq!(
            evaluations(&output).len(),
            evaluations(&whole).len(),
            "{what}"
        );
        let left: Vec<String> = output
            .join("checkpoint")
            .read_dir()
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.starts_with("best-") || name == ".new")
            .collect();
        assert!(left.is_empty(), "{what}: {left:?}");
        std::fs::remove_dir_all(&output).unwrap();
    }
    println!("{kills} kills of a run of {took:?}: {early} before it began, {late} after its end");
    assert!(early + late < kills, "no kill met a run that trained");
}

/// No room for the weights: 64 blocks of 512 or 1,024 bytes, as the shell counts.
#[cfg(unix)]
#[test]
fn a_checkpoint_that_cannot_be_written_is_no_interrupt() {
    let folder = folder();
    let run = fit(folder.path(), "--no-dashboard --output full");
    let mut shell = std::process::Command::new("sh");
    shell
        .args(["-c", "trap '' XFSZ; ulimit -f 64; exec \"$0\" \"$@\""])
        .arg(run.get_program())
        .args(run.get_args())
        .current_dir(folder.path())
        .env("HF_HUB_OFFLINE", "1");
    let output = shell.output().unwrap();
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    // Software Vulkan, too, writes lines that begin so: about its environment.
    let errors = text.lines().filter(|line| line.starts_with("error: "));
    let [error] = errors
        .filter(|line| !line.contains("XDG_RUNTIME_DIR"))
        .collect::<Vec<_>>()[..]
    else {
        panic!("{text}");
    };
    assert!(
        error.contains("checkpoint/") && error.contains(".bin: "),
        "{text}"
    );
    assert!(!text.contains("interrupted"), "{text}");
    assert!(checkpoints(&inside(folder.path(), "full")).is_empty());
    assert!(!inside(folder.path(), "full/modules.json").exists());
}
