//! The model of an index.

use model::{Prompt, SentenceEncoder};
use program::Console;
use search::index::Settings;

use crate::cli::{ModelArgs, VectorArgs};
use crate::commands::load;
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
    let mut args = args.clone();
    args.hub.model.get_or_insert_with(|| of_index.name.clone());
    args.max_length.get_or_insert(of_index.max_length);
    if args.device.precision.chosen().is_none() {
        args.device.precision = of_index
            .precision
            .parse()
            .map_err(|_| UsageError::PrecisionOfIndex(of_index.precision.clone()))?;
    }
    let vectors = VectorArgs {
        no_normalize: false,
        dimensions: of_index.dimensions,
        prompts: of_index.query_prompt.clone().into(),
        corpus_prompt: Some(Prompt::Text(of_index.document_prompt.clone())),
    };
    let encoder = load(&args, vectors, console)?;
    of_index.check(&encoder.fingerprint(args.hub.name())?)?;
    Ok(encoder)
}
