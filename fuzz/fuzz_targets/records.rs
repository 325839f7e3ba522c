//! Any bytes as a file of texts: see `fuzz::targets::records`.
#![cfg_attr(fuzzing, no_main)]

fuzz::target!(records);
