//! The tasks, one a file.

mod bench;
pub(crate) mod check;
mod ci;
mod dist;
mod test;
mod train;

pub(crate) use dist::DistError;

use crate::cargo::{Package, run_package};
use crate::cli::Command;
use crate::error::TaskError;
use crate::runner::Runner;

/// Does what the command line says.
pub(crate) fn run(command: Command, runner: &mut Runner) -> Result<(), TaskError> {
    match command {
        Command::FetchModel(arguments) => {
            let line = ["--", "fetch"];
            runner.run(&run_package(
                "model",
                Package::Infer,
                arguments.backend,
                &line,
            ))
        }
        Command::Check(arguments) => check::run(&arguments.checks, runner),
        Command::Test(arguments) => test::run(
            &arguments.backend,
            &arguments.arguments,
            test::Extent::Full,
            runner,
        ),
        Command::Train(arguments) => {
            let words = arguments.arguments.iter().map(String::as_str);
            let words: Vec<&str> = words.collect();
            train::run("training", arguments.backend.backend, &words, runner)
        }
        Command::Evaluate(arguments) => {
            let words = arguments.arguments.iter().map(String::as_str);
            let words: Vec<&str> = ["evaluate"].into_iter().chain(words).collect();
            train::run("evaluation", arguments.backend.backend, &words, runner)
        }
        Command::Bench(arguments) => bench::run(&arguments, runner, &mut std::io::stdout()),
        Command::Dist(arguments) => dist::run(&arguments, runner),
        Command::Ci(arguments) => ci::run(arguments.fast, runner),
    }
}
