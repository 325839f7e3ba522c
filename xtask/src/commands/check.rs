//! `check`: what can be said about the code without running it, cheapest first.

use clap::ValueEnum;

use crate::backend::Backend;
use crate::cargo::{cargo, check_build, on_workspace};
use crate::error::TaskError;
use crate::runner::Runner;
use crate::step::Step;

pub(super) fn run(backend: Backend, runner: &mut Runner) -> Result<(), TaskError> {
    runner.run_all(&steps(backend))
}

fn steps(backend: Backend) -> Vec<Step> {
    let mut steps = vec![
        format(),
        spelling(),
        licences(),
        lints(backend),
        documentation(backend),
    ];
    // What does not depend on the backend that is asked for is done with the default one.
    if backend == Backend::Cpu {
        steps.push(without_backend());
        // Once is enough, where every backend is at home.
        if cfg!(target_os = "linux") {
            steps.push(with_all_backends());
        }
    }
    steps
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

/// A program without a backend says which ones there are, and for that it must build.
fn without_backend() -> Step {
    check_build("no backend", &[])
}

/// Features add up: no backend may shut out another.
fn with_all_backends() -> Step {
    check_build("all backends", Backend::value_variants())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn the_cheapest_comes_first() {
        let lines: Vec<String> = steps(Backend::Cpu).iter().map(Step::command_line).collect();
        let workspace = "--workspace --no-default-features \
                         --features model/cpu,infer/cpu,train/cpu,model/real-weights";
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
                "cargo check --workspace --no-default-features".to_owned(),
                "cargo check --workspace --no-default-features --features \
                 model/cpu,model/ndarray,model/wgpu,model/cuda,\
                 infer/cpu,infer/ndarray,infer/wgpu,infer/cuda,\
                 train/cpu,train/ndarray,train/wgpu,train/cuda"
                    .to_owned(),
            ]
        );
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn sets_of_backends_are_checked_once_with_the_default_one() {
        for &backend in Backend::value_variants() {
            let steps = steps(backend);
            let titles: Vec<_> = steps.iter().skip(5).map(Step::title).collect();
            if backend == Backend::Cpu {
                assert_eq!(titles, ["no backend", "all backends"]);
            } else {
                assert_eq!(titles, [""; 0]);
            }
        }
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
