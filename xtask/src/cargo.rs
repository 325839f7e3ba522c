//! How the tasks call cargo.
//!
//! Cargo compiles a dependency once for each set of its features, and that set depends on the
//! packages and targets that a command selects. burn takes minutes, so the commands here are
//! written to agree on it:
//! - [`on_workspace`] always selects the whole workspace and the same features, and every command
//!   built on it has test targets or examples among its targets (they bring in `burn/autodiff`);
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
    let backend = backend.name();
    let features = format!("model/{backend},infer/{backend},model/real-weights");
    cargo(title)
        .arguments([subcommand, "--workspace", "--no-default-features"])
        .arguments(["--features", &features])
        .arguments(arguments)
}

/// `cargo run --release -p infer` with one backend, then `arguments`, such as `--` and those of the
/// program.
pub(crate) fn run_infer(title: &'static str, backend: Backend, arguments: &[&str]) -> Step {
    cargo(title)
        .arguments(["run", "--release", "--package", "infer"])
        .arguments(["--no-default-features", "--features", backend.name()])
        .arguments(arguments)
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
    fn infer_is_run_as_in_the_readme() {
        let step = run_infer("fetch", Backend::Cpu, &["--", "fetch"]);
        assert_eq!(
            step.command_line(),
            "cargo run --release --package infer --no-default-features --features cpu -- fetch"
        );
    }
}
