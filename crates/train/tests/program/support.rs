//! What the tests share: rows to train on, the program, the model.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use model::Device;

use crate::test_device::test_device;

/// The device under test, for `--device`.
pub(crate) fn device() -> String {
    test_device().to_string()
}

/// Whether a run can be repeated bit for bit: only `cpu` adds in a fixed order.
pub(crate) fn repeatable() -> bool {
    test_device() == Device::Cpu
}

/// The random 2-layer model.
pub(crate) fn tiny() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../model/tests/fixtures/tiny-mpnet");
    path.to_str().unwrap().to_owned()
}

/// A folder with `pairs.tsv` in it: 24 pairs, whose words the tiny model knows.
pub(crate) fn folder() -> tempfile::TempDir {
    const THINGS: [&str; 6] = ["bottle", "speaker", "keyboard", "chair", "shoes", "cable"];
    const KINDS: [&str; 4] = ["wireless", "steel", "red", "compact"];
    let folder = tempfile::tempdir().unwrap();
    let mut pairs = "query\tdescription\n".to_owned();
    for thing in THINGS {
        for kind in KINDS {
            pairs.push_str(&format!(
                "{kind} {thing}\tA {thing} that is {kind}, for a long day with {thing}s.\n"
            ));
        }
    }
    std::fs::write(folder.path().join("pairs.tsv"), pairs).unwrap();
    folder
}

/// `train ARGUMENTS` in a folder.
pub(crate) fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_train"));
    command
        .current_dir(folder)
        .args(arguments)
        .env("HF_HUB_OFFLINE", "1");
    command
}

/// `train fit` on the tiny model and `pairs.tsv`, with more arguments, parted by spaces.
pub(crate) fn fit(folder: &Path, arguments: &str) -> Command {
    fit_model(folder, &tiny(), arguments)
}

/// [`fit`] of another model.
pub(crate) fn fit_model(folder: &Path, model: &str, arguments: &str) -> Command {
    let device = device();
    let mut all = vec!["fit", "--device", &device, "--model", model];
    if !arguments.contains("--resume") && !arguments.contains("--config") {
        all.extend(["--train", "pairs.tsv"]);
    }
    all.extend(arguments.split_whitespace());
    command(folder, &all)
}

/// Runs it, and fails the test unless it succeeds.
#[track_caller]
pub(crate) fn succeed(mut command: Command) -> Output {
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{:?}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// The bytes of the tuned weights.
pub(crate) fn weights(output: &Path) -> Vec<u8> {
    std::fs::read(output.join("model.safetensors")).unwrap()
}

/// The values of all tensors of a weights file, by name.
pub(crate) fn tensors(output: &Path) -> Vec<(String, Vec<f32>)> {
    let bytes = weights(output);
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let mut tensors: Vec<(String, Vec<f32>)> = file
        .tensors()
        .into_iter()
        .map(|(name, tensor)| {
            let values = tensor
                .data()
                .chunks_exact(4)
                .map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap()))
                .collect();
            (name, values)
        })
        .collect();
    tensors.sort_by(|a, b| a.0.cmp(&b.0));
    tensors
}

/// The steps of a run, from its `metrics.jsonl`.
pub(crate) fn steps(output: &Path) -> Vec<serde_json::Value> {
    events(output, "step")
}

/// Its validations.
pub(crate) fn evaluations(output: &Path) -> Vec<serde_json::Value> {
    events(output, "evaluation")
}

fn events(output: &Path, kind: &str) -> Vec<serde_json::Value> {
    std::fs::read_to_string(output.join("metrics.jsonl"))
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .filter(|event| event["event"] == kind)
        .collect()
}

/// The checkpoints of a run, by their steps: a checkpoint exists when its folder does.
pub(crate) fn checkpoints(output: &Path) -> Vec<usize> {
    let folders = checkpoint_folders(output);
    let mut steps: Vec<usize> = folders.into_iter().map(|(name, _)| name.0).collect();
    steps.sort_unstable();
    steps.dedup();
    steps
}

/// The folder of the latest checkpoint.
#[track_caller]
pub(crate) fn latest_checkpoint(output: &Path) -> PathBuf {
    checkpoint_folders(output).into_iter().max().unwrap().1
}

/// The position in the latest checkpoint.
#[track_caller]
pub(crate) fn position(output: &Path) -> serde_json::Value {
    let state = latest_checkpoint(output).join("state.json");
    serde_json::from_slice(&std::fs::read(state).unwrap()).unwrap()
}

/// Step, number within the step, and folder of every checkpoint.
fn checkpoint_folders(output: &Path) -> Vec<((usize, usize), PathBuf)> {
    let entries = output.join("checkpoint").read_dir();
    let paths = entries
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path());
    paths
        .filter_map(|path| {
            let name = path.file_name()?.to_str()?;
            let (step, number) = name.split_once('.').unwrap_or((name, "0"));
            Some(((step.parse().ok()?, number.parse().ok()?), path))
        })
        .collect()
}

/// A path below a folder, as text.
pub(crate) fn inside(folder: &Path, name: &str) -> PathBuf {
    folder.join(name)
}

/// The rows of `pairs.tsv`.
pub(crate) fn pairs(folder: &Path) -> Vec<[String; 2]> {
    let text = std::fs::read_to_string(folder.join("pairs.tsv")).unwrap();
    let rows = text.lines().skip(1).map(|line| {
        let (query, description) = line.split_once('\t').unwrap();
        [query, description].map(str::to_owned)
    });
    rows.collect()
}

/// All files of a folder but those of its checkpoints, with what is in them.
pub(crate) fn contents(folder: &Path) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let mut files = Vec::new();
    for entry in folder.read_dir().unwrap() {
        let path = entry.unwrap().path();
        if path.ends_with("checkpoint") {
            continue;
        }
        if path.is_dir() {
            files.extend(contents(&path));
        } else {
            files.push((path.clone(), std::fs::read(path).unwrap()));
        }
    }
    files.sort();
    files
}

/// Copies a model folder to one that does not exist yet.
pub(crate) fn copy_model(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in from.read_dir().unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_model(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}
