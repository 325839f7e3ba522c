//! Vectors in the form of text-embeddings-inference.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use model::TruncationSide;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::app::Shared;
use crate::body::Body;
use crate::problem::{ErrorBody, Problem};
use crate::response::{bytes_of_numbers, computed};
use crate::texts::{self, Texts};

/// A text, or several.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(untagged, expecting = "expected a text or a list of texts")]
pub(crate) enum Inputs {
    /// A text.
    One(String),
    /// Several texts.
    Many(Vec<String>),
    /// Token ids, which are refused.
    #[schema(value_type = Vec<u32>)]
    Ids(Vec<u32>),
    /// Lists of token ids, which are refused.
    #[schema(value_type = Vec<Vec<u32>>)]
    ManyIds(Vec<Vec<u32>>),
}

impl Inputs {
    /// The texts.
    ///
    /// # Errors
    ///
    /// For token ids: those of another tokenizer would give vectors that mean nothing.
    pub(crate) fn texts(self, field: &'static str) -> Result<Vec<String>, Problem> {
        match self {
            Self::One(text) => Ok(vec![text]),
            Self::Many(texts) => Ok(texts),
            // An empty list is one of texts.
            Self::Ids(ids) if ids.is_empty() => Ok(Vec::new()),
            Self::ManyIds(lists) if lists.is_empty() => Ok(Vec::new()),
            Self::Ids(_) | Self::ManyIds(_) => Err(Problem::field(
                field,
                format!(
                    "`{field}` holds token ids, and this service takes texts: in langchain-openai give \
                     `OpenAIEmbeddings(check_embedding_ctx_length=False)`"
                ),
            )),
        }
    }
}

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
    inputs: Inputs,
    /// Whether long texts are truncated, or refused.
    #[serde(default)]
    truncate: Option<bool>,
    /// Where they are truncated; unless given, as the model says.
    #[serde(default)]
    truncation_direction: Option<Direction>,
    /// A prompt of the model: `query`, `document`, or one of its own.
    #[serde(default)]
    prompt_name: Option<String>,
    /// Whether vectors have length 1; unless given, as the model says.
    #[serde(default)]
    normalize: Option<bool>,
    /// Keep the first dimensions alone.
    #[serde(default)]
    #[schema(minimum = 1)]
    dimensions: Option<usize>,
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
    let embedded = texts::embed(&app, service, texts, texts::priority(&headers)?).await?;
    let vectors: Vec<&[f32]> = embedded.vectors.rows().collect();
    let bytes = bytes_of_numbers(embedded.vectors.values().len());
    Ok(computed(&app, &vectors, bytes, embedded.cost, service.device()).await)
}
