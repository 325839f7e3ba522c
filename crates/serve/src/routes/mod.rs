//! The routes, one file for each task.

pub(crate) mod documents;
pub(crate) mod embed;
pub(crate) mod health;
pub(crate) mod info;
pub(crate) mod openai;
pub(crate) mod recommend;
pub(crate) mod rerank;
pub(crate) mod root;
pub(crate) mod search;
pub(crate) mod similarity;
pub(crate) mod tokenize;

use axum::Router;
use axum::routing::{get, post};

use crate::app::Shared;
use crate::page;

/// Routes that need a key, if there are keys.
pub(crate) fn with_key() -> Router<Shared> {
    Router::new()
        .route("/embed", post(embed::embed))
        .route("/invocations", post(root::root))
        .route("/", post(root::root).get(page::page))
        .route("/results", get(page::results))
        .route("/assets/page.css", get(page::style))
        .route("/assets/page.js", get(page::script))
        .route("/similarity", post(similarity::similarity))
        .route("/tokenize", post(tokenize::tokenize))
        .route("/decode", post(tokenize::decode))
        .route("/embeddings", post(openai::embeddings))
        .route("/v1/embeddings", post(openai::embeddings))
        .route("/v1/models", get(info::models))
        .route("/rerank", post(rerank::rerank))
        .route("/v1/rerank", post(rerank::rerank_documents))
        .route("/v2/rerank", post(rerank::rerank_documents))
        .route("/predict", post(rerank::other_model))
        .route("/embed_sparse", post(rerank::other_model))
        .route("/embed_all", post(rerank::other_model))
        .route("/search", post(search::search))
        .route("/recommend", post(recommend::recommend))
        .route("/documents", post(documents::change))
        .route("/info", get(info::info))
}

/// Routes for whoever watches the service.
pub(crate) fn public() -> Router<Shared> {
    Router::new()
        .route("/health", get(health::ready))
        .route("/ping", get(health::ready))
        .route("/readyz", get(health::ready))
        .route("/livez", get(health::live))
        .route("/metrics", get(info::metrics))
        .route("/api-doc/openapi.json", get(crate::openapi::document))
}
