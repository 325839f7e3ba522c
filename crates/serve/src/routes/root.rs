//! The address that clients of text-embeddings-inference send everything to.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Deserialize;
use utoipa::ToSchema;

use super::embed::{self, EmbedRequest};
use super::similarity::{self, SimilarityRequest};
use crate::app::Shared;
use crate::body::Body;
use crate::problem::{ErrorBody, Problem};

/// Clients of text-embeddings-inference send embeddings and similarities to one address.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(
    untagged,
    expecting = "`inputs` must be a text, a list of texts, or `source_sentence` and `sentences`"
)]
pub(crate) enum RootRequest {
    /// A text and others that it is compared with.
    Similarity(SimilarityRequest),
    /// Texts to embed.
    Embed(EmbedRequest),
}

/// Vectors, or similarities where `inputs` has a `source_sentence`.
#[utoipa::path(
    post, path = "/", request_body = RootRequest, tag = "text-embeddings-inference",
    responses(
        (status = 200, description = "As /embed or /similarity", body = serde_json::Value),
        (status = "4XX", description = "The request is wrong, or too much waits", body = ErrorBody),
        (status = 503, description = "The service starts, stops or hangs", body = ErrorBody),
    )
)]
pub(crate) async fn root(
    state: State<Shared>,
    headers: HeaderMap,
    Body(request): Body<RootRequest>,
) -> Result<Response, Problem> {
    match request {
        RootRequest::Similarity(request) => {
            similarity::similarity(state, headers, Body(request)).await
        }
        RootRequest::Embed(request) => embed::embed(state, headers, Body(request)).await,
    }
}
