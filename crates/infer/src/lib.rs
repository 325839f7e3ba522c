//! The library behind the program `infer`: texts from files, vectors in files, and the commands
//! that connect them.
//!
//! | step | module |
//! | --- | --- |
//! | parse the command line | [`cli`] |
//! | open a file of texts | [`input`], on [`records`] |
//! | notice texts on standard input | [`stdin`] |
//! | look for bad rows before the model is loaded | `check` |
//! | embed it window by window | [`stream`], on [`model::SentenceEncoder`] |
//! | write vectors, read them again | [`vectors`] |
//! | check that saved vectors belong to a corpus | `verify`, `made_of` |
//! | read the attributes of products and queries | `attributes` |
//! | open an index with its model | `index_model`, on [`search::index`] |
//! | hold a corpus and its index | [`corpus`], on [`search::VectorIndex`] |
//! | print hits and scores | `output` |
//! | one file per command | `commands` |

mod attributes;
mod bad_rows;
mod check;
pub mod cli;
mod commands;
pub mod corpus;
pub mod error;
mod index_model;
pub mod input;
mod made_of;
mod output;
pub mod precision;
mod repeated_ids;
mod reranker;
pub mod rows;
pub mod stdin;
pub mod stream;
pub mod vectors;
mod verify;

pub use cli::Cli;
pub use commands::{handle_signal, run};
pub use error::Error;
