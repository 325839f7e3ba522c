//! A response: where it is written, and how much of them may wait for their readers.

use axum::body::Bytes;
use axum::http::header::{CONTENT_TYPE, HeaderValue};
use axum::response::{IntoResponse, Response};
use search::Answer;
use serde::Serialize;
use tokio::sync::OwnedSemaphorePermit;

use crate::app::Shared;
use crate::problem::{Kind, Problem};
use crate::texts::Cost;

/// Bytes that are written at once: less than a millisecond. More would keep other connections waiting, and there are two
/// threads for all of them.
const WRITTEN_AT_ONCE: usize = 160 * 1024;

/// Bytes of a number as JSON, about.
const NUMBER: usize = 10;

/// Bytes of a hit beside its texts, and of a value of a facet, about.
const HIT: usize = 640;
const FACET_VALUE: usize = 40;

/// Runs work that writes about so many bytes.
pub(crate) async fn writing<R>(app: &Shared, bytes: usize, write: impl FnOnce() -> R) -> R {
    if bytes <= WRITTEN_AT_ONCE {
        write()
    } else {
        app.blocking(write).await
    }
}

/// The room of a response that is computed or waits for its reader: clients that do not read must not fill the memory.
pub(crate) struct ResponseRoom {
    bytes: usize,
    /// A small response needs none, so that slow readers of large ones keep no query out.
    permit: Option<OwnedSemaphorePermit>,
}

impl ResponseRoom {
    /// Room for about so many bytes. Take it when the request is checked, before anything is computed, where the size is
    /// known by then.
    ///
    /// # Errors
    ///
    /// While too many responses are computed or wait to be read.
    pub(crate) fn new(app: &Shared, bytes: usize) -> Result<Self, Problem> {
        let permit = (bytes > WRITTEN_AT_ONCE)
            .then(|| app.response_room(bytes))
            .transpose()?;
        Ok(Self { bytes, permit })
    }

    /// The response as JSON.
    pub(crate) async fn json(self, app: &Shared, value: &impl Serialize) -> Response {
        let written = writing(app, self.bytes, || serde_json::to_vec(value)).await;
        let json = match written {
            Ok(json) => json,
            Err(error) => return Problem::new(Kind::Backend, error.to_string()).into_response(),
        };
        let kind = HeaderValue::from_static("application/json");
        ([(CONTENT_TYPE, kind)], self.body(json)).into_response()
    }

    /// A body that keeps the room until it is sent.
    pub(crate) fn body(self, bytes: Vec<u8>) -> Bytes {
        Bytes::from_owner(Written {
            bytes,
            _permit: self.permit,
        })
    }

    /// The response as JSON, with the cost of its request.
    pub(crate) async fn computed(
        self,
        app: &Shared,
        value: &impl Serialize,
        cost: Cost,
        device: model::Device,
    ) -> Response {
        (cost.headers(device), self.json(app, value).await).into_response()
    }
}

/// Bytes that keep their room until the last of them is sent.
struct Written {
    bytes: Vec<u8>,
    _permit: Option<OwnedSemaphorePermit>,
}

impl AsRef<[u8]> for Written {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Bytes of numbers.
pub(crate) fn bytes_of_numbers(numbers: usize) -> usize {
    numbers * NUMBER
}

/// Bytes of hits and facets.
pub(crate) fn bytes_of_answer(answer: &Answer) -> usize {
    let texts = answer.hits.iter().flat_map(|hit| &hit.texts);
    let facets = answer.facets.iter().map(Vec::len);
    texts.map(String::len).sum::<usize>()
        + answer.hits.len() * HIT
        + facets.sum::<usize>() * FACET_VALUE
}
