//! `infer`: embed, compare, search and recommend texts from the terminal.

use std::process::ExitCode;

use clap::Parser;
use infer::{Cli, Failure, Terminal, run};

fn main() -> ExitCode {
    let cli = Cli::parse();
    let mut terminal = Terminal::new(cli.quiet);
    match run(cli, &mut terminal).and_then(|()| terminal.flush().map_err(Failure::from)) {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever read our output has seen enough.
        Err(failure) if failure.is_closed_pipe() => ExitCode::SUCCESS,
        Err(failure) => {
            terminal.notes().error(&failure);
            ExitCode::from(failure.exit_code())
        }
    }
}
