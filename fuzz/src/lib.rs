//! Fuzz targets: any bytes give a result or an error, never a panic.
//!
//! | task | module |
//! | --- | --- |
//! | a function per target, which takes the bytes of an input | [`targets`] |
//! | inputs to start from, made from the fixtures | [`seeds`] |
//!
//! `cargo fuzz run TARGET` builds the programs of `fuzz_targets/` with libFuzzer. In any other build they run their
//! target on the files of the command line, so every build reproduces a finding. How to run them:
//! `docs/src/contributing/fuzzing.md`.

pub mod seeds;
pub mod targets;

use std::path::PathBuf;

/// Makes a program of the target of this name.
#[macro_export]
macro_rules! target {
    ($name:ident) => {
        #[cfg(fuzzing)]
        libfuzzer_sys::fuzz_target!(
            init: $crate::begin(stringify!($name)),
            |bytes: &[u8]| $crate::targets::$name(bytes)
        );

        #[cfg(not(fuzzing))]
        fn main() -> std::io::Result<()> {
            $crate::replay($crate::targets::$name)
        }
    };
}

/// Prepares the process for a target: a panic that becomes an error is no finding.
pub fn begin(target: &str) {
    guard::keep_guarded_panics_quiet();
    seeds::write(target);
}

/// Runs a target on each file that the command line names.
///
/// # Errors
///
/// When a file cannot be read.
pub fn replay(target: targets::Target) -> std::io::Result<()> {
    for path in std::env::args_os().skip(1).map(PathBuf::from) {
        target(&std::fs::read(path)?);
    }
    Ok(())
}
