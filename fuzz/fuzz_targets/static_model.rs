//! Any bytes as one file of a static model: see `fuzz::targets::static_model`.
#![cfg_attr(fuzzing, no_main)]

fuzz::target!(static_model);
