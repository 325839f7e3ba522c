//! How the tasks call cargo.
//!
//! Cargo compiles a dependency once for each set of its features, and that set depends on the
//! packages and targets that a command selects. burn takes minutes, so the commands here are
//! written to agree on it:
//! - [`on_workspace`] always selects the whole workspace and the same features, and every command
//!   built on it names the package `train` by that (it brings in `burn/train` and `burn/autodiff`);
//! - [`check_build`] is a plain `cargo check`, which compiles no code, of sets of backends that
//!   nothing here is run with;
//! - [`run_package`] is a plain `cargo run --release -p PACKAGE`, so that it shares its build with
//!   the commands of the README.

use crate::backend::Backend;
use crate::step::Step;

/// The packages that have a feature for each backend.
const WITH_BACKENDS: [&str; 3] = ["model", "infer", "train"];

/// A package with a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Package {
    /// Embeds, searches, recommends.
    Infer,
    /// Fine-tunes the model.
    Train,
    /// Measures both.
    Benchmarks,
}

impl Package {
    fn name(self) -> &'static str {
        match self {
            Self::Infer => "infer",
            Self::Train => "train",
            Self::Benchmarks => "benchmarks",
        }
    }
}

/// `cargo SUBCOMMAND --workspace` with one backend and the target for the real model, then
/// `arguments`.
pub(crate) fn on_workspace(
    title: &'static str,
    subcommand: &'static str,
    backend: Backend,
    arguments: &[&str],
) -> Step {
    let features = format!("{},model/real-weights", features(&[backend]));
    cargo(title)
        .arguments([subcommand, "--workspace", "--no-default-features"])
        .arguments(["--features", &features])
        .arguments(arguments)
}

/// `cargo check --workspace` with exactly these backends: do they go together?
pub(crate) fn check_build(title: &'static str, backends: &[Backend]) -> Step {
    let step = cargo(title).arguments(["check", "--workspace", "--no-default-features"]);
    if backends.is_empty() {
        step
    } else {
        step.arguments(["--features", &features(backends)])
    }
}

/// `cargo run --release` of a package with one backend, then `arguments`, such as `--` and those of
/// the program.
pub(crate) fn run_package(
    title: &'static str,
    package: Package,
    backend: Backend,
    arguments: &[&str],
) -> Step {
    cargo(title)
        .arguments(["run", "--release", "--package", package.name()])
        .arguments(["--no-default-features", "--features", backend.name()])
        .arguments(arguments)
}

/// The features of all packages that have backends, as `--features` takes them.
fn features(backends: &[Backend]) -> String {
    let features: Vec<String> = WITH_BACKENDS
        .iter()
        .flat_map(|package| {
            backends
                .iter()
                .map(move |b| format!("{package}/{}", b.name()))
        })
        .collect();
    features.join(",")
}

/// The cargo that runs this program.
pub(crate) fn cargo(title: &'static str) -> Step {
    let program = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    Step::new(title, program)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_workspace_command_names_one_backend() {
        let step = on_workspace("tests", "test", Backend::NdArray, &["--no-run"]);
        assert_eq!(
            step.command_line(),
            "cargo test --workspace --no-default-features \
             --features model/ndarray,infer/ndarray,train/ndarray,model/real-weights --no-run"
        );
    }

    #[test]
    fn a_build_is_checked_with_any_set_of_backends() {
        let line = |backends| check_build("backends", backends).command_line();
        let check = "cargo check --workspace --no-default-features";
        assert_eq!(line(&[]), check);
        assert_eq!(
            line(&[Backend::NdArray, Backend::Cuda]),
            format!(
                "{check} --features \
                 model/ndarray,model/cuda,infer/ndarray,infer/cuda,train/ndarray,train/cuda"
            )
        );
    }

    #[test]
    fn a_program_is_run_as_in_the_readme() {
        let step = run_package("fetch", Package::Infer, Backend::Cpu, &["--", "fetch"]);
        assert_eq!(
            step.command_line(),
            "cargo run --release --package infer --no-default-features --features cpu -- fetch"
        );
        let step = run_package("train", Package::Train, Backend::Cuda, &["--", "fit"]);
        assert_eq!(
            step.command_line(),
            "cargo run --release --package train --no-default-features --features cuda -- fit"
        );
    }
}
