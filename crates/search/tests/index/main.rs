//! An index on disk: what it answers, and what it keeps.

mod answers;
mod common;
mod crash;
mod damage;
mod full_disk;
mod model;
mod operations;
mod refusals;
