//! `fetch`: downloads the model if needed and prints its folder, for scripts and for use without a
//! network.

use std::io::Write;

use model::{ModelError, hub};
use program::Console;

use super::hub_options;
use crate::cli::HubArgs;
use crate::error::Error;

pub(super) fn run(args: &HubArgs, console: Console, out: &mut dyn Write) -> Result<(), Error> {
    let found = hub::resolve(&args.model, &hub_options(args, console)).map_err(ModelError::from)?;
    console.note(format_args!("{}: {}", args.model, found.origin));
    writeln!(out, "{}", found.path.display())?;
    Ok(())
}
