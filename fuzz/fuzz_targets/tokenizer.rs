//! Any bytes as a text and a `tokenizer.json`: see `fuzz::targets::tokenizer`.
#![cfg_attr(fuzzing, no_main)]

fuzz::target!(tokenizer);
