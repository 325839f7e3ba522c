//! A response, written where it keeps no other connection waiting.

use axum::response::{IntoResponse, Response};
use search::Answer;
use serde::Serialize;

use crate::app::Shared;
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

/// A response of about so many bytes as JSON.
pub(crate) async fn json(app: &Shared, value: &impl Serialize, bytes: usize) -> Response {
    writing(app, bytes, || axum::Json(value).into_response()).await
}

/// A response of about so many bytes as JSON, with the cost of its request.
pub(crate) async fn computed(
    app: &Shared,
    value: &impl Serialize,
    bytes: usize,
    cost: Cost,
    device: model::Device,
) -> Response {
    (cost.headers(device), json(app, value, bytes).await).into_response()
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
