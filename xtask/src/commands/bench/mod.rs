//! `bench`: how fast this machine embeds or trains, or how good the model is on it.

mod report;

use std::io::Write;
use std::path::Path;

use super::train::is_given;
use crate::backend::Backend;
use crate::cargo::{Package, run_package};
use crate::cli::{BenchArgs, Measure};
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
    arguments: &BenchArgs,
    runner: &mut Runner,
    out: &mut dyn Write,
) -> Result<(), TaskError> {
    let steps = steps(arguments)?;
    if arguments.measure != Measure::Speed || !wants_json(arguments) {
        return runner.run_all(&steps);
    }
    let mut reports = Vec::new();
    for step in &steps {
        let text = runner.output(step)?;
        reports.push(report::parse(step.title(), &text)?);
    }
    report::print(reports, out)
}

/// A process for each precision to measure speed, so that each says its own load time and memory; else
/// one.
fn steps(arguments: &BenchArgs) -> Result<Vec<Step>, TaskError> {
    let measure = arguments.measure;
    if arguments.peers.is_some() && measure != Measure::Speed {
        return Err(TaskError::Option {
            option: "--peers",
            measures: "bench speed",
        });
    }
    if !arguments.precision.is_empty() && measure == Measure::Train {
        return Err(TaskError::Option {
            option: "--precision",
            measures: "bench speed, bench scaling and bench quality",
        });
    }
    Ok(match measure {
        Measure::Speed => speed(arguments)?,
        Measure::Scaling => vec![example("scaling", Package::Infer, "scaling", arguments)],
        Measure::Quality => quality(arguments),
        Measure::Train => vec![example(
            "step speed",
            Package::Train,
            "step_speed",
            arguments,
        )],
    })
}

fn wants_json(arguments: &BenchArgs) -> bool {
    arguments.json || is_given("--json", &arguments.arguments)
}

/// The precisions that the backend computes in (of a GPU float32 alone: what else it has depends on the device),
/// unless some were chosen; none where the program's own arguments choose.
fn precisions(arguments: &BenchArgs) -> Vec<Option<&str>> {
    if is_given("--precision", &arguments.arguments) {
        return vec![None];
    }
    if !arguments.precision.is_empty() {
        return arguments
            .precision
            .iter()
            .map(|p| Some(p.as_str()))
            .collect();
    }
    match arguments.backend.backend {
        Backend::Cpu => vec![Some("f32"), Some("bf16"), Some("int8")],
        Backend::NdArray | Backend::Wgpu | Backend::Cuda => vec![Some("f32")],
    }
}

fn speed(arguments: &BenchArgs) -> Result<Vec<Step>, TaskError> {
    let backend = arguments.backend.backend;
    let peers = arguments.peers.as_deref().map(absolute).transpose()?;
    let step = |precision: Option<&str>| {
        let mut line = vec!["--", "bench"];
        line.extend(WORKLOADS);
        line.extend(["--device", backend.name()]);
        if let Some(precision) = precision {
            line.extend(["--precision", precision]);
        }
        if let Some(peers) = &peers {
            line.extend(["--peers", peers]);
        }
        line.extend(further(arguments));
        run_package("speed", Package::Infer, backend, &line)
    };
    Ok(precisions(arguments).into_iter().map(step).collect())
}

/// A process for each precision that was chosen.
fn quality(arguments: &BenchArgs) -> Vec<Step> {
    let in_precision = |precision: &[String]| {
        let arguments = BenchArgs {
            precision: precision.to_vec(),
            ..arguments.clone()
        };
        example("quality", Package::Infer, "quality", &arguments)
    };
    if arguments.precision.is_empty() {
        return vec![in_precision(&[])];
    }
    arguments.precision.chunks(1).map(in_precision).collect()
}

/// As seen from the root of the workspace, where the programs run.
fn absolute(path: &Path) -> Result<String, TaskError> {
    let absolute = std::path::absolute(path).map_err(|source| TaskError::Path {
        path: path.to_owned(),
        source,
    })?;
    Ok(absolute.to_string_lossy().into_owned())
}

/// What every program that measures is told last.
fn further(arguments: &BenchArgs) -> Vec<&str> {
    let given = is_given("--json", &arguments.arguments);
    let json = (arguments.json && !given).then_some("--json");
    let more = arguments.arguments.iter().map(String::as_str);
    json.into_iter().chain(more).collect()
}

fn example(title: &'static str, package: Package, name: &str, arguments: &BenchArgs) -> Step {
    let backend = arguments.backend.backend;
    let mut line = vec!["--example", name, "--", "--device", backend.name()];
    for precision in &arguments.precision {
        line.extend(["--precision", precision]);
    }
    line.extend(further(arguments));
    run_package(title, package, backend, &line)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::{Cli, Command};

    fn lines(line: &str) -> Result<Vec<String>, TaskError> {
        let words = ["cargo xtask", "bench"]
            .into_iter()
            .chain(line.split_whitespace());
        let Command::Bench(arguments) = Cli::parse_from(words).command else {
            panic!("not bench");
        };
        Ok(steps(&arguments)?.iter().map(Step::command_line).collect())
    }

    const RUN_INFER: &str = "cargo run --release --package infer --no-default-features --features";

    #[test]
    fn the_four_workloads_are_timed_in_each_precision_of_the_backend() {
        const FILES: &str = "datasets/bench/singles.txt datasets/bench/queries.txt \
                             datasets/bench/titles.txt datasets/bench/descriptions.txt";
        assert_eq!(
            lines("").unwrap(),
            ["f32", "bf16", "int8"].map(|precision| format!(
                "{RUN_INFER} cpu -- bench {FILES} --device cpu --precision {precision}"
            ))
        );
        for backend in ["ndarray", "wgpu", "cuda"] {
            assert_eq!(
                lines(&format!("--backend {backend}")).unwrap(),
                [format!(
                    "{RUN_INFER} {backend} -- bench {FILES} --device {backend} --precision f32"
                )]
            );
        }
    }

    #[test]
    fn precisions_can_be_chosen() {
        let ends = |line: &str| -> Vec<String> {
            let lines = lines(line).unwrap();
            let end = |line: &String| line.split("--device cpu").last().unwrap().to_owned();
            lines.iter().map(end).collect()
        };
        assert_eq!(
            ends("--precision int8 --precision f32"),
            [" --precision int8", " --precision f32"]
        );
        assert_eq!(ends("-- --precision bf16"), [" --precision bf16"]);
        assert_eq!(
            ends("scaling --precision int8 --precision f32"),
            [" --precision int8 --precision f32"]
        );
        assert_eq!(
            ends("quality --precision int8 --precision f32"),
            [" --precision int8", " --precision f32"]
        );
    }

    #[test]
    fn peers_are_found_from_wherever_the_programs_run() {
        let lines = lines("--peers peers.json --precision f32").unwrap();
        let path = std::path::absolute("peers.json").unwrap();
        let end = format!(" --precision f32 --peers {}", path.display());
        assert!(lines[0].ends_with(&end), "{}", lines[0]);
    }

    #[test]
    fn what_does_not_belong_to_a_measure_is_refused() {
        let message = lines("train --precision f32").unwrap_err().to_string();
        assert!(message.contains("--precision is for"), "{message}");
        for measure in ["quality", "train", "scaling"] {
            let message = lines(&format!("{measure} --peers p.json")).unwrap_err();
            assert!(message.to_string().contains("--peers is for"), "{message}");
        }
    }

    #[test]
    fn the_other_measures_are_examples() {
        assert_eq!(
            lines("quality").unwrap(),
            [format!("{RUN_INFER} cpu --example quality -- --device cpu")]
        );
        assert_eq!(
            lines("scaling").unwrap(),
            [format!("{RUN_INFER} cpu --example scaling -- --device cpu")]
        );
        assert_eq!(
            lines("train --backend cuda").unwrap(),
            [
                "cargo run --release --package train --no-default-features --features cuda \
                 --example step_speed -- --device cuda"
            ]
        );
    }

    #[test]
    fn further_arguments_come_last_and_json_once() {
        for measure in ["", "scaling", "quality", "train"] {
            for words in ["--json", "-- --json", "--json -- --json"] {
                for line in lines(&format!("{measure} {words}")).unwrap() {
                    assert!(line.ends_with(" --json"), "{line}");
                    assert_eq!(line.matches("--json").count(), 1, "{line}");
                }
            }
            for line in lines(&format!("{measure} --json -- --runs 5")).unwrap() {
                assert!(line.ends_with(" --json --runs 5"), "{line}");
            }
        }
    }
}
