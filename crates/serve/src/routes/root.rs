//! The address that clients of text-embeddings-inference send everything to.

use std::fmt;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use utoipa::ToSchema;

use super::embed::{self, Direction, EmbedRequest};
use super::similarity::{self, SimilarityInputs, SimilarityParameters, SimilarityRequest};
use crate::app::Shared;
use crate::body::Body;
use crate::inputs::{Inputs, InputsVisitor};
use crate::problem::{ErrorBody, Problem};

/// Clients of text-embeddings-inference send embeddings and similarities to one address.
#[derive(Debug, ToSchema)]
#[serde(untagged)]
pub(crate) enum RootRequest {
    /// A text and others that it is compared with.
    Similarity(SimilarityRequest),
    /// Texts to embed.
    Embed(EmbedRequest),
}

/// Reads as it goes, as [`Inputs`]: the fields of both kinds, of which `inputs` tells one.
impl<'de> Deserialize<'de> for RootRequest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Fields {
            inputs: RootInputs,
            parameters: Option<SimilarityParameters>,
            truncate: Option<bool>,
            truncation_direction: Option<Direction>,
            prompt_name: Option<String>,
            normalize: Option<bool>,
            dimensions: Option<usize>,
        }
        let fields = Fields::deserialize(deserializer)?;
        Ok(match fields.inputs {
            RootInputs::Similarity(inputs) => Self::Similarity(SimilarityRequest {
                inputs,
                parameters: fields.parameters,
            }),
            RootInputs::Embed(inputs) => Self::Embed(EmbedRequest {
                inputs,
                truncate: fields.truncate,
                truncation_direction: fields.truncation_direction,
                prompt_name: fields.prompt_name,
                normalize: fields.normalize,
                dimensions: fields.dimensions,
            }),
        })
    }
}

enum RootInputs {
    Similarity(SimilarityInputs),
    Embed(Inputs),
}

impl<'de> Deserialize<'de> for RootInputs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RootVisitor)
    }
}

struct RootVisitor;

impl<'de> Visitor<'de> for RootVisitor {
    type Value = RootInputs;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a text, a list of texts, or `source_sentence` and `sentences`")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<RootInputs, E> {
        InputsVisitor.visit_str(text).map(RootInputs::Embed)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<RootInputs, A::Error> {
        InputsVisitor.visit_seq(list).map(RootInputs::Embed)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RootInputs, A::Error> {
        SimilarityInputs::deserialize(MapAccessDeserializer::new(map)).map(RootInputs::Similarity)
    }
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
