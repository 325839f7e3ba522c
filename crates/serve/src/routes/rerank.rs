//! Scores of a reranker, in the forms of text-embeddings-inference and of Cohere.

use std::fmt;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use model::TruncationSide;
use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use super::embed::Direction;
use super::search::LONGEST_TEXT;
use crate::app::{Service, Shared};
use crate::body::Body;
use crate::engine::Priority;
use crate::hits::reranker;
use crate::problem::{ErrorBody, Kind, OpenAiErrorBody, Problem};
use crate::response::ResponseRoom;
use crate::texts;

/// A query and texts to order.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct RerankRequest {
    query: String,
    texts: Vec<String>,
    /// Whether pairs that are too long are truncated, or refused.
    #[serde(default)]
    truncate: Option<bool>,
    /// Where they are truncated; unless given, as the model says.
    #[serde(default)]
    truncation_direction: Option<Direction>,
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

/// Most bytes of a text to rank.
const LONGEST_RANKED: usize = 256 * 1024;

/// Bytes of a score and its place as JSON, about.
const RANK: usize = 64;

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
) -> Result<Response, Problem> {
    let service = app.service()?;
    let kept = request.return_text.then(|| request.texts.clone());
    let pairs = Pairs {
        query: request.query,
        texts: request.texts,
        field: "texts",
        truncate: request.truncate.unwrap_or(app.options().auto_truncate),
        side: request.truncation_direction.map(Into::into),
    };
    let bytes = bytes(pairs.texts.len(), kept.iter().flatten());
    let room = ResponseRoom::new(&app, bytes)?;
    let ranked = ranked(&app, service, &headers, pairs, request.raw_scores).await?;
    let ranks = ranked.into_iter().map(|(index, score)| Rank {
        index,
        score,
        text: kept.as_ref().and_then(|texts| texts.get(index).cloned()),
    });
    let ranks: Vec<Rank> = ranks.collect();
    Ok(room.json(&app, &ranks).await)
}

/// Bytes of a response with so many scores and these texts, about.
fn bytes<'a>(scores: usize, texts: impl Iterator<Item = &'a String>) -> usize {
    scores * RANK + texts.map(String::len).sum::<usize>()
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
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(untagged)]
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
    fn text(&self) -> &String {
        let (Self::Bare(text) | Self::Object { text }) = self;
        text
    }

    /// The form in which clients read it.
    fn object(&self) -> Self {
        Self::Object {
            text: self.text().clone(),
        }
    }
}

/// Reads as it goes, as [`Inputs`](crate::inputs::Inputs).
impl<'de> Deserialize<'de> for RerankDocument {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(DocumentVisitor)
    }
}

struct DocumentVisitor;

impl<'de> Visitor<'de> for DocumentVisitor {
    type Value = RerankDocument;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a text, or an object with a `text`")
    }

    fn visit_str<E>(self, text: &str) -> Result<RerankDocument, E> {
        Ok(RerankDocument::Bare(text.to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RerankDocument, A::Error> {
        #[derive(Deserialize)]
        struct Object {
            text: String,
        }
        let Object { text } = Object::deserialize(MapAccessDeserializer::new(map))?;
        Ok(RerankDocument::Object { text })
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
) -> Result<Response, Problem> {
    let service = app.service()?;
    if request.top_n == Some(0) {
        return Err(Problem::field("top_n", "`top_n` must be at least 1"));
    }
    let texts: Vec<String> = request
        .documents
        .iter()
        .map(|document| document.text().clone())
        .collect();
    let pairs = Pairs {
        query: request.query,
        texts,
        field: "documents",
        truncate: app.options().auto_truncate,
        side: None,
    };
    let kept = request.return_documents.then_some(&request.documents);
    let shown = kept.into_iter().flatten().map(RerankDocument::text);
    let room = ResponseRoom::new(&app, bytes(pairs.texts.len(), shown))?;
    let mut ranked = ranked(&app, service, &headers, pairs, false).await?;
    ranked.truncate(request.top_n.unwrap_or(usize::MAX));
    let results = ranked
        .into_iter()
        .map(|(index, relevance_score)| RelevantDocument {
            index,
            relevance_score,
            document: kept.and_then(|documents| documents.get(index).map(RerankDocument::object)),
        });
    let response = RerankResponse {
        model: reranker(service)?.to_owned(),
        results: results.collect(),
    };
    Ok(room.json(&app, &response).await)
}

/// A query and texts that are scored with it.
struct Pairs {
    query: String,
    texts: Vec<String>,
    /// The field of the texts, for messages.
    field: &'static str,
    /// Whether long pairs are truncated; else they are refused.
    truncate: bool,
    side: Option<TruncationSide>,
}

/// The places of texts and their scores, best first; equal scores keep their order.
async fn ranked(
    app: &Shared,
    service: &Service,
    headers: &HeaderMap,
    pairs: Pairs,
    raw: bool,
) -> Result<Vec<(usize, f32)>, Problem> {
    reranker(service)?;
    let Pairs {
        query,
        texts,
        field,
        truncate,
        side,
    } = pairs;
    // It is read with every text, on the thread of the model.
    if query.len() > LONGEST_TEXT {
        let message = format!("`query` has more than {LONGEST_TEXT} bytes");
        return Err(Problem::field("query", message));
    }
    if texts.is_empty() {
        return Err(Problem::field(field, format!("`{field}` has no text")));
    }
    texts::check_count(app, field, texts.len())?;
    // A turn reads some texts, and keeps queries waiting meanwhile.
    if let Some(place) = texts.iter().position(|text| text.len() > LONGEST_RANKED) {
        let message = format!(
            "text {} of `{field}` has more than {LONGEST_RANKED} bytes: shorten it",
            place + 1
        );
        return Err(Problem::field(field, message));
    }
    let bytes: usize = texts.iter().map(|text| text.len() + query.len()).sum();
    let priority =
        texts::priority(headers)?.unwrap_or_else(|| Priority::of(texts.len(), bytes / 4));
    service.engine.admit(priority)?;
    if !truncate {
        app.blocking(|| refuse_long(service, &query, &texts, field))
            .await?;
    }
    let (scores, times) = service
        .engine
        .score(query, texts, side, priority, None)
        .await?;
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

/// Fails for a pair that the reranker would truncate.
fn refuse_long(
    service: &Service,
    query: &str,
    texts: &[String],
    field: &'static str,
) -> Result<(), Problem> {
    let Some(reranker) = &service.engine.models().reranker else {
        return Ok(());
    };
    let pairs: Vec<(&str, &str)> = texts.iter().map(|text| (query, text.as_str())).collect();
    let Some(place) = reranker.first_truncated(&pairs)? else {
        return Ok(());
    };
    let most = reranker.tokenizer().max_length();
    let text = format!(
        "text {} of `{field}` and the query have more than {most} tokens",
        place + 1
    );
    Err(Problem::field(
        field,
        format!("{text}: shorten them, or send `truncate: true`"),
    ))
}

/// Routes of text-embeddings-inference for models of other kinds.
pub(crate) async fn other_model() -> Problem {
    Problem::new(
        Kind::Backend,
        "the model of this service is not of the kind for this route",
    )
}
