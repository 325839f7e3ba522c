//! Vectors in the form of OpenAI.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::app::Shared;
use crate::body::Body;
use crate::inputs::Inputs;
use crate::problem::{OpenAiErrorBody, Problem};
use crate::response::{ResponseRoom, bytes_of_numbers, writing};
use crate::texts::{self, Texts};

/// Texts to embed.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct EmbeddingsRequest {
    input: Inputs,
    /// Any name: the service has one model, which the response names.
    #[serde(default)]
    #[allow(dead_code, reason = "clients must send it")]
    model: Option<String>,
    #[serde(default)]
    encoding_format: Option<EncodingFormat>,
    /// Keep the first dimensions alone.
    #[serde(default)]
    #[schema(minimum = 1)]
    dimensions: Option<usize>,
}

/// How a vector is written.
#[derive(Clone, Copy, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum EncodingFormat {
    /// A list of numbers.
    #[default]
    Float,
    /// Little-endian float32 in base64.
    Base64,
}

/// Vectors, and what they cost.
#[derive(Serialize, ToSchema)]
pub(crate) struct EmbeddingsResponse {
    object: &'static str,
    data: Vec<EmbeddingObject>,
    model: String,
    usage: Usage,
}

/// The vector of a text.
#[derive(Serialize, ToSchema)]
pub(crate) struct EmbeddingObject {
    object: &'static str,
    embedding: EmbeddingValues,
    index: usize,
}

/// The values of a vector.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum EmbeddingValues {
    /// Numbers.
    Float(Vec<f32>),
    /// Little-endian float32 in base64.
    Base64(String),
}

/// Tokens of a request.
#[derive(Serialize, ToSchema)]
pub(crate) struct Usage {
    prompt_tokens: usize,
    total_tokens: usize,
}

/// The vectors of texts.
#[utoipa::path(
    post, path = "/v1/embeddings", request_body = EmbeddingsRequest, tag = "OpenAI",
    responses(
        (status = 200, description = "Vectors, in the order of the texts", body = EmbeddingsResponse),
        (status = "4XX", description = "The request is wrong, or too much waits", body = OpenAiErrorBody),
        (status = 503, description = "The service starts, stops or hangs", body = OpenAiErrorBody),
    )
)]
pub(crate) async fn embeddings(
    State(app): State<Shared>,
    headers: HeaderMap,
    Body(request): Body<EmbeddingsRequest>,
) -> Result<Response, Problem> {
    let service = app.service()?;
    let texts = Texts {
        texts: request.input.texts("input")?,
        options: texts::options(texts::prompt(None), None, request.dimensions, service),
        truncate: app.options().auto_truncate,
        side: None,
        field: "input",
    };
    let priority = texts::priority(&headers)?;
    texts::check(&app, service, &texts)?;
    let bytes = bytes_of_numbers(texts.numbers(service));
    let room = ResponseRoom::new(&app, bytes)?;
    let embedded = texts::embed(&app, service, texts, priority).await?;
    let format = request.encoding_format.unwrap_or_default();
    let object = |(index, row)| EmbeddingObject {
        object: "embedding",
        embedding: match format {
            EncodingFormat::Float => EmbeddingValues::Float(Vec::from(row)),
            EncodingFormat::Base64 => EmbeddingValues::Base64(base64(row)),
        },
        index,
    };
    let rows = embedded.vectors.rows();
    let data = writing(&app, bytes, || rows.enumerate().map(object).collect()).await;
    let tokens = embedded.cost.tokens;
    let response = EmbeddingsResponse {
        object: "list",
        data,
        model: service.model_name.clone(),
        usage: Usage {
            prompt_tokens: tokens,
            total_tokens: tokens,
        },
    };
    let (cost, device) = (embedded.cost, service.device());
    Ok(room.computed(&app, &response, cost, device).await)
}

fn base64(row: &[f32]) -> String {
    let bytes: Vec<u8> = row.iter().flat_map(|value| value.to_le_bytes()).collect();
    BASE64_STANDARD.encode(bytes)
}
