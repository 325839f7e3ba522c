//! `bench`: how fast this machine is, or how good the model is on it.

use crate::backend::Backend;
use crate::cargo::run_infer;
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
    })
}

fn speed(backend: Backend, more: &[String]) -> Step {
    let mut arguments = vec!["--", "bench"];
    arguments.extend(WORKLOADS);
    arguments.extend(["--device", backend.name()]);
    arguments.extend(more.iter().map(String::as_str));
    run_infer("speed", backend, &arguments)
}

fn quality(backend: Backend, more: &[String]) -> Step {
    let mut arguments = vec!["--example", "quality", "--", "--device", backend.name()];
    arguments.extend(more.iter().map(String::as_str));
    run_infer("quality", backend, &arguments)
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
    fn further_arguments_come_last() {
        let json = ["--json".to_owned()];
        for step in [speed(Backend::Cpu, &json), quality(Backend::Cpu, &json)] {
            let line = step.command_line();
            assert!(line.ends_with(" --device cpu --json"), "{line}");
        }
    }
}
