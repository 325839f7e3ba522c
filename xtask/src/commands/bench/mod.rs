//! `bench`: forwards to `infer bench` (speed) and to the package `benchmarks` (the other measures).

mod report;

use std::io::Write;

use super::train::is_given;
use crate::backend::Backend;
use crate::cargo::{Package, run_package};
use crate::cli::{BenchArgs, Measure};
use crate::error::TaskError;
use crate::runner::Runner;
use crate::step::Step;

/// The workloads: single texts, search queries, product titles and descriptions.
const WORKLOADS: [&str; 4] = [
    "datasets/bench/singles.txt",
    "datasets/bench/queries.txt",
    "datasets/bench/titles.txt",
    "datasets/bench/descriptions.txt",
];

pub(super) fn run(
    arguments: &BenchArgs,
    runner: &mut Runner,
    out: &mut dyn Write,
) -> Result<(), TaskError> {
    let steps = steps(arguments);
    let wants_json = arguments.json || is_given("--json", &arguments.arguments);
    if arguments.measure != Measure::Speed || !wants_json {
        return runner.run_all(&steps);
    }
    let mut reports = Vec::new();
    for step in &steps {
        let text = runner.output(step)?;
        reports.push(report::parse(step.title(), &text)?);
    }
    report::print(reports, out)
}

/// A process for each precision of speed and quality, so that each reports its own load time and
/// memory; `scaling` starts its processes itself, and `train` has one precision.
fn steps(arguments: &BenchArgs) -> Vec<Step> {
    let chosen: Vec<&str> = arguments.precision.iter().map(String::as_str).collect();
    match arguments.measure {
        Measure::Speed if chosen.is_empty() && !is_given("--precision", &arguments.arguments) => {
            // A GPU's other precisions depend on the device.
            let all: &[&str] = match arguments.backend.backend {
                Backend::Cpu => &["f32", "bf16", "int8"],
                Backend::NdArray | Backend::Wgpu | Backend::Cuda => &["f32"],
            };
            all.iter().map(|one| step(arguments, &[one])).collect()
        }
        Measure::Speed | Measure::Quality if !chosen.is_empty() => {
            chosen.chunks(1).map(|one| step(arguments, one)).collect()
        }
        _ => vec![step(arguments, &chosen)],
    }
}

/// One process of the measuring program.
fn step(arguments: &BenchArgs, precisions: &[&str]) -> Step {
    let backend = arguments.backend.backend;
    let (title, package, command) = match arguments.measure {
        Measure::Speed => ("speed", Package::Infer, "bench"),
        Measure::Scaling => ("scaling", Package::Benchmarks, "scaling"),
        Measure::Quality => ("quality", Package::Benchmarks, "quality"),
        Measure::Train => ("step speed", Package::Benchmarks, "train-step"),
    };
    let mut line = vec!["--", command];
    if arguments.measure == Measure::Speed {
        line.extend(WORKLOADS);
    }
    line.extend(["--device", backend.name()]);
    for precision in precisions {
        line.extend(["--precision", precision]);
    }
    if arguments.json && !is_given("--json", &arguments.arguments) {
        line.push("--json");
    }
    line.extend(arguments.arguments.iter().map(String::as_str));
    run_package(title, package, backend, &line)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::{Cli, Command};

    /// The precisions of each process that `line` starts.
    fn precisions(line: &str) -> Vec<String> {
        let words = ["cargo xtask", "bench"]
            .into_iter()
            .chain(line.split_whitespace());
        let Command::Bench(arguments) = Cli::parse_from(words).command else {
            panic!("not bench");
        };
        let of_step = |step: &Step| {
            let line = step.command_line();
            let precisions = line.split("--precision ").skip(1);
            let names = precisions.filter_map(|rest| rest.split(' ').next());
            names.collect::<Vec<_>>().join(" ")
        };
        steps(&arguments).iter().map(of_step).collect()
    }

    #[test]
    fn speed_and_quality_have_a_process_for_each_precision() {
        assert_eq!(precisions(""), ["f32", "bf16", "int8"]);
        assert_eq!(precisions("--backend cuda"), ["f32"]);
        assert_eq!(precisions("-- --precision bf16"), ["bf16"]);
        for measure in ["speed", "quality"] {
            let line = format!("{measure} --precision int8 --precision f32");
            assert_eq!(precisions(&line), ["int8", "f32"]);
        }
        let line = "scaling --precision int8 --precision f32";
        assert_eq!(precisions(line), ["int8 f32"]);
        for measure in ["quality", "scaling", "train"] {
            assert_eq!(precisions(measure), [""]);
        }
    }

    #[test]
    fn json_is_requested_once() {
        for line in ["--json", "-- --json", "--json -- --json"] {
            let words = ["cargo xtask", "bench"].into_iter().chain(line.split(' '));
            let Command::Bench(arguments) = Cli::parse_from(words).command else {
                panic!("not bench");
            };
            for step in steps(&arguments) {
                assert_eq!(step.command_line().matches("--json").count(), 1, "{line}");
            }
        }
    }
}
