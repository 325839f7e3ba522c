//! `export`: the model as a folder of its own, in a precision.

use std::io::Write;

use model::{Checkpoint, ModelError, hub};

use super::hub_options;
use crate::cli::{ExportArgs, ModelArgs};
use crate::failure::Failure;
use crate::terminal::Terminal;

pub(super) fn run(
    model: &ModelArgs,
    args: &ExportArgs,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    let found = hub::resolve(&model.model, &hub_options(model, terminal.notes()))
        .map_err(ModelError::from)?;
    let checkpoint = Checkpoint::open(&found.path)?;
    let precision = match model.precision.chosen() {
        Some(precision) => precision,
        None => checkpoint.precision()?,
    };
    checkpoint.export(precision, &args.output)?;
    terminal.notes().note(format_args!(
        "{} in {precision}: {}",
        model.model,
        args.output.display()
    ));
    writeln!(terminal.out(), "{}", args.output.display())?;
    Ok(())
}
