//! Commands of a page: a folder, and a `PATH` that begins with `infer`, `train` and `cargo`.

use std::fs::File;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::test_device::test_device;

/// The longest time of a command. Real models need more than the tiny one.
const TIME_LIMIT: Duration = Duration::from_secs(120);

const REAL_TIME_LIMIT: Duration = Duration::from_secs(600);

/// Adds the model and the device under test to the command line of a program, if its command takes
/// them. Without a model the program takes its own.
const PROGRAM: &str = r#"#!/bin/sh
model='MODEL'
option=--model
case "$1" in
  distill) option=--teacher; add_model=$model; add_device='DEVICE' ;;
  embed | similarity | search | recommend | bench | doctor | fit | rerank | tag | evaluate)
    add_model=$model; add_device='DEVICE' ;;
  attributes) add_model=1; add_device='DEVICE' ;;
  fetch | export) add_model=$model; add_device=1 ;;
  index)
    case "$2" in
      build | rebuild) add_model=$model; add_device='DEVICE' ;;
      add) add_model=1; add_device='DEVICE' ;;
      *) add_model=1; add_device=1 ;;
    esac ;;
  '' | -*) add_model=$model; add_device='DEVICE' ;;
  *) add_model=1; add_device=1 ;;
esac
for argument do
  shift
  case "$argument" in
    "$option") add_model=1 ;;
    --device) add_device=1 ;;
    sentence-transformers/all-mpnet-base-v2 | all-mpnet-base-v2) argument=${model:-$argument} ;;
  esac
  set -- "$@" "$argument"
done
case "$add_model" in '' | 1) ;; *) set -- "$@" "$option" "$add_model" ;; esac
case "$add_device" in 1) ;; *) set -- "$@" --device "$add_device" ;; esac
exec 'EXECUTABLE' "$@"
"#;

/// `cargo run … -p infer -- …` and `cargo xtask train …`; other commands of cargo fail.
const CARGO: &str = r#"#!/bin/sh
case "$1 $2" in
  "xtask evaluate") shift 2; exec train evaluate "$@" ;;
  "xtask train")
    shift 2
    [ "$1" != -- ] || shift
    case "$1" in fit | rerank | tag | distill | evaluate | losses) exec train "$@" ;; *) exec train fit "$@" ;; esac ;;
esac
if [ "$1" = run ]; then
  program=
  while [ $# -gt 0 ]; do
    case "$1" in
      -p | --package) program=$2; shift ;;
      --) shift; exec "$program" "$@" ;;
    esac
    shift
  done
  exec "$program"
fi
echo "a documentation test does not run: cargo $*" >&2
exit 127
"#;

/// The model of all commands that name no other.
pub(crate) enum Model {
    Tiny(PathBuf),
    Real,
}

impl Model {
    pub(crate) fn tiny() -> Self {
        let tiny = "../model/tests/fixtures/tiny-mpnet";
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(tiny);
        Self::Tiny(path.canonicalize().unwrap())
    }

    pub(crate) fn is_real(&self) -> bool {
        matches!(self, Self::Real)
    }
}

/// Whether the real model and `train` must be there.
pub(crate) fn runs_everything() -> bool {
    std::env::var_os("MPNET_BURN_DOCS").is_some_and(|value| value == "all")
}

/// The folder of a page.
pub(crate) struct Shell {
    folder: tempfile::TempDir,
    bin: tempfile::TempDir,
    time_limit: Duration,
}

/// The end of a command.
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Shell {
    pub(crate) fn new(project: &Path, model: &Model) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for shared in ["datasets", "models"] {
            symlink(project.join(shared), folder.path().join(shared)).unwrap();
        }
        let bin = tempfile::tempdir().unwrap();
        let infer = Path::new(env!("CARGO_BIN_EXE_infer"));
        let train = infer.with_file_name("train");
        let model_folder = match model {
            Model::Tiny(folder) => folder.to_str().unwrap(),
            Model::Real => "",
        };
        for (name, executable) in [("infer", infer), ("train", &train)] {
            if executable.is_file() {
                let script = PROGRAM
                    .replace("MODEL", model_folder)
                    .replace("DEVICE", &test_device().to_string())
                    .replace("EXECUTABLE", executable.to_str().unwrap());
                write_script(&bin.path().join(name), &script);
            }
        }
        write_script(&bin.path().join("cargo"), CARGO);
        Self {
            folder,
            bin,
            time_limit: if model.is_real() {
                REAL_TIME_LIMIT
            } else {
                TIME_LIMIT
            },
        }
    }

    /// Runs a command; `None` says that it needs `train`, which is not built.
    pub(crate) fn run(&self, text: &str) -> Result<Option<Run>, String> {
        if uses_train(text) && !self.bin.path().join("train").exists() {
            if runs_everything() {
                return Err("`train` is not built: cargo build -p train".to_owned());
            }
            eprintln!("not run, because `train` is not built: {text}");
            return Ok(None);
        }
        // Files instead of pipes: a full pipe would stop the command.
        let (out, err) = (self.bin.path().join("out"), self.bin.path().join("err"));
        let path = std::env::var("PATH").unwrap_or_default();
        let mut child = Command::new("sh")
            .args(["-c", text])
            .current_dir(self.folder.path())
            .env("PATH", format!("{}:{path}", self.bin.path().display()))
            .env("HF_HUB_OFFLINE", "1")
            .stdin(Stdio::null())
            .stdout(File::create(&out).unwrap())
            .stderr(File::create(&err).unwrap())
            .spawn()
            .unwrap();
        let start = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            if start.elapsed() > self.time_limit {
                child.kill().unwrap();
                child.wait().unwrap();
                return Err(format!("not done after {} s", self.time_limit.as_secs()));
            }
            std::thread::sleep(Duration::from_millis(10));
        };
        let text =
            |path: &Path| String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned();
        Ok(Some(Run {
            code: status.code().unwrap_or(-1),
            out: text(&out),
            err: text(&err),
        }))
    }
}

fn uses_train(text: &str) -> bool {
    let commands = [
        "&& train ",
        "| train ",
        "-p train ",
        "xtask train",
        "xtask evaluate",
    ];
    text.starts_with("train ") || commands.iter().any(|command| text.contains(command))
}

fn write_script(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn the_programs_of_a_page_have_the_tiny_model() {
    let shell = Shell::new(&crate::project(), &Model::tiny());
    let run = |text: &str| shell.run(text).unwrap().unwrap();
    for text in [
        "infer embed 'water bottle' > v.jsonl && ls datasets/README.md",
        "cargo run --release -p infer -- similarity a b --model all-mpnet-base-v2",
        "infer completions bash | grep -c infer",
    ] {
        let run = run(text);
        assert_eq!(run.code, 0, "{text}: {}", run.err);
    }
    assert!(run("cat v.jsonl").out.contains("water bottle"));
    assert_eq!(run("infer unknown").code, 2);
    assert_eq!(run("cargo build").code, 127);
}
