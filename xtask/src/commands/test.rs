//! `test`: the tests, those with the real model too.
//!
//! All in the development profile, so that one build serves the program that fetches the model and
//! the tests: the crates that do the work are optimised there.

use std::env::consts::EXE_SUFFIX;
use std::path::{Path, PathBuf};

use crate::backend::Backend;
use crate::cargo::on_workspace;
use crate::error::TaskError;
use crate::runner::Runner;
use crate::step::Step;

pub(super) fn run(
    backend: Backend,
    arguments: &[String],
    runner: &mut Runner,
) -> Result<(), TaskError> {
    if backend == Backend::Cuda && !nvidia_gpu() {
        runner.run(&build_programs(backend))?;
        runner.note(format_args!(
            "the programs were built but no test was run, because this machine has no NVIDIA GPU"
        ));
        return Ok(());
    }
    runner.run(&build(backend))?;
    let folder = runner.output(&fetch(&development_program("infer")?))?;
    runner.note(format_args!("the real model is in {folder}"));
    runner.run(&tests(backend, arguments))
}

/// The programs, and all that the tests need; not this program, which cannot be replaced on Windows
/// while it runs.
fn build(backend: Backend) -> Step {
    let mut targets = vec!["--bin", "infer", "--bin", "train", "--tests"];
    if tests_everything(backend) {
        targets.push("--examples");
    }
    on_workspace("build", "build", backend, &targets)
}

/// Examples, also those of the documentation, are written for any backend: one is enough, and for a GPU each takes long
/// to compile.
fn tests_everything(backend: Backend) -> bool {
    backend == Backend::Cpu
}

fn fetch(infer: &Path) -> Step {
    Step::new("model", infer.to_string_lossy()).arguments(["fetch"])
}

/// Unit tests and test targets (with the real model, as the features say); with the default backend examples and
/// documentation too.
fn tests(backend: Backend, arguments: &[String]) -> Step {
    let mut all = Vec::new();
    if !tests_everything(backend) {
        all.push("--tests");
    }
    if !arguments.is_empty() {
        all.push("--");
        all.extend(arguments.iter().map(String::as_str));
    }
    on_workspace("tests", "test", backend, &all)
}

/// The programs alone: clippy checks the tests too, and compiling those for CUDA takes longer than
/// all the rest.
fn build_programs(backend: Backend) -> Step {
    let targets = ["--bin", "infer", "--bin", "train"];
    on_workspace("build", "build", backend, &targets)
}

/// A program of the workspace, built in the development profile: beside this one, whatever folder
/// cargo builds in.
fn development_program(name: &str) -> Result<PathBuf, TaskError> {
    let this = std::env::current_exe().map_err(|source| TaskError::NoBuildFolder { source })?;
    let profiles = this.parent().and_then(Path::parent).unwrap_or(&this);
    let path = profiles.join("debug").join(format!("{name}{EXE_SUFFIX}"));
    if path.is_file() {
        Ok(path)
    } else {
        Err(TaskError::NotBuilt { path })
    }
}

/// Whether the driver's own tool, which comes with every driver, lists a GPU.
fn nvidia_gpu() -> bool {
    let list = Step::new("GPU", "nvidia-smi")
        .arguments(["--list-gpus"])
        .command()
        .output();
    list.is_ok_and(|list| list.status.success() && !list.stdout.trim_ascii().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORKSPACE: &str = "--workspace --no-default-features \
                             --features model/wgpu,infer/wgpu,train/wgpu,model/real-weights";

    #[test]
    fn one_build_serves_the_fetch_and_the_tests() {
        assert_eq!(
            build(Backend::Wgpu).command_line(),
            format!("cargo build {WORKSPACE} --bin infer --bin train --tests")
        );
        assert_eq!(
            tests(Backend::Wgpu, &[]).command_line(),
            format!("cargo test {WORKSPACE} --tests")
        );
        assert_eq!(
            tests(Backend::Wgpu, &["--nocapture".to_owned()]).command_line(),
            format!("cargo test {WORKSPACE} --tests -- --nocapture")
        );
    }

    #[test]
    fn examples_and_documentation_are_tested_with_the_default_backend() {
        let workspace = WORKSPACE.replace("wgpu", "cpu");
        assert_eq!(
            build(Backend::Cpu).command_line(),
            format!("cargo build {workspace} --bin infer --bin train --tests --examples")
        );
        assert_eq!(
            tests(Backend::Cpu, &[]).command_line(),
            format!("cargo test {workspace}")
        );
    }

    #[test]
    fn without_a_gpu_the_programs_are_built_from_the_same_features() {
        assert_eq!(
            build_programs(Backend::Wgpu).command_line(),
            format!("cargo build {WORKSPACE} --bin infer --bin train")
        );
    }

    #[test]
    fn a_program_that_was_not_built_is_named() {
        let error = development_program("no-such-program").unwrap_err();
        assert!(error.to_string().contains("no-such-program"), "{error}");
    }
}
