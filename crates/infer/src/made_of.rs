//! What the vectors of an encoder are made of.

use model::{Prompt, SentenceEncoder};

use crate::error::Error;
use crate::vectors::{Provenance, TextsHash};

/// What this encoder makes vectors of, still without a text. `model` is its name on the command
/// line, and `normalize` says whether the model may normalize its vectors.
///
/// # Errors
///
/// When a file of the model cannot be read, or the model has no such prompt or no route for it.
pub(crate) fn provenance(
    encoder: &SentenceEncoder,
    model: &str,
    prompt: &Prompt,
    columns: &[String],
    normalize: bool,
) -> Result<Provenance, Error> {
    let route = encoder.route(prompt)?;
    let prompt = encoder.prompt_text(prompt)?;
    Ok(Provenance {
        texts: TextsHash::default().hex(),
        model: model.to_owned(),
        model_identity: encoder.identity()?,
        columns: columns.to_vec(),
        route: route.name().map(str::to_owned),
        precision: route.precision().to_string(),
        dimensions: encoder.width(),
        max_length: route.tokenizer().max_length(),
        prompt: (!prompt.is_empty()).then(|| prompt.to_owned()),
        normalized: normalize && route.model_normalizes(),
        similarity: encoder.similarity().name().to_owned(),
        output_type: String::new(),
        numbers: None,
    })
}
