//! The tokens of texts.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::app::Shared;
use crate::body::Body;
use crate::problem::{ErrorBody, Problem};
use crate::routes::embed::Inputs;
use crate::texts;

/// Texts to tokenize.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct TokenizeRequest {
    inputs: Inputs,
    /// Whether the special tokens of a text are among them.
    #[serde(default = "yes")]
    add_special_tokens: bool,
    /// A prompt of the model, before every text.
    #[serde(default)]
    prompt_name: Option<String>,
}

fn yes() -> bool {
    true
}

/// A token.
#[derive(Serialize, ToSchema)]
pub(crate) struct Token {
    id: u32,
    text: String,
    special: bool,
    /// The first character, and the one behind the last; none for a special token.
    start: Option<usize>,
    stop: Option<usize>,
}

/// The tokens of texts, at most as many as the model reads.
#[utoipa::path(
    post, path = "/tokenize", request_body = TokenizeRequest, tag = "text-embeddings-inference",
    responses(
        (status = 200, description = "Tokens, in the order of the texts", body = Vec<Vec<Token>>),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
        (status = 503, description = "The service starts, stops or hangs", body = ErrorBody),
    )
)]
pub(crate) async fn tokenize(
    State(app): State<Shared>,
    Body(request): Body<TokenizeRequest>,
) -> Result<Json<Vec<Vec<Token>>>, Problem> {
    let encoder = app.service()?.encoder();
    let texts = request.inputs.texts("inputs")?;
    if texts.len() > app.options().max_client_batch_size {
        return Err(Problem::field(
            "inputs",
            "`inputs` has more texts than --max-client-batch-size",
        ));
    }
    let prompt = texts::prompt(request.prompt_name);
    let before = encoder.prompt_text(&prompt)?;
    let tokenizer = encoder.route(&prompt)?.tokenizer();
    let tokens = |text: &String| {
        let pieces = tokenizer.pieces(&format!("{before}{text}"), request.add_special_tokens)?;
        let pieces = pieces.into_iter().map(|piece| Token {
            id: piece.id,
            text: piece.text,
            special: piece.special,
            start: piece.place.map(|(start, _)| start),
            stop: piece.place.map(|(_, stop)| stop),
        });
        Ok::<_, Problem>(pieces.collect())
    };
    let all = || texts.iter().map(tokens).collect::<Result<_, _>>();
    Ok(Json(app.blocking(all).await?))
}
