//! An index on disk: what it answers, and what it keeps.

mod common;
mod model;
mod refusals;
