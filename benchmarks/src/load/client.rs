//! A client over kept connections.

use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::{Method, Request, StatusCode, Uri};
use hyper_util::client::legacy::Client as HyperClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::json;

use crate::error::BenchmarkError;

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Answered,
    /// Refused, because too much waits.
    Refused,
    /// Refused, because the service stops.
    Stopping,
    /// No connection: the service has ended.
    Unreachable,
    Failed,
}

#[derive(Clone)]
pub(crate) struct Client {
    client: HyperClient<HttpConnector, Full<Bytes>>,
    embed: Uri,
    openai: bool,
    metrics: Uri,
}

impl Client {
    pub(crate) fn new(url: &str, openai: bool) -> Result<Self, BenchmarkError> {
        let address = |path: &str| {
            let address = format!("{}{path}", url.trim_end_matches('/'));
            address
                .parse()
                .map_err(|_| BenchmarkError::Address(address))
        };
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let mut builder = HyperClient::builder(TokioExecutor::new());
        // Shorter than the service keeps a silent connection.
        builder
            .pool_idle_timeout(Duration::from_secs(5))
            .pool_timer(hyper_util::rt::TokioTimer::new());
        Ok(Self {
            client: builder.build(connector),
            embed: address(if openai { "/v1/embeddings" } else { "/embed" })?,
            openai,
            metrics: address("/metrics")?,
        })
    }

    pub(crate) async fn embed(&self, texts: &[String]) -> Outcome {
        let body = if self.openai {
            json!({ "model": "any", "input": texts })
        } else {
            json!({ "inputs": texts })
        };
        let request = Request::builder()
            .method(Method::POST)
            .uri(self.embed.clone())
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from(body.to_string())));
        let Ok(request) = request else {
            return Outcome::Failed;
        };
        let response = match self.client.request(request).await {
            Ok(response) => response,
            Err(error) if error.is_connect() => return Outcome::Unreachable,
            Err(_) => return Outcome::Failed,
        };
        let status = response.status();
        let read = response.into_body().collect().await;
        match (status, read) {
            (StatusCode::OK, Ok(_)) => Outcome::Answered,
            (StatusCode::TOO_MANY_REQUESTS, Ok(_)) => Outcome::Refused,
            (StatusCode::SERVICE_UNAVAILABLE, Ok(_)) => Outcome::Stopping,
            _ => Outcome::Failed,
        }
    }

    /// The memory of the service in bytes, as its counters tell it; NaN if they do not.
    pub(crate) async fn memory(&self) -> f64 {
        self.counter("process_resident_memory_bytes")
            .await
            .unwrap_or(f64::NAN)
    }

    /// Tokens that the service has computed.
    pub(crate) async fn tokens(&self) -> f64 {
        self.counter("te_batch_next_tokens_sum")
            .await
            .unwrap_or(f64::NAN)
    }

    async fn counter(&self, name: &str) -> Option<f64> {
        let response = self.client.get(self.metrics.clone()).await.ok()?;
        let bytes = response.into_body().collect().await.ok()?.to_bytes();
        let text = std::str::from_utf8(&bytes).ok()?;
        let value = text
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value?.parse().ok()
    }
}
