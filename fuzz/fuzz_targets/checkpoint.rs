//! Any bytes as one file of a model folder: see `fuzz::targets::checkpoint`.
#![cfg_attr(fuzzing, no_main)]

fuzz::target!(checkpoint);
