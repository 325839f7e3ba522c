//! `fetch`: the model's folder, fetched if need be, for scripts and for later use without a
//! network.

use std::io::Write;

use model::hub;

use super::hub_options;
use crate::cli::ModelArgs;
use crate::failure::Failure;
use crate::terminal::Terminal;

pub(super) fn run(model: &ModelArgs, terminal: &mut Terminal) -> Result<(), Failure> {
    let found = hub::resolve(&model.model, &hub_options(model, terminal.notes()))
        .map_err(model::ModelError::from)?;
    terminal
        .notes()
        .note(format_args!("{}: {}", model.model, found.origin));
    writeln!(terminal.out(), "{}", found.path.display())?;
    Ok(())
}
