//! Runs the program and reads its output.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::test_device::test_device;

/// The random 2-layer model of the `model` crate's tests: vectors of 32 values.
pub(crate) const TINY: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../model/tests/fixtures/tiny-mpnet"
);

/// Width of its vectors.
pub(crate) const WIDTH: usize = 32;

/// The program with the tiny model on the device under test, unless the arguments name another.
pub(crate) fn infer(arguments: &[&str]) -> Command {
    let mut command = bare_infer();
    command.args(["--model", TINY]);
    if !arguments.contains(&"--device") {
        command.args(["--device", &test_device().to_string()]);
    }
    command.args(arguments);
    command
}

/// The program with its defaults.
pub(crate) fn bare_infer() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_infer"));
    if std::env::var_os("XDG_RUNTIME_DIR").is_none() {
        // Mesa's Vulkan looks for a window system in it, and warns on stderr where it is not set.
        command.env("XDG_RUNTIME_DIR", std::env::temp_dir());
    }
    command
}

/// The end of a run.
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

pub(crate) fn run(command: &mut Command) -> Run {
    of(command.stdin(Stdio::null()).output().unwrap())
}

/// Runs with `input` on standard input.
pub(crate) fn run_with_input(command: &mut Command, input: &str) -> Run {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    // On a thread: the program may print before it has read everything.
    let feeder = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().unwrap();
    // A program that fails early reads nothing.
    let _ = feeder.join().unwrap();
    of(output)
}

fn of(output: Output) -> Run {
    Run {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

impl Run {
    /// Its standard output; the run must have succeeded.
    #[track_caller]
    pub(crate) fn ok(self) -> String {
        assert_eq!(self.code, 0, "{}", self.err);
        self.out
    }

    /// Its standard error; the run must have failed with that code.
    #[track_caller]
    pub(crate) fn failed(self, code: i32) -> String {
        assert_eq!(
            self.code, code,
            "stdout: {}\nstderr: {}",
            self.out, self.err
        );
        assert!(!self.err.contains("panicked"), "{}", self.err);
        self.err
    }
}

/// A folder with one file in it.
pub(crate) fn file(name: &str, content: impl AsRef<[u8]>) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, content).unwrap();
    (folder, path)
}

pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Names in a folder, sorted.
pub(crate) fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}
