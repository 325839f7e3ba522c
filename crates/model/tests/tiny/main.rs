//! The random 2-layer model of `fixtures/tiny-mpnet` on the backend that this build has, without a
//! network.

#[path = "../common/mod.rs"]
mod common;

mod checkpoint;
mod gradients;
mod vectors;
