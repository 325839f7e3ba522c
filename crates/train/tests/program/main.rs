//! The program `train`, run as a user runs it, on the tiny model.

mod evaluating;
mod interruption;
mod support;
mod training;
mod usage;
