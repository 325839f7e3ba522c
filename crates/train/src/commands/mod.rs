//! The commands, one a file.

mod evaluate;
mod fit;
mod losses;

use crate::cli::{Cli, Command};
use crate::error::TrainError;
use crate::terminal::Notes;

/// Does what the command line says.
///
/// # Errors
///
/// When the command fails; the exit code is [`TrainError::exit_code`].
pub fn run(cli: Cli, notes: Notes) -> Result<(), TrainError> {
    model::threads::start(cli.threads)?;
    match cli.command {
        Command::Fit(arguments) => fit::run(*arguments, notes),
        Command::Evaluate(arguments) => evaluate::run(&arguments, notes),
        Command::Losses => losses::run(),
    }
}
