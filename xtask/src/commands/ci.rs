//! `ci`: what must pass before a change is taken.

use super::{check, test};
use crate::backend::Backend;
use crate::error::TaskError;
use crate::runner::Runner;

pub(super) fn run(backend: Backend, runner: &mut Runner) -> Result<(), TaskError> {
    match backend {
        Backend::Cpu => check::run(backend, runner)?,
        // Format, spelling, licences and documentation are the same for all backends.
        Backend::NdArray | Backend::Wgpu | Backend::Cuda => runner.run(&check::lints(backend))?,
    }
    test::run(backend, &[], runner)
}
