//! `fetch-model`: the real model, fetched once; its folder on stdout.

use crate::backend::Backend;
use crate::cargo::run_infer;
use crate::error::TaskError;
use crate::runner::Runner;

pub(super) fn run(backend: Backend, runner: &mut Runner) -> Result<(), TaskError> {
    runner.run(&run_infer("model", backend, &["--", "fetch"]))
}
