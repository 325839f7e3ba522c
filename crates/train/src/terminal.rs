//! What a person sees: results on stdout, progress and notes on stderr.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};

/// An argument as it can be typed into a shell.
pub(crate) fn quoted(argument: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,".contains(c);
    if !argument.is_empty() && argument.chars().all(plain) {
        argument.to_owned()
    } else {
        format!("'{}'", argument.replace('\'', r"'\''"))
    }
}

/// Notes on stderr, unless quiet.
#[derive(Clone, Copy, Debug)]
pub struct Notes {
    quiet: bool,
}

impl Notes {
    /// With `quiet`, warnings and errors only.
    #[must_use]
    pub fn new(quiet: bool) -> Self {
        Self { quiet }
    }

    /// A line on stderr, unless quiet.
    pub fn note(self, text: impl Display) {
        if !self.quiet {
            // A closed stderr is no reason to fail.
            let _ = writeln!(io::stderr(), "{text}");
        }
    }

    /// Something to know, even if quiet.
    pub fn warning(self, text: impl Display) {
        let _ = writeln!(io::stderr(), "warning: {text}");
    }

    /// An error, even if quiet.
    pub fn error(self, error: &dyn Display) {
        let _ = writeln!(io::stderr(), "error: {error}");
    }

    /// Whether only warnings and errors are said.
    #[must_use]
    pub fn is_quiet(self) -> bool {
        self.quiet
    }

    /// Whether there is somebody to watch a dashboard.
    #[must_use]
    pub fn has_terminal(self) -> bool {
        !self.quiet && io::stdout().is_terminal() && io::stderr().is_terminal()
    }
}
