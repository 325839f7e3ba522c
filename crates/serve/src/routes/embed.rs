//! Vectors in the form of text-embeddings-inference.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use model::TruncationSide;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::app::Shared;
use crate::body::Body;
use crate::inputs::Inputs;
use crate::problem::{ErrorBody, Problem};
use crate::response::{ResponseRoom, bytes_of_numbers};
use crate::texts::{self, Texts};

/// The side at which long texts are truncated.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
pub(crate) enum Direction {
    /// The beginning.
    #[serde(alias = "left")]
    Left,
    /// The end.
    #[serde(alias = "right")]
    Right,
}

impl From<Direction> for TruncationSide {
    fn from(direction: Direction) -> Self {
        match direction {
            Direction::Left => Self::Left,
            Direction::Right => Self::Right,
        }
    }
}

/// Texts to embed.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct EmbedRequest {
    pub(super) inputs: Inputs,
    /// Whether long texts are truncated, or refused.
    #[serde(default)]
    pub(super) truncate: Option<bool>,
    /// Where they are truncated; unless given, as the model says.
    #[serde(default)]
    pub(super) truncation_direction: Option<Direction>,
    /// A prompt of the model: `query`, `document`, or one of its own.
    #[serde(default)]
    pub(super) prompt_name: Option<String>,
    /// Whether vectors have length 1; unless given, as the model says.
    #[serde(default)]
    pub(super) normalize: Option<bool>,
    /// Keep the first dimensions alone.
    #[serde(default)]
    #[schema(minimum = 1)]
    pub(super) dimensions: Option<usize>,
}

/// The vectors of texts.
#[utoipa::path(
    post, path = "/embed", request_body = EmbedRequest, tag = "text-embeddings-inference",
    params(("x-priority" = Option<String>, Header, description = "`interactive` or `bulk`; unless given, by the number of tokens")),
    responses(
        (status = 200, description = "Vectors, in the order of the texts", body = Vec<Vec<f32>>),
        (status = "4XX", description = "The request is wrong, or too much waits", body = ErrorBody),
        (status = 503, description = "The service starts, stops or hangs", body = ErrorBody),
    )
)]
pub(crate) async fn embed(
    State(app): State<Shared>,
    headers: HeaderMap,
    Body(request): Body<EmbedRequest>,
) -> Result<Response, Problem> {
    let service = app.service()?;
    let texts = Texts {
        texts: request.inputs.texts("inputs")?,
        options: texts::options(
            texts::prompt(request.prompt_name),
            request.normalize,
            request.dimensions,
            service,
        ),
        truncate: request.truncate.unwrap_or(app.options().auto_truncate),
        side: request.truncation_direction.map(Into::into),
        field: "inputs",
    };
    let priority = texts::priority(&headers)?;
    texts::check(&app, service, &texts)?;
    let room = ResponseRoom::new(&app, bytes_of_numbers(texts.numbers(service)))?;
    let embedded = texts::embed(&app, service, texts, priority).await?;
    let vectors: Vec<&[f32]> = embedded.vectors.rows().collect();
    let (cost, device) = (embedded.cost, service.device());
    Ok(room.computed(&app, &vectors, cost, device).await)
}
