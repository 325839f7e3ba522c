//! Any bytes as a file of weights of torch.save: see `fuzz::targets::pytorch_state`.
#![cfg_attr(fuzzing, no_main)]

fuzz::target!(pytorch_state);
