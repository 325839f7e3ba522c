//! The tokens of texts, and texts of tokens.

use axum::extract::State;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::app::Shared;
use crate::body::{Body, QUESTION};
use crate::inputs::Inputs;
use crate::problem::{ErrorBody, Problem};
use crate::response::ResponseRoom;
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

/// Bytes of a token as JSON, about.
const TOKEN: usize = 64;

/// Tokens of the model around a text, about.
const SPECIAL_TOKENS: usize = 4;

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
) -> Result<Response, Problem> {
    let encoder = app.service()?.encoder();
    let texts = request.inputs.texts("inputs")?;
    texts::check_count(&app, "inputs", texts.len())?;
    let prompt = texts::prompt(request.prompt_name);
    let before = encoder.prompt_text(&prompt)?;
    let tokenizer = encoder.route(&prompt)?.tokenizer();
    // A token is a byte at least, but for those of the model itself.
    let tokens_of = |text: &String| before.len() + text.len() + SPECIAL_TOKENS;
    let most = tokenizer.max_length();
    let tokens: usize = texts.iter().map(|text| tokens_of(text).min(most)).sum();
    let bytes = tokens * TOKEN;
    let room = ResponseRoom::new(&app, bytes)?;
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
    let tokens: Vec<Vec<Token>> = app.blocking(all).await?;
    Ok(room.json(&app, &tokens).await)
}

/// Token ids of a text, or of several.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(
    untagged,
    expecting = "expected a list of token ids, or a list of such lists"
)]
pub(crate) enum Ids {
    /// Those of a text.
    One(Vec<u32>),
    /// Those of several texts.
    Many(Vec<Vec<u32>>),
}

/// Token ids to decode.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct DecodeRequest {
    ids: Ids,
    /// Whether the special tokens of a text are left out.
    #[serde(default = "yes")]
    skip_special_tokens: bool,
}

/// The texts of token ids, as the tokenizer keeps them: often without case and accents. Unknown ids are left out.
#[utoipa::path(
    post, path = "/decode", request_body = DecodeRequest, tag = "text-embeddings-inference",
    responses(
        (status = 200, description = "Texts, in the order of the lists", body = Vec<String>),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
        (status = 503, description = "The service starts, stops or hangs", body = ErrorBody),
    )
)]
pub(crate) async fn decode(
    State(app): State<Shared>,
    Body(request): Body<DecodeRequest, QUESTION>,
) -> Result<Response, Problem> {
    let tokenizer = app.service()?.encoder().tokenizer();
    let lists = match request.ids {
        Ids::One(ids) => vec![ids],
        Ids::Many(lists) => lists,
    };
    if lists.iter().all(Vec::is_empty) {
        return Err(Problem::field("ids", "`ids` has no token"));
    }
    texts::check_count(&app, "ids", lists.len())?;
    let text = |ids: &Vec<u32>| tokenizer.decode(ids, request.skip_special_tokens);
    let all = || lists.iter().map(text).collect::<Result<_, _>>();
    let texts: Vec<String> = app.blocking(all).await?;
    let room = ResponseRoom::new(&app, texts.iter().map(String::len).sum())?;
    Ok(room.json(&app, &texts).await)
}
