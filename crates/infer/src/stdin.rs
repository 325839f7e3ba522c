//! Texts on standard input that no option names, as in `cat queries.txt | infer embed`.

use std::io::{self, BufRead, IsTerminal};
use std::path::{Path, PathBuf};

/// The name of standard input and standard output among files.
pub const DASH: &str = "-";

/// Whether the path means standard input or standard output.
#[must_use]
pub fn is_dash(path: &Path) -> bool {
    path == Path::new(DASH)
}

/// `-` if texts wait on standard input; `None` if it is a terminal, or empty as in a scheduled job.
#[must_use]
pub fn piped() -> Option<PathBuf> {
    let stdin = io::stdin();
    if stdin.is_terminal() {
        return None;
    }
    // What is looked at stays in the buffer, from which the file is read.
    let is_empty = stdin.lock().fill_buf().map_or(true, <[u8]>::is_empty);
    (!is_empty).then(|| DASH.into())
}
