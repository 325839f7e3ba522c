//! How close texts are to a text.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Deserialize;
use utoipa::ToSchema;

use super::embed::Direction;
use crate::app::Shared;
use crate::body::Body;
use crate::problem::{ErrorBody, Problem};
use crate::response::{ResponseRoom, bytes_of_numbers};
use crate::texts::{self, Texts};

/// A text and others that it is compared with.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct SimilarityRequest {
    pub(super) inputs: SimilarityInputs,
    #[serde(default)]
    pub(super) parameters: Option<SimilarityParameters>,
}

/// The texts.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct SimilarityInputs {
    source_sentence: String,
    sentences: Vec<String>,
}

/// How texts are tokenized.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub(crate) struct SimilarityParameters {
    #[serde(default)]
    truncate: Option<bool>,
    #[serde(default)]
    truncation_direction: Option<Direction>,
    #[serde(default)]
    prompt_name: Option<String>,
}

/// The cosine of a text with each of the others.
#[utoipa::path(
    post, path = "/similarity", request_body = SimilarityRequest, tag = "text-embeddings-inference",
    responses(
        (status = 200, description = "Cosines, in the order of the sentences", body = Vec<f32>),
        (status = "4XX", description = "The request is wrong, or too much waits", body = ErrorBody),
        (status = 503, description = "The service starts, stops or hangs", body = ErrorBody),
    )
)]
pub(crate) async fn similarity(
    State(app): State<Shared>,
    headers: HeaderMap,
    Body(request): Body<SimilarityRequest>,
) -> Result<Response, Problem> {
    let service = app.service()?;
    let SimilarityInputs {
        source_sentence,
        sentences,
    } = request.inputs;
    if sentences.is_empty() {
        return Err(Problem::field(
            "sentences",
            "`inputs.sentences` has no text",
        ));
    }
    let parameters = request.parameters.unwrap_or_default();
    let texts = Texts {
        texts: std::iter::once(source_sentence).chain(sentences).collect(),
        options: texts::options(
            texts::prompt(parameters.prompt_name),
            Some(true),
            None,
            service,
        ),
        truncate: parameters.truncate.unwrap_or(app.options().auto_truncate),
        side: parameters.truncation_direction.map(Into::into),
        field: "sentences",
    };
    let embedded = texts::embed(&app, service, texts, texts::priority(&headers)?).await?;
    let mut rows = embedded.vectors.rows();
    let source = rows.next().unwrap_or_default();
    let cosine = |row: &[f32]| -> f32 { std::iter::zip(source, row).map(|(a, b)| a * b).sum() };
    let cosines: Vec<f32> = rows.map(cosine).collect();
    let room = ResponseRoom::new(&app, bytes_of_numbers(cosines.len()))?;
    let (cost, device) = (embedded.cost, service.device());
    Ok(room.computed(&app, &cosines, cost, device).await)
}
