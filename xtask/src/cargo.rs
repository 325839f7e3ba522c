//! How the tasks call cargo.
//!
//! Cargo compiles a dependency once for each set of its features, and that set depends on the
//! packages and features that a command selects. burn takes minutes, so [`on_workspace`] always
//! selects the whole workspace, and all commands of the gate name the same backends.

use crate::backend::Backend;
use crate::step::Step;

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

/// The service, and the features of the tests that need more than a machine has: the real model, PostgreSQL, Python's packages. The library
/// for Python is linked on Linux only: elsewhere that takes settings that maturin makes.
const MORE: &[&str] = if cfg!(target_os = "linux") {
    &["postgres-tests", "python-tests", "real-weights", "serve"]
} else {
    &["postgres-tests", "real-weights", "serve"]
};

/// `cargo SUBCOMMAND --workspace` with these backends, the service, and the tests that need more than a machine has.
/// Each package takes the features that it has.
pub(crate) fn on_workspace(
    title: &'static str,
    subcommand: &'static str,
    backends: &[Backend],
) -> Step {
    let names = backends.iter().map(|backend| backend.name());
    let features: Vec<&str> = names.chain(MORE.iter().copied()).collect();
    cargo(title)
        .arguments([
            subcommand,
            "--locked",
            "--workspace",
            "--no-default-features",
        ])
        .arguments(["--features", &features.join(",")])
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
        .arguments(["run", "--locked", "--release", "--package", package.name()])
        .arguments(["--no-default-features", "--features", backend.name()])
        .arguments(arguments)
}

/// The cargo that runs this program.
pub(crate) fn cargo(title: &'static str) -> Step {
    let program = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    Step::new(title, program)
}
