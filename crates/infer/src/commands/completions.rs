//! `completions`: a completion script for a shell.

use std::io::Write;

use clap::CommandFactory;
use clap_complete::Shell;

use crate::cli::Cli;
use crate::error::Error;

pub(super) fn run(shell: Shell, out: &mut dyn Write) -> Result<(), Error> {
    // Into memory first: clap_complete panics where it cannot write.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "infer", &mut script);
    Ok(out.write_all(&script)?)
}
