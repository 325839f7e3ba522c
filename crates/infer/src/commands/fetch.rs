//! `fetch`: downloads the model if needed and prints its folder, for scripts and for use without a
//! network.

use std::io::Write;

use model::{ModelError, hub};
use program::Console;

use super::hub_options;
use crate::cli::HubArgs;
use crate::error::Error;

pub(super) fn run(args: &HubArgs, console: Console, out: &mut dyn Write) -> Result<(), Error> {
    let found = hub::resolve(args.name(), &hub_options(args, console)).map_err(ModelError::from)?;
    for note in &found.notes {
        console.note(format_args!("note: {note}"));
    }
    console.note(format_args!("{}: {}", args.name(), found.origin));
    writeln!(out, "{}", found.path.display())?;
    Ok(())
}
