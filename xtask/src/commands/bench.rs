//! `bench`: how fast this machine embeds or trains, or how good the model is on it.

use crate::backend::Backend;
use crate::cargo::{Package, run_package};
use crate::cli::Measure;
use crate::error::TaskError;
use crate::runner::Runner;
use crate::step::Step;

/// What is timed: single texts, search queries, product titles and descriptions.
const WORKLOADS: [&str; 4] = [
    "datasets/bench/singles.txt",
    "datasets/bench/queries.txt",
    "datasets/bench/titles.txt",
    "datasets/bench/descriptions.txt",
];

pub(super) fn run(
    measure: Measure,
    backend: Backend,
    arguments: &[String],
    runner: &mut Runner,
) -> Result<(), TaskError> {
    runner.run(&match measure {
        Measure::Speed => speed(backend, arguments),
        Measure::Quality => quality(backend, arguments),
        Measure::Train => step_speed(backend, arguments),
    })
}

fn speed(backend: Backend, more: &[String]) -> Step {
    let mut arguments = vec!["--", "bench"];
    arguments.extend(WORKLOADS);
    arguments.extend(["--device", backend.name()]);
    arguments.extend(more.iter().map(String::as_str));
    run_package("speed", Package::Infer, backend, &arguments)
}

fn quality(backend: Backend, more: &[String]) -> Step {
    example("quality", Package::Infer, "quality", backend, more)
}

fn step_speed(backend: Backend, more: &[String]) -> Step {
    example("step speed", Package::Train, "step_speed", backend, more)
}

fn example(
    title: &'static str,
    package: Package,
    name: &str,
    backend: Backend,
    more: &[String],
) -> Step {
    let mut arguments = vec!["--example", name, "--", "--device", backend.name()];
    arguments.extend(more.iter().map(String::as_str));
    run_package(title, package, backend, &arguments)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_four_workloads_are_timed_on_the_backend() {
        assert_eq!(
            speed(Backend::Cuda, &[]).command_line(),
            "cargo run --release --package infer --no-default-features --features cuda -- bench \
             datasets/bench/singles.txt datasets/bench/queries.txt datasets/bench/titles.txt \
             datasets/bench/descriptions.txt --device cuda"
        );
    }

    #[test]
    fn quality_is_an_example_of_infer() {
        assert_eq!(
            quality(Backend::Cpu, &[]).command_line(),
            "cargo run --release --package infer --no-default-features --features cpu \
             --example quality -- --device cpu"
        );
    }

    #[test]
    fn step_speed_is_an_example_of_train() {
        assert_eq!(
            step_speed(Backend::Cuda, &[]).command_line(),
            "cargo run --release --package train --no-default-features --features cuda \
             --example step_speed -- --device cuda"
        );
    }

    #[test]
    fn further_arguments_come_last() {
        let json = ["--json".to_owned()];
        for step in [speed, quality, step_speed] {
            let line = step(Backend::Cpu, &json).command_line();
            assert!(line.ends_with(" --device cpu --json"), "{line}");
        }
    }
}
