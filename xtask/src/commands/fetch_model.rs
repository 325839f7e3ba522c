//! `fetch-model`: the real model, fetched once; its folder on stdout.

use crate::backend::Backend;
use crate::cargo::{Package, run_package};
use crate::error::TaskError;
use crate::runner::Runner;

pub(super) fn run(backend: Backend, runner: &mut Runner) -> Result<(), TaskError> {
    let fetch = run_package("model", Package::Infer, backend, &["--", "fetch"]);
    runner.run(&fetch)
}
