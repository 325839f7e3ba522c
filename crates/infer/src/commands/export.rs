//! `export`: the model as a folder, in a precision.

use std::io::Write;

use model::{Checkpoint, ModelError, hub};
use program::Console;

use super::hub_options;
use crate::cli::ExportArgs;
use crate::error::Error;

pub(super) fn run(args: &ExportArgs, console: Console, out: &mut dyn Write) -> Result<(), Error> {
    let hub = &args.hub;
    let found = hub::resolve(hub.name(), &hub_options(hub, console)).map_err(ModelError::from)?;
    let checkpoint = Checkpoint::open_found(&found)?;
    for note in checkpoint.notes() {
        console.note(format_args!("note: {note}"));
    }
    let precision = match args.precision.chosen() {
        Some(precision) => precision,
        None => checkpoint.precision()?,
    };
    checkpoint.export(precision, &args.output)?;
    console.note(format_args!(
        "{} in {precision}: {}",
        hub.name(),
        args.output.display()
    ));
    writeln!(out, "{}", args.output.display())?;
    Ok(())
}
