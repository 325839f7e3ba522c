//! Parts that the programs `infer` and `train` share. This crate knows no model and no data.
//!
//! | task | module |
//! | --- | --- |
//! | results on stdout, notes and progress bars on stderr | [`console`] |
//! | texts of files in messages and tables | [`text`] |
//! | the command line of a process | [`arguments`] |
//! | a progress bar for each download | [`download`] |
//! | files that appear complete or not at all | [`atomic_file`] |
//! | Ctrl-C and other signals | [`interrupt`] |
//! | exit codes | [`exit`] |
//! | man pages and completion scripts | [`manual`] |
//! | the text of `--version` | [`version`] |
//! | the reference of a command line | [`mod@reference`] |

pub mod arguments;
pub mod atomic_file;
pub mod console;
pub mod download;
pub mod exit;
pub mod interrupt;
pub mod manual;
pub mod reference;
mod stdout;
pub mod text;
pub mod version;

pub use atomic_file::AtomicFile;
pub use console::{Console, Unit};
pub use download::DownloadBar;
pub use exit::ProgramError;
pub use version::Version;
