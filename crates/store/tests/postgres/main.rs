//! The store on real servers: the tests start PostgreSQL with pgvector on loopback.
#![cfg(unix)]
// A panic is the report of a test, and of what tests share.
#![allow(clippy::expect_used, clippy::panic, clippy::print_stderr)]

mod answers;
mod changes;
mod cluster;
mod data;
mod encryption;
mod errors;
mod loads;
