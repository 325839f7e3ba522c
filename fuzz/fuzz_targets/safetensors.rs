//! Any bytes as a safetensors file: see `fuzz::targets::safetensors`.
#![cfg_attr(fuzzing, no_main)]

fuzz::target!(safetensors);
