//! `evaluate`: measures a model, fine-tuned or not.

use super::train::program;
use crate::backend::Backend;
use crate::error::TaskError;
use crate::runner::Runner;
use crate::step::Step;

pub(super) fn run(
    backend: Backend,
    arguments: &[String],
    runner: &mut Runner,
) -> Result<(), TaskError> {
    runner.run(&evaluation(backend, arguments))
}

fn evaluation(backend: Backend, arguments: &[String]) -> Step {
    program("evaluation", "evaluate", backend, arguments)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_evaluates_on_the_backend() {
        let json = ["--json".to_owned()];
        assert_eq!(
            evaluation(Backend::NdArray, &json).command_line(),
            "cargo run --release --package train --no-default-features --features ndarray \
             -- evaluate --device ndarray --json"
        );
    }
}
