//! What can go wrong.

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;

use crate::commands::DistError;

/// Why a task ended early.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum TaskError {
    /// The program ran and was not content.
    #[error("the step `{title}` failed ({status}): {command}")]
    Failed {
        /// The step.
        title: &'static str,
        /// How the program ended.
        status: ExitStatus,
        /// The command, to try it alone.
        command: String,
    },
    /// The program is one that must be installed first.
    #[error(
        "the step `{title}` needs `{program}`, which is not installed; \
         install it with `{install}`"
    )]
    NotInstalled {
        /// The step.
        title: &'static str,
        /// The program.
        program: String,
        /// The command that installs it.
        install: &'static str,
    },
    /// The program did not start.
    #[error("`{program}` could not be started")]
    NotStarted {
        /// The program.
        program: String,
        /// Why.
        source: io::Error,
    },
    /// The place of this program, beside which the others are built, is unknown.
    #[error("the folder that this program was built in could not be found")]
    NoBuildFolder {
        /// Why.
        source: io::Error,
    },
    /// A program was built, but not where it was expected.
    #[error("{} is missing, although it was just built; is xtask kept elsewhere?", path.display())]
    NotBuilt {
        /// Where it was expected.
        path: PathBuf,
    },
    /// A program was to print JSON and printed something else.
    #[error("the step `{title}` printed no report")]
    NoReport {
        /// The step.
        title: &'static str,
        /// Why it is none.
        source: serde_json::Error,
    },
    /// Results could not be printed.
    #[error("standard output could not be written")]
    Stdout {
        /// Why.
        source: io::Error,
    },
    /// There is no release archive.
    #[error(transparent)]
    Dist(#[from] DistError),
}
