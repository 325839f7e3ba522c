//! Any bytes as a `.pt` file of vectors: see `fuzz::targets::pytorch_vectors`.
#![cfg_attr(fuzzing, no_main)]

fuzz::target!(pytorch_vectors);
