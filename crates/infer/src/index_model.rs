//! The model of an index.

use model::SentenceEncoder;
use program::Console;
use search::index::Settings;

use crate::cli::ModelArgs;
use crate::commands::load_with;
use crate::error::{Error, UsageError};

/// Loads the model of an index with the settings of its vectors.
///
/// # Errors
///
/// When the model cannot be loaded, or is not the one of the index.
pub(crate) fn load_model_of(
    settings: &Settings,
    args: &ModelArgs,
    console: Console,
) -> Result<SentenceEncoder, Error> {
    let of_index = &settings.model;
    let builder = SentenceEncoder::builder()
        .of_index(of_index)
        .map_err(|_| UsageError::PrecisionOfIndex(of_index.precision.clone()))?;
    let mut args = args.clone();
    args.hub.model.get_or_insert_with(|| of_index.name.clone());
    let encoder = load_with(builder, &args, console)?;
    of_index.check(&encoder.fingerprint(args.hub.name())?)?;
    Ok(encoder)
}
