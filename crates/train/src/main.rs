//! `train`: fine-tune a sentence-embedding model and measure the gain.

use std::process::ExitCode;

use program::Console;
use train::cli::Cli;

fn main() -> ExitCode {
    let cli = Cli::of_process();
    let console = Console::new(cli.quiet);
    guard::keep_guarded_panics_quiet();
    let result = train::commands::run(cli, console);
    program::exit::finish(result, console)
}
