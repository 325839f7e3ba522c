//! The commands, one per file.

mod distill;
mod evaluate;
mod fit;
mod losses;
mod mine;
mod right_rows;
mod tag;

use std::io::{self, StdoutLock, Write};

use clap::CommandFactory;
use program::Console;

use crate::cli::{Cli, Command};
use crate::error::TrainError;

/// Writes the results of a command to standard output.
fn print(write: impl FnOnce(&mut StdoutLock<'_>) -> io::Result<()>) -> Result<(), TrainError> {
    let mut out = io::stdout().lock();
    write(&mut out)
        .and_then(|()| out.flush())
        .map_err(TrainError::Stdout)
}

/// Runs the command.
///
/// # Errors
///
/// The error of the command.
pub fn run(cli: Cli, notes: Console) -> Result<(), TrainError> {
    match &cli.command {
        Command::Fit(arguments) => model::threads::start(arguments.threads.threads)?,
        Command::Rerank(arguments) => model::threads::start(arguments.threads.threads)?,
        Command::Tag(arguments) => model::threads::start(arguments.fit.threads.threads)?,
        Command::Distill(arguments) => model::threads::start(arguments.fit.threads.threads)?,
        Command::Evaluate(arguments) => model::threads::start(arguments.machine.threads.threads)?,
        Command::Mine(arguments) => model::threads::start(arguments.machine.threads.threads)?,
        Command::Losses | Command::Manual { .. } => {}
    }
    match cli.command {
        Command::Fit(arguments) => fit::run("fit", *arguments, notes),
        Command::Rerank(arguments) => {
            fit::run("rerank", arguments.map(|settings| settings.0), notes)
        }
        Command::Tag(arguments) => tag::run(*arguments, notes),
        Command::Distill(arguments) => distill::run(*arguments, notes),
        Command::Evaluate(arguments) => evaluate::run(&arguments, notes),
        Command::Mine(arguments) => mine::run(&arguments, notes),
        Command::Losses => losses::run(),
        Command::Manual { folder } => Ok(program::manual::write(Cli::command(), &folder)?),
    }
}
