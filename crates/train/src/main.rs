//! `train`: fine-tune a sentence-embedding model, and measure what it gained.

use std::process::ExitCode;

use clap::Parser;
use train::cli::Cli;
use train::terminal::Notes;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let notes = Notes::new(cli.quiet);
    match train::commands::run(cli, notes) {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever read our output has seen enough.
        Err(error) if error.is_closed_pipe() => ExitCode::SUCCESS,
        Err(error) => {
            notes.error(&error);
            ExitCode::from(error.exit_code())
        }
    }
}
