//! `ci`: what must pass before a change is taken; `.ci/run` adds what a machine must have for it.

use clap::ValueEnum;

use super::check::{self, Name};
use super::test::{self, Extent};
use crate::backend::Backend;
use crate::error::TaskError;
use crate::runner::Runner;

/// The backends whose tests need no hardware.
const EVERYWHERE: [Backend; 3] = [Backend::Cpu, Backend::NdArray, Backend::Wgpu];

pub(super) fn run(fast: bool, runner: &mut Runner) -> Result<(), TaskError> {
    if fast {
        let cpu = &EVERYWHERE[..1];
        let names = Name::value_variants().iter().copied();
        let quick: Vec<Name> = names.filter(|name| *name < Name::Lints).collect();
        check::run(&quick, runner)?;
        runner.cargo(&check::lints(cpu))?;
        return test::run(cpu, &[], Extent::Fast, runner);
    }
    check::run(&[], runner)?;
    // Software Vulkan, which tests of wgpu need, is at home on Linux.
    let here = if cfg!(target_os = "linux") {
        &EVERYWHERE[..]
    } else {
        &EVERYWHERE[..1]
    };
    test::run(here, &[], Extent::Full, runner)
}
