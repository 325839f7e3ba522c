//! `tag`: train a tagger, or write its rows in one form.

use std::io::{BufWriter, Write};

use program::Console;

use super::fit;
use crate::cli::TagArgs;
use crate::config::{FitConfig, TAGGER_DEFAULTS};
use crate::data::{TextTable, write};
use crate::error::TrainError;
use crate::report::DataRole;
use crate::run::files_of;

/// The command.
const NAME: &str = "tag";

pub(super) fn run(arguments: TagArgs, notes: Console) -> Result<(), TrainError> {
    let mut fit = arguments.fit.map(|settings| settings.0);
    fit.read_config()?;
    let given = &mut fit.settings;
    given.share_of_valid();
    if arguments.convert {
        given.remove("split");
        let config = given.complete().map_err(|error| given.located(error))?;
        return convert(&config, notes);
    }
    // A resumed run has them.
    if !fit.resume {
        given.set_missing(&TAGGER_DEFAULTS);
    }
    fit::run(NAME, fit, notes)
}

/// Writes the training rows as JSON Lines with spans.
fn convert(config: &FitConfig, notes: Console) -> Result<(), TrainError> {
    if config.train.is_empty() {
        return Err(TrainError::usage("--convert needs rows: give --train FILE"));
    }
    let files = config
        .train
        .iter()
        .map(|path| files_of(path, DataRole::Train));
    let files = files.collect::<Result<Vec<_>, _>>()?.concat();
    let table = TextTable::read_tagged(&files, &config.tagged_options())?;
    for note in &table.annotations.notes {
        notes.warning(note);
    }
    if let Some(error) = table.first_skipped() {
        notes.warning(format_args!(
            "skipped {} rows; the first: {error}",
            table.skipped()
        ));
    }
    super::print(|out| {
        let mut out = BufWriter::new(out);
        write(&mut out, &table)?;
        out.flush()
    })
}
