//! The body of a request: JSON within a limit of bytes and of time.

use axum::extract::{FromRequest, Request};
use axum::http::header::CONTENT_TYPE;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Body as _;
use serde::de::DeserializeOwned;

use crate::app::Shared;
use crate::options::ServeOptions;
use crate::problem::{Kind, Problem};

/// Bytes that are parsed at once; more would keep other connections waiting.
const PARSED_AT_ONCE: usize = 64 * 1024;

/// Bytes of a body that holds a question, not texts to compute.
pub(crate) const QUESTION: usize = 256 * 1024;

/// A body that was read as JSON, of at most so many bytes.
pub(crate) struct Body<T, const MOST: usize = { usize::MAX }>(pub(crate) T);

impl<T: DeserializeOwned, const MOST: usize> FromRequest<Shared> for Body<T, MOST> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &Shared) -> Result<Self, Problem> {
        let kind = request.headers().get(CONTENT_TYPE);
        let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim();
        if !kind.eq_ignore_ascii_case("application/json") {
            let message = "send JSON with the header `content-type: application/json`";
            return Err(Problem::new(Kind::NotJson, message));
        }
        let options = app.options();
        let length = request.body().size_hint().upper();
        let most = options.payload_limit.min(MOST);
        if length.is_some_and(|length| length > most as u64) {
            return Err(too_large(most, options));
        }
        // Without a length it may be as long as any.
        let expected = length.map_or(most, |length| length as usize);
        // A small body needs no room, so that slow uploads of large ones keep no query out.
        let _room = (expected > PARSED_AT_ONCE)
            .then(|| app.room(expected))
            .transpose()?;
        let limited = Limited::new(request.into_body(), most);
        let read = tokio::time::timeout(options.request_timeout, limited.collect());
        let Ok(read) = read.await else {
            return Err(Problem::new(Kind::Slow, "the body did not arrive in time"));
        };
        let bytes = match read {
            Ok(read) => read.to_bytes(),
            Err(error) if error.is::<LengthLimitError>() => return Err(too_large(most, options)),
            Err(error) => return Err(Problem::new(Kind::Malformed, error.to_string())),
        };
        if bytes.len() <= PARSED_AT_ONCE {
            return parse(&bytes).map(Self);
        }
        app.blocking(|| parse(&bytes)).await.map(Self)
    }
}

fn too_large(most: usize, options: &ServeOptions) -> Problem {
    let remedy = if most < options.payload_limit {
        "the largest that this route reads"
    } else {
        "send fewer texts, or raise --payload-limit"
    };
    let message = format!("the body is larger than {most} bytes: {remedy}");
    Problem::new(Kind::TooLarge, message)
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let field = error.path().to_string();
        let error = error.into_inner();
        let place = if field == "." {
            String::new()
        } else {
            format!("`{field}`: ")
        };
        let kind = match error.classify() {
            serde_json::error::Category::Data => Kind::Validation,
            _ => Kind::Malformed,
        };
        Problem::new(kind, format!("{place}{error}"))
    })?;
    json.end()
        .map_err(|error| Problem::new(Kind::Malformed, error.to_string()))?;
    Ok(value)
}
