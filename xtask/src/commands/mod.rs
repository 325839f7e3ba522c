//! The tasks, one a file.

mod bench;
mod check;
mod ci;
mod dist;
mod evaluate;
mod fetch_model;
mod test;
mod train;

pub(crate) use dist::DistError;

use crate::cli::Command;
use crate::error::TaskError;
use crate::runner::Runner;

/// Does what the command line says.
pub(crate) fn run(command: Command, runner: &mut Runner) -> Result<(), TaskError> {
    match command {
        Command::FetchModel(arguments) => fetch_model::run(arguments.backend, runner),
        Command::Check(arguments) => check::run(arguments.backend, runner),
        Command::Test(arguments) => {
            test::run(arguments.backend.backend, &arguments.arguments, runner)
        }
        Command::Train(arguments) => {
            train::run(arguments.backend.backend, &arguments.arguments, runner)
        }
        Command::Evaluate(arguments) => {
            evaluate::run(arguments.backend.backend, &arguments.arguments, runner)
        }
        Command::Bench(arguments) => bench::run(&arguments, runner, &mut std::io::stdout()),
        Command::Dist(arguments) => dist::run(&arguments, runner),
        Command::Ci(arguments) => ci::run(arguments.backend, runner),
    }
}
