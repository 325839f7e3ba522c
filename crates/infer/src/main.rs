//! `infer`: embed, compare, search and recommend texts from the terminal.

use std::io::Write;
use std::process::ExitCode;

use infer::{Cli, Error, run};
use program::Console;

fn main() -> ExitCode {
    let cli = Cli::of_process();
    let console = Console::new(cli.quiet).verbose(cli.verbose);
    guard::keep_guarded_panics_quiet();
    program::interrupt::on_interrupt(|signal| {
        if infer::handle_signal(signal) {
            return;
        }
        let next = if infer::vectors::can_resume() {
            "; the same command with --resume continues"
        } else {
            ""
        };
        let _ = writeln!(std::io::stderr(), "\ninterrupted{next}");
        program::interrupt::exit_now();
    });
    let mut out = program::console::stdout();
    let result = run(cli, console, &mut out);
    // What was printed before an error is shown too.
    let flushed = out.flush().map_err(Error::from);
    program::exit::finish(result.and(flushed), console)
}
