//! `export`: the model as a folder, in a precision.

use std::io::Write;

use model::{Checkpoint, ModelError, StaticFolder, StaticFormat, hub};
use program::Console;

use super::{hub_options, note_ignored};
use crate::cli::{ExportArgs, StaticFormatChoice};
use crate::error::{Error, UsageError};

pub(super) fn run(args: &ExportArgs, console: Console, out: &mut dyn Write) -> Result<(), Error> {
    let hub = &args.hub;
    let found = hub::resolve(hub.name(), &hub_options(hub, console)).map_err(ModelError::from)?;
    if let Some(model) = StaticFolder::open(&found.path)? {
        return export_static(&model, args, console, out);
    }
    if args.static_format.is_some() {
        return Err(UsageError::NotStatic.into());
    }
    let checkpoint = Checkpoint::open_found(&found)?;
    for note in checkpoint.notes() {
        console.note(format_args!("note: {note}"));
    }
    note_ignored(&checkpoint.ignored_tensors()?, console);
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

fn export_static(
    model: &StaticFolder,
    args: &ExportArgs,
    console: Console,
    out: &mut dyn Write,
) -> Result<(), Error> {
    let format = match args.static_format {
        None => model.format(),
        Some(StaticFormatChoice::SentenceTransformers) => StaticFormat::SentenceTransformers,
        Some(StaticFormatChoice::Model2vec) => StaticFormat::Model2Vec,
    };
    let precision = args.precision.chosen().unwrap_or_else(|| model.precision());
    model.export(format, precision, &args.output)?;
    console.note(format_args!(
        "{} in {precision} for {}: {}",
        args.hub.name(),
        format.name(),
        args.output.display()
    ));
    writeln!(out, "{}", args.output.display())?;
    Ok(())
}
