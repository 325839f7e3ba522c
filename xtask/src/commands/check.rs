//! `check`: what can be said about the code without running it, cheapest first.

use crate::backend::Backend;
use crate::cargo::{cargo, on_workspace};
use crate::error::TaskError;
use crate::runner::Runner;
use crate::step::Step;

pub(super) fn run(backend: Backend, runner: &mut Runner) -> Result<(), TaskError> {
    runner.run_all(&steps(backend))
}

fn steps(backend: Backend) -> Vec<Step> {
    vec![
        format(),
        spelling(),
        licences(),
        lints(backend),
        documentation(backend),
    ]
}

fn format() -> Step {
    cargo("format").arguments(["fmt", "--all", "--check"])
}

fn spelling() -> Step {
    Step::new("spelling", "typos").installed_by("pip install typos")
}

/// Not the advisories: they change from day to day and not with the code, and need the network.
fn licences() -> Step {
    Step::new("licences", "cargo-deny")
        .arguments(["check", "licenses", "bans", "sources"])
        .installed_by("cargo install cargo-deny --locked")
}

/// Lints: the one check that depends on the backend.
pub(super) fn lints(backend: Backend) -> Step {
    on_workspace(
        "lints",
        "clippy",
        backend,
        &["--all-targets", "--", "-D", "warnings"],
    )
}

/// The targets are named because examples, like test targets, bring in burn with the features that
/// clippy has just checked it with; a plain `cargo doc` would check burn once more.
fn documentation(backend: Backend) -> Step {
    let targets = ["--no-deps", "--lib", "--bin", "xtask", "--examples"];
    on_workspace("documentation", "doc", backend, &targets)
        .environment("RUSTDOCFLAGS", "-D warnings")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cheapest_comes_first() {
        let lines: Vec<String> = steps(Backend::Cpu).iter().map(Step::command_line).collect();
        let workspace = "--workspace --no-default-features \
                         --features model/cpu,infer/cpu,model/real-weights";
        assert_eq!(
            lines,
            [
                "cargo fmt --all --check".to_owned(),
                "typos".to_owned(),
                "cargo-deny check licenses bans sources".to_owned(),
                format!("cargo clippy {workspace} --all-targets -- -D warnings"),
                format!(
                    "RUSTDOCFLAGS=\"-D warnings\" cargo doc {workspace} \
                     --no-deps --lib --bin xtask --examples"
                ),
            ]
        );
    }

    #[test]
    fn the_programs_that_cargo_lacks_say_how_to_install_them() {
        assert_eq!(spelling().install(), Some("pip install typos"));
        assert_eq!(
            licences().install(),
            Some("cargo install cargo-deny --locked")
        );
    }
}
