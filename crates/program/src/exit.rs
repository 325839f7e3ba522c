//! Exit codes. A page of the documentation has them in a table: `docs/src/reference/exit-codes.md`.

use std::fmt::Display;
use std::process::ExitCode;

use crate::console::Console;

/// The command succeeded, or the reader of its output closed the pipe.
pub const SUCCESS: u8 = 0;

/// Data, a model or the machine failed.
pub const FAILURE: u8 = 1;

/// Another command line would work.
pub const USAGE: u8 = 2;

/// SIGHUP, the end of the terminal: 128 + 1, as shells count it.
pub const HUNG_UP: u8 = 129;

/// SIGINT, Ctrl-C: 128 + 2.
pub const INTERRUPTED: u8 = 130;

/// SIGTERM: 128 + 15.
pub const TERMINATED: u8 = 143;

/// The error of a program.
pub trait ProgramError: Display {
    /// One of the constants of this module.
    fn exit_code(&self) -> u8;

    /// Whether the reader of standard output is gone, as after `| head`.
    fn is_closed_pipe(&self) -> bool;
}

/// Prints the error of a program, if there is one, and gives its exit code. Usage errors end as
/// those of clap do.
pub fn finish(result: Result<(), impl ProgramError>, console: Console) -> ExitCode {
    match result {
        Ok(()) => ExitCode::from(SUCCESS),
        // The reader has seen enough.
        Err(error) if error.is_closed_pipe() => ExitCode::from(SUCCESS),
        Err(error) => {
            let code = error.exit_code();
            console.error(&error);
            if code == USAGE {
                console.help_hint();
            }
            ExitCode::from(code)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Error {
        closed_pipe: bool,
    }

    impl Display for Error {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("an error of the tests")
        }
    }

    impl ProgramError for Error {
        fn exit_code(&self) -> u8 {
            USAGE
        }

        fn is_closed_pipe(&self) -> bool {
            self.closed_pipe
        }
    }

    #[test]
    fn a_closed_pipe_is_a_success() {
        let console = Console::new(true);
        let code = |closed_pipe| finish(Err(Error { closed_pipe }), console);
        assert_eq!(code(true), ExitCode::from(SUCCESS));
        assert_eq!(code(false), ExitCode::from(USAGE));
        assert_eq!(finish(Ok::<(), Error>(()), console), ExitCode::SUCCESS);
    }
}
