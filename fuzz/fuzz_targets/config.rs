//! Any bytes as one of the small JSON files of a model folder: see `fuzz::targets::config`.
#![cfg_attr(fuzzing, no_main)]

fuzz::target!(config);
