//! What the service is.

use axum::Json;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::Shared;
use crate::engine::dtype;
use crate::problem::{ErrorBody, OpenAiErrorBody, Problem};

/// The model and the limits of the service.
#[derive(Serialize, ToSchema)]
pub(crate) struct Info {
    model_id: String,
    model_dtype: String,
    served_model_name: String,
    /// Width of the vectors.
    dimensions: usize,
    max_input_length: usize,
    max_batch_tokens: usize,
    max_client_batch_size: usize,
    auto_truncate: bool,
    /// The reranker, if there is one.
    reranker: Option<String>,
    /// Products that can be searched; none without an index. A store does not count them.
    rows: Option<u64>,
    version: &'static str,
}

/// The model and the limits of the service.
#[utoipa::path(
    get, path = "/info", tag = "text-embeddings-inference",
    responses(
        (status = 200, description = "The model and the limits", body = Info),
        (status = 401, description = "A key is needed", body = ErrorBody),
        (status = 503, description = "The service starts", body = ErrorBody),
    )
)]
pub(crate) async fn info(State(app): State<Shared>) -> Result<Json<Info>, Problem> {
    let (service, options) = (app.service()?, app.options());
    let encoder = service.encoder();
    Ok(Json(Info {
        model_id: service.model_name.clone(),
        model_dtype: dtype(encoder.precision()),
        served_model_name: service.model_name.clone(),
        dimensions: encoder.width(),
        max_input_length: encoder.tokenizer().max_length(),
        max_batch_tokens: service.engine.turn_tokens(),
        max_client_batch_size: options.max_client_batch_size,
        auto_truncate: options.auto_truncate,
        reranker: service.reranker_name.clone(),
        rows: service
            .catalogue
            .as_ref()
            .and_then(|catalogue| catalogue.snapshot().rows()),
        version: env!("CARGO_PKG_VERSION"),
    }))
}

/// The models of the service.
#[derive(Serialize, ToSchema)]
pub(crate) struct ModelList {
    object: &'static str,
    data: Vec<ModelObject>,
}

/// A model.
#[derive(Serialize, ToSchema)]
pub(crate) struct ModelObject {
    id: String,
    object: &'static str,
    created: u64,
    owned_by: &'static str,
}

/// The models of the service.
#[utoipa::path(
    get, path = "/v1/models", tag = "OpenAI",
    responses(
        (status = 200, description = "The models", body = ModelList),
        (status = 401, description = "A key is needed", body = OpenAiErrorBody),
        (status = 503, description = "The service starts", body = OpenAiErrorBody),
    )
)]
pub(crate) async fn models(State(app): State<Shared>) -> Result<Json<ModelList>, Problem> {
    let service = app.service()?;
    let names = std::iter::once(&service.model_name).chain(&service.reranker_name);
    let data = names.map(|name| ModelObject {
        id: name.clone(),
        object: "model",
        created: 0,
        owned_by: "mpnet-burn",
    });
    Ok(Json(ModelList {
        object: "list",
        data: data.collect(),
    }))
}

/// Counters in the text form of Prometheus.
#[utoipa::path(
    get, path = "/metrics", tag = "health",
    responses((status = 200, description = "Counters", body = String, content_type = "text/plain"))
)]
pub(crate) async fn metrics(State(app): State<Shared>) -> Response {
    let kind = [(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    (kind, app.metrics().text()).into_response()
}
