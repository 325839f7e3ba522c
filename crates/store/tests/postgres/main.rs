//! The store on real servers: the tests start PostgreSQL with pgvector on loopback.
#![cfg(unix)]

mod answers;
mod cluster;
mod data;
mod errors;
mod loads;
