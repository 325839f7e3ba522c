//! `train` and `evaluate`: the program `train`, built for one backend.

use crate::backend::Backend;
use crate::cargo::{Package, run_package};
use crate::error::TaskError;
use crate::runner::Runner;

/// Runs the program with its arguments. Options without a command are those of `fit`.
pub(super) fn run(
    title: &'static str,
    backend: Backend,
    words: &[&str],
    runner: &mut Runner,
) -> Result<(), TaskError> {
    let command = words.first().filter(|word| !word.starts_with('-'));
    let mut line = vec!["--"];
    line.extend(command.is_none().then_some("fit"));
    line.extend(words);
    runner.run(&run_package(title, Package::Train, backend, &line))
}

/// Whether a flag stands among arguments.
pub(super) fn is_given(flag: &str, arguments: &[String]) -> bool {
    arguments.iter().any(|argument| {
        argument
            .strip_prefix(flag)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
    })
}
