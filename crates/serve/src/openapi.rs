//! The description of the service in OpenAPI.

use axum::Json;
use utoipa::OpenApi;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};

use crate::problem::{ErrorBody, OpenAiErrorBody};
use crate::routes;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "mpnet-burn",
        description = "Vectors, search and recommendations. Routes and names are those of text-embeddings-inference and OpenAI."
    ),
    paths(
        routes::documents::change,
        routes::embed::embed,
        routes::health::live,
        routes::health::ready,
        routes::info::info,
        routes::info::metrics,
        routes::info::models,
        routes::openai::embeddings,
        routes::recommend::recommend,
        routes::rerank::rerank,
        routes::rerank::rerank_documents,
        routes::root::root,
        routes::search::search,
        routes::similarity::similarity,
        routes::tokenize::decode,
        routes::tokenize::tokenize,
    ),
    components(schemas(ErrorBody, OpenAiErrorBody))
)]
struct Document;

/// The description of the service.
pub(crate) async fn document() -> Json<utoipa::openapi::OpenApi> {
    let mut document = Document::openapi();
    let key = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
    let components = document.components.get_or_insert_default();
    components.add_security_scheme("key", SecurityScheme::Http(key));
    Json(document)
}
