//! The command line.

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::backend::Backend;
use crate::commands::check::Name;

const EXAMPLES: &str = "\
Examples:
  cargo xtask test                    all tests on the processor, the real model included
  cargo xtask test --backend wgpu     the same tests on a graphics adapter
  cargo xtask test -- --nocapture     also prints how far vectors are from PyTorch's
  cargo xtask check prose circles     two of the checks
  cargo xtask train                   fine-tunes the model on five pairs
  cargo xtask bench                   texts/s on this machine
  cargo xtask ci                      all checks and tests that a change must pass";

/// The tasks of this repository.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
#[command(after_help = EXAMPLES, max_term_width = 100)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Command {
    /// Fetch the real model, once, and print its folder.
    #[command(after_help = "Example:\n  cargo xtask fetch-model")]
    FetchModel(BackendArgs),
    /// Check format, spelling, links, prose, circles of imports, licences, lints and documentation, cheapest first.
    #[command(after_help = "\
Examples:
  cargo xtask check
  cargo xtask check prose circles

The spelling needs a program: `pip install typos`.")]
    Check(CheckArgs),
    /// Run the tests, with the real model too (fetches it if need be).
    #[command(after_help = "\
Examples:
  cargo xtask test
  cargo xtask test --backend wgpu
  cargo xtask test --backend cpu --backend wgpu    one build, all tests on the first
  cargo xtask test -- --nocapture    also prints how far vectors are from PyTorch's

All tests run on the first backend, and on each further one those that touch a device. A software
graphics adapter embeds three texts of the real model, every other device all 65. With
--backend cuda and no NVIDIA GPU, only the programs are built for it.")]
    Test(TestArgs),
    /// Fine-tune the model; without arguments, on the five pairs of datasets/seed.
    #[command(after_help = "\
Examples:
  cargo xtask train
  cargo xtask train --backend cuda
  cargo xtask train -- --help    all options of training
  cargo xtask train -- losses    another command of the program

Builds the program `train` for the backend and runs it: its command `fit`, unless the first
argument is another command.")]
    Train(ProgramArgs),
    /// Measure a model, fine-tuned or not, with the program `train`.
    #[command(after_help = "\
Examples:
  cargo xtask evaluate
  cargo xtask evaluate --backend cuda
  cargo xtask evaluate -- --help    all options of evaluation

The same as `cargo xtask train -- evaluate`.")]
    Evaluate(ProgramArgs),
    /// Measure this machine: speed, of training too, or the quality of the real model.
    #[command(after_help = "\
Examples:
  cargo xtask bench
  cargo xtask bench --precision f32
  cargo xtask bench --json -- --threads 2 --runs 5    the arguments after -- go to the program that measures
  cargo xtask bench scaling
  cargo xtask bench quality --precision int8
  cargo xtask bench train
  cargo xtask bench --backend cuda

`cargo bench -p benchmarks` times the kernels; benchmarks/README.md describes the method and the comparison
with other programs.")]
    Bench(BenchArgs),
    /// Build a release archive of `infer` and `train` for this machine, in `dist` in the target folder.
    #[command(after_help = "\
Examples:
  cargo xtask dist
  cargo xtask dist --backend wgpu
  cargo xtask dist --profile dev    tries it without a release build

The archive holds the programs, man pages, completion scripts, licences, a bill of materials and checksums. Unpack it
into a prefix: tar -xzf ARCHIVE --strip-components=1 -C ~/.local")]
    Dist(DistArgs),
    /// Do what CI does: check, then test on cpu, ndarray and wgpu.
    #[command(after_help = "Example:\n  cargo xtask ci --fast")]
    Ci(CiArgs),
}

/// The backend of a task.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct BackendArgs {
    /// The one backend that is compiled in and used.
    #[arg(long, value_enum, value_name = "BACKEND", default_value_t = Backend::Cpu)]
    pub(crate) backend: Backend,
}

/// Arguments of `check`.
#[derive(Clone, Debug, Args)]
pub(crate) struct CheckArgs {
    /// The checks to make [default: all].
    #[arg(value_enum, value_name = "CHECK")]
    pub(crate) checks: Vec<Name>,
}

/// Arguments of `ci`.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct CiArgs {
    /// Leave out the documentation and the tests on ndarray and wgpu.
    #[arg(long)]
    pub(crate) fast: bool,
}

/// Arguments of `test`.
#[derive(Clone, Debug, Args)]
pub(crate) struct TestArgs {
    /// The backend to test; may be given again.
    #[arg(long, value_enum, value_name = "BACKEND", default_values_t = [Backend::Cpu])]
    pub(crate) backend: Vec<Backend>,
    /// Arguments of the test programs, as behind `cargo test --`: `--nocapture`, for one.
    #[arg(last = true, value_name = "ARGUMENT")]
    pub(crate) arguments: Vec<String>,
}

/// Arguments of `train` and `evaluate`.
#[derive(Clone, Debug, Args)]
pub(crate) struct ProgramArgs {
    /// The backend to work on.
    #[command(flatten)]
    pub(crate) backend: BackendArgs,
    /// What the program `train` is told: `--help`, for one.
    #[arg(last = true, value_name = "ARGUMENT")]
    pub(crate) arguments: Vec<String>,
}

/// Arguments of `dist`.
#[derive(Clone, Debug, Args)]
pub(crate) struct DistArgs {
    /// The backend of the programs.
    #[command(flatten)]
    pub(crate) backend: BackendArgs,
    /// The build profile of Cargo.toml.
    #[arg(long, value_name = "PROFILE", default_value = "release")]
    pub(crate) profile: String,
}

/// Arguments of `bench`.
#[derive(Clone, Debug, Args)]
pub(crate) struct BenchArgs {
    /// What to measure.
    #[arg(value_enum, value_name = "WHAT", default_value_t = Measure::Speed)]
    pub(crate) measure: Measure,
    /// The backend to measure on.
    #[command(flatten)]
    pub(crate) backend: BackendArgs,
    /// A precision to measure speed, scaling or quality in: f32, bf16, int8 or f16; may be given again [default: all
    /// on the processor, f32 elsewhere and for quality].
    #[arg(long, value_name = "PRECISION")]
    pub(crate) precision: Vec<String>,
    /// Print one JSON document (of quality one for each precision).
    #[arg(long)]
    pub(crate) json: bool,
    /// What the program that measures is told: `--threads`, for one.
    #[arg(last = true, value_name = "ARGUMENT")]
    pub(crate) arguments: Vec<String>,
}

/// What `bench` measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Measure {
    /// Texts/s, load time and memory on the four files of datasets/bench.
    Speed,
    /// Texts/s by threads, length and batch, compared with the roofline.
    Scaling,
    /// Scores on sentence similarity and retrieval, which take a while.
    Quality,
    /// s/step of training.
    Train,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_processor_and_speed_are_what_is_meant_without_more_words() {
        let Command::Bench(bench) = Cli::parse_from(["cargo xtask", "bench"]).command else {
            panic!("not bench");
        };
        assert_eq!(
            (bench.measure, bench.backend.backend),
            (Measure::Speed, Backend::Cpu)
        );
        assert_eq!(bench.arguments, [""; 0]);
    }

    #[test]
    fn what_follows_two_dashes_is_for_the_program() {
        for (line, measure) in [
            (&["bench", "--", "--json"][..], Measure::Speed),
            (&["bench", "quality", "--", "--json"], Measure::Quality),
            (&["bench", "train", "--", "--json"], Measure::Train),
            (&["bench", "scaling", "--", "--json"], Measure::Scaling),
        ] {
            let line = ["cargo xtask"].iter().chain(line);
            let Command::Bench(bench) = Cli::parse_from(line).command else {
                panic!("not bench");
            };
            assert_eq!(bench.measure, measure);
            assert_eq!(bench.arguments, ["--json"]);
        }
        let line = ["cargo xtask", "test", "--", "--nocapture"];
        let Command::Test(test) = Cli::parse_from(line).command else {
            panic!("not test");
        };
        assert_eq!(test.arguments, ["--nocapture"]);
        for task in ["train", "evaluate"] {
            let line = ["cargo xtask", task, "--", "--output", "tuned"];
            let (Command::Train(program) | Command::Evaluate(program)) =
                Cli::parse_from(line).command
            else {
                panic!("not {task}");
            };
            assert_eq!(program.arguments, ["--output", "tuned"]);
        }
    }

    #[test]
    fn bench_is_told_precisions() {
        let line = "xtask bench --precision f32 --precision int8 --json -- --runs 5";
        let Command::Bench(bench) = Cli::parse_from(line.split(' ')).command else {
            panic!("not bench");
        };
        assert_eq!(bench.precision, ["f32", "int8"]);
        assert!(bench.json);
        assert_eq!(bench.arguments, ["--runs", "5"]);
    }

    #[test]
    fn every_task_takes_every_backend() {
        for task in ["fetch-model", "test", "train", "evaluate", "bench"] {
            for backend in ["cpu", "ndarray", "wgpu", "cuda"] {
                let line = ["cargo xtask", task, "--backend", backend];
                assert!(Cli::try_parse_from(line).is_ok(), "{line:?}");
            }
        }
        assert!(Cli::try_parse_from(["cargo xtask", "test", "--backend", "auto"]).is_err());
    }
}
