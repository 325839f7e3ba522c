//! The commands, one per file.

mod evaluate;
mod fit;
mod losses;

use crate::cli::{Cli, Command};
use crate::error::TrainError;
use crate::terminal::Notes;

/// Runs the command.
///
/// # Errors
///
/// The error of the command; the exit code is [`TrainError::exit_code`].
pub fn run(cli: Cli, notes: Notes) -> Result<(), TrainError> {
    model::threads::start(cli.threads)?;
    match cli.command {
        Command::Fit(arguments) => fit::run(*arguments, notes),
        Command::Evaluate(arguments) => evaluate::run(&arguments, notes),
        Command::Losses => losses::run(),
    }
}
