//! `infer`: embed, compare, search and recommend texts from the terminal.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use infer::{Cli, Error, run};
use program::Console;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let console = Console::new(cli.quiet);
    model::guard::keep_guarded_panics_quiet();
    program::interrupt::exit_on_interrupt();
    let mut out = program::console::stdout();
    let result = run(cli, console, &mut out).and_then(|()| out.flush().map_err(Error::from));
    program::exit::finish(result, console)
}
