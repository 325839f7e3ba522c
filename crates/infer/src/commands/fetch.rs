//! `fetch`: downloads the model if needed and prints its folder, for scripts and for use without a
//! network.

use std::io::Write;

use model::{ModelError, hub};
use program::Console;

use super::hub_options;
use crate::cli::ModelArgs;
use crate::error::Error;

pub(super) fn run(model: &ModelArgs, console: Console, out: &mut dyn Write) -> Result<(), Error> {
    let found =
        hub::resolve(&model.model, &hub_options(model, console)).map_err(ModelError::from)?;
    console.note(format_args!("{}: {}", model.model, found.origin));
    writeln!(out, "{}", found.path.display())?;
    Ok(())
}
