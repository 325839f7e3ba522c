//! The library behind the `infer` program: texts from files, vectors into files, and the commands
//! between them.
//!
//! | word | module |
//! | --- | --- |
//! | read | [`records`] |
//! | embed | [`stream`], on [`model::SentenceEncoder`] |
//! | write, read again | [`vectors`] |
//! | search | [`catalogue`], on [`search::Index`] |
//! | print | [`terminal`] |

pub mod catalogue;
pub mod cli;
mod commands;
pub mod failure;
pub mod precision;
mod saved_vectors;
pub mod stream;
pub mod terminal;
mod unfinished;
pub mod vectors;

pub use cli::Cli;
pub use commands::run;
pub use failure::Failure;
pub use terminal::Terminal;
