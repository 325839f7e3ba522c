//! Any bytes as a file of vectors: see `fuzz::targets::vectors`.
#![cfg_attr(fuzzing, no_main)]

fuzz::target!(vectors);
