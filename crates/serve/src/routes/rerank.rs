//! Scores of a reranker, in the forms of text-embeddings-inference and of Cohere.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::app::{Service, Shared};
use crate::body::Body;
use crate::engine::Priority;
use crate::hits::reranker;
use crate::problem::{ErrorBody, Kind, OpenAiErrorBody, Problem};
use crate::texts;

/// A query and texts to order.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct RerankRequest {
    query: String,
    texts: Vec<String>,
    /// Scores as the network gives them, not from 0 to 1.
    #[serde(default)]
    raw_scores: bool,
    /// Whether the response repeats the texts.
    #[serde(default)]
    return_text: bool,
}

/// The score of a text.
#[derive(Serialize, ToSchema)]
pub(crate) struct Rank {
    index: usize,
    score: f32,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
}

/// Texts, best first.
#[utoipa::path(
    post, path = "/rerank", request_body = RerankRequest, tag = "text-embeddings-inference",
    responses(
        (status = 200, description = "Scores, best first", body = Vec<Rank>),
        (status = "4XX", description = "The request is wrong, there is no reranker, or too much waits", body = ErrorBody),
        (status = 503, description = "The service starts, stops or hangs", body = ErrorBody),
    )
)]
pub(crate) async fn rerank(
    State(app): State<Shared>,
    headers: HeaderMap,
    Body(request): Body<RerankRequest>,
) -> Result<Json<Vec<Rank>>, Problem> {
    let service = app.service()?;
    let RerankRequest {
        query,
        texts,
        raw_scores,
        return_text,
    } = request;
    let kept = return_text.then(|| texts.clone());
    let ranked = ranked(&app, service, &headers, query, texts, "texts", raw_scores).await?;
    let ranks = ranked.into_iter().map(|(index, score)| Rank {
        index,
        score,
        text: kept.as_ref().and_then(|texts| texts.get(index).cloned()),
    });
    Ok(Json(ranks.collect()))
}

/// A query and documents to order.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct RerankDocumentsRequest {
    query: String,
    documents: Vec<RerankDocument>,
    /// Any name: the service has one reranker.
    #[serde(default)]
    #[allow(dead_code, reason = "clients must send it")]
    model: Option<String>,
    /// Keep the best alone.
    #[serde(default)]
    #[schema(minimum = 1)]
    top_n: Option<usize>,
    /// Whether the response repeats the documents.
    #[serde(default)]
    return_documents: bool,
}

/// A document.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(
    untagged,
    expecting = "a document is a text, or an object with a `text`"
)]
pub(crate) enum RerankDocument {
    /// Its text.
    Bare(String),
    /// An object with its text.
    Object {
        /// Its text.
        text: String,
    },
}

impl RerankDocument {
    /// The form in which clients read it.
    fn object(&self) -> Self {
        let (Self::Bare(text) | Self::Object { text }) = self;
        Self::Object { text: text.clone() }
    }
}

/// Documents, best first.
#[derive(Serialize, ToSchema)]
pub(crate) struct RerankResponse {
    model: String,
    results: Vec<RelevantDocument>,
}

/// The score of a document.
#[derive(Serialize, ToSchema)]
pub(crate) struct RelevantDocument {
    index: usize,
    relevance_score: f32,
    #[serde(skip_serializing_if = "Option::is_none")]
    document: Option<RerankDocument>,
}

/// Documents, best first, in the form of Cohere and Jina.
#[utoipa::path(
    post, path = "/v1/rerank", request_body = RerankDocumentsRequest, tag = "Cohere",
    responses(
        (status = 200, description = "Scores, best first", body = RerankResponse),
        (status = "4XX", description = "The request is wrong, there is no reranker, or too much waits", body = OpenAiErrorBody),
        (status = 503, description = "The service starts, stops or hangs", body = OpenAiErrorBody),
    )
)]
pub(crate) async fn rerank_documents(
    State(app): State<Shared>,
    headers: HeaderMap,
    Body(request): Body<RerankDocumentsRequest>,
) -> Result<Json<RerankResponse>, Problem> {
    let service = app.service()?;
    let texts = request.documents.iter().map(|document| match document {
        RerankDocument::Bare(text) | RerankDocument::Object { text } => text.clone(),
    });
    let texts = texts.collect();
    if request.top_n == Some(0) {
        return Err(Problem::field("top_n", "`top_n` must be at least 1"));
    }
    let query = request.query;
    let mut ranked = ranked(&app, service, &headers, query, texts, "documents", false).await?;
    ranked.truncate(request.top_n.unwrap_or(usize::MAX));
    let kept = request.return_documents.then_some(&request.documents);
    let results = ranked
        .into_iter()
        .map(|(index, relevance_score)| RelevantDocument {
            index,
            relevance_score,
            document: kept.and_then(|documents| documents.get(index).map(RerankDocument::object)),
        });
    Ok(Json(RerankResponse {
        model: reranker(service)?.to_owned(),
        results: results.collect(),
    }))
}

/// The places of texts and their scores, best first; equal scores keep their order.
async fn ranked(
    app: &Shared,
    service: &Service,
    headers: &HeaderMap,
    query: String,
    texts: Vec<String>,
    field: &'static str,
    raw: bool,
) -> Result<Vec<(usize, f32)>, Problem> {
    reranker(service)?;
    if texts.is_empty() {
        return Err(Problem::field(field, format!("`{field}` has no text")));
    }
    if texts.len() > app.options().max_client_batch_size {
        let message = format!("`{field}` has more texts than --max-client-batch-size");
        return Err(Problem::field(field, message));
    }
    let bytes: usize = texts.iter().map(|text| text.len() + query.len()).sum();
    let priority =
        texts::priority(headers)?.unwrap_or_else(|| Priority::of(texts.len(), bytes / 4));
    service.engine.admit(priority)?;
    let (scores, times) = service.engine.score(query, texts, priority).await?;
    app.metrics().computed(0.0, times.queue, times.inference);
    let models = service.engine.models();
    let probabilities = models
        .reranker
        .as_ref()
        .is_some_and(model::PairScorer::gives_probabilities);
    let form = |score: f32| match (probabilities, raw) {
        // A saturated sigmoid has no finite inverse.
        (true, true) => {
            let inside = score.clamp(f32::MIN_POSITIVE, 1.0 - f32::EPSILON / 2.0);
            (inside / (1.0 - inside)).ln()
        }
        (false, false) => 1.0 / (1.0 + (-score).exp()),
        _ => score,
    };
    let mut ranked: Vec<(usize, f32)> = scores.into_iter().map(form).enumerate().collect();
    ranked.sort_by(|(_, one), (_, other)| other.total_cmp(one));
    Ok(ranked)
}

/// Routes of text-embeddings-inference for models of other kinds.
pub(crate) async fn other_model() -> Problem {
    Problem::new(
        Kind::Backend,
        "the model of this service is not of the kind for this route",
    )
}
