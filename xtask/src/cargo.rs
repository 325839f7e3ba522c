//! How the tasks call cargo.
//!
//! Cargo compiles a dependency once for each set of its features, and that set depends on the
//! packages and targets that a command selects. burn takes minutes, so the commands here are
//! written to agree on it:
//! - [`on_workspace`] always selects the whole workspace and the same features, and every command
//!   built on it has test targets or examples among its targets (they bring in `burn/autodiff`);
//! - [`check_build`] is a plain `cargo check`, which compiles no code, of sets of backends that
//!   nothing here is run with;
//! - [`run_infer`] is a plain `cargo run -p infer`, so that it shares its build with the command of
//!   the README.

use crate::backend::Backend;
use crate::step::Step;

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

/// `cargo run --release -p infer` with one backend, then `arguments`, such as `--` and those of the
/// program.
pub(crate) fn run_infer(title: &'static str, backend: Backend, arguments: &[&str]) -> Step {
    cargo(title)
        .arguments(["run", "--release", "--package", "infer"])
        .arguments(["--no-default-features", "--features", backend.name()])
        .arguments(arguments)
}

/// The features of both packages that have backends, as `--features` takes them.
fn features(backends: &[Backend]) -> String {
    let features: Vec<String> = ["model", "infer"]
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
             --features model/ndarray,infer/ndarray,model/real-weights --no-run"
        );
    }

    #[test]
    fn a_build_is_checked_with_any_set_of_backends() {
        let line = |backends| check_build("backends", backends).command_line();
        let check = "cargo check --workspace --no-default-features";
        assert_eq!(line(&[]), check);
        assert_eq!(
            line(&[Backend::NdArray, Backend::Cuda]),
            format!("{check} --features model/ndarray,model/cuda,infer/ndarray,infer/cuda")
        );
    }

    #[test]
    fn infer_is_run_as_in_the_readme() {
        let step = run_infer("fetch", Backend::Cpu, &["--", "fetch"]);
        assert_eq!(
            step.command_line(),
            "cargo run --release --package infer --no-default-features --features cpu -- fetch"
        );
    }
}
