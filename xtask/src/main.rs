//! The tasks of this repository, one word each: `cargo xtask --help`.
//!
//! Plain clap, not tracel-xtask, the base of burn's own task program. That one was weighed (5.3.0):
//! it adds eighteen packages to the build of a task, puts options for environments, contexts and
//! coverage on every command, and divides `test` and `check` its own way. What is particular here,
//! one backend's features for every cargo command and the real model before the tests, would still
//! have to be written.

mod backend;
mod cargo;
mod checks;
mod cli;
mod commands;
mod error;
mod runner;
mod step;

use std::process::ExitCode;

use clap::Parser;

use cli::Cli;
use runner::Runner;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let mut runner = Runner::new(Box::new(std::io::stderr()));
    let outcome = commands::run(cli.command, &mut runner);
    runner.summary();
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            runner.failure(&error);
            ExitCode::FAILURE
        }
    }
}
