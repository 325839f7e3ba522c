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
    /// A check has findings, which were printed.
    #[error("the check `{title}` has {count} findings")]
    Findings {
        /// The check.
        title: &'static str,
        /// How many.
        count: usize,
    },
    /// A file could not be read.
    #[error("{} could not be read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Git lists no files.
    #[error("git lists no files of {}; run the checks in a git checkout", root.display())]
    NoFiles {
        /// The folder.
        root: PathBuf,
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
    /// A program was to be built and was not.
    #[error("`{name}` is not among the programs that cargo built")]
    NotBuilt {
        /// The program.
        name: String,
    },
    /// A list of tests has a name that is none.
    #[error("no test of {target} has `{part}` in its name: mend the lists of `cargo xtask test`")]
    NoSuchTest {
        /// The package and its target.
        target: String,
        /// Part of a name.
        part: String,
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
