//! `check`: what can be said about the code without running it, cheapest first.

use clap::ValueEnum;

use crate::backend::Backend;
use crate::cargo::{cargo, on_workspace};
use crate::checks::{Check, circles, licences, links, prose};
use crate::error::TaskError;
use crate::runner::Runner;
use crate::step::Step;

/// A check that can be asked for by name, cheapest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Name {
    /// The layout of the code, by rustfmt.
    Format,
    /// Spelling, by typos.
    Spelling,
    /// Relative links and headings in Markdown files.
    Links,
    /// Forbidden phrases and long sentences: see docs/src/contributing/style.md.
    Prose,
    /// Files that import each other in a circle.
    Circles,
    /// Licences, sources and versions of packages: see deny.toml.
    Licences,
    /// Lints, by clippy, with all backends.
    Lints,
    /// The documentation of the code, by rustdoc.
    Documentation,
}

pub(super) fn run(names: &[Name], runner: &mut Runner) -> Result<(), TaskError> {
    let all = Name::value_variants();
    let names = if names.is_empty() { all } else { names };
    names.iter().try_for_each(|name| match name {
        Name::Format => runner.run(&cargo("format").arguments(["fmt", "--all", "--check"])),
        Name::Spelling => {
            runner.run(&Step::new("spelling", "typos").installed_by("pip install typos"))
        }
        Name::Links => runner.check("links", links::check as Check),
        Name::Prose => runner.check("prose", prose::check),
        Name::Circles => runner.check("circles", circles::check),
        Name::Licences => runner.check("licences", licences::check),
        Name::Lints => runner.cargo(&lints(every_backend())).map(drop),
        Name::Documentation => runner.cargo(&documentation()).map(drop),
    })
}

/// Features add up: no backend may shut out another.
pub(super) fn lints(backends: &[Backend]) -> Step {
    let end = ["--all-targets", "--", "-D", "warnings"];
    on_workspace("lints", "clippy", backends).arguments(end)
}

/// Of libraries and of this program, in the build that clippy has made.
fn documentation() -> Step {
    on_workspace("documentation", "doc", every_backend())
        .arguments(["--no-deps", "--lib", "--bin", "xtask"])
        .environment("RUSTDOCFLAGS", "-D warnings")
}

/// The backends that compile on this system: CUDA's and WebGPU's are at home on Linux.
fn every_backend() -> &'static [Backend] {
    let all = Backend::value_variants();
    if cfg!(target_os = "linux") {
        all
    } else {
        &all[..1]
    }
}
