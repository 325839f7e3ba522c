//! Why a request has no answer, in the words of the route that it was sent to.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use model::ModelError;
use search::index::IndexError;
use serde::Serialize;
use store::StoreError;
use utoipa::ToSchema;

/// The kind of a problem, which decides on the status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The body is no JSON, or has nothing in it.
    Malformed,
    /// No key, or a wrong one.
    Unauthorized,
    /// This service does not write.
    Forbidden,
    NotFound,
    MethodNotAllowed,
    /// A row, the index or the store has changed between the reading of a request and its commit.
    Conflict,
    TooLarge,
    /// The body did not arrive in time.
    Slow,
    NotJson,
    /// A field is wrong.
    Validation,
    /// The model or the index failed, or is not of the kind that the request needs.
    Backend,
    /// Too much work waits already.
    Overloaded(Duration),
    /// The service starts, stops or hangs.
    Unhealthy,
    /// The request took too long.
    Timeout,
}

impl Kind {
    pub(crate) fn status(self) -> StatusCode {
        match self {
            Self::Malformed => StatusCode::BAD_REQUEST,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::Conflict => StatusCode::CONFLICT,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Slow => StatusCode::REQUEST_TIMEOUT,
            Self::NotJson => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Validation => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Backend => StatusCode::FAILED_DEPENDENCY,
            Self::Overloaded(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::Unhealthy | Self::Timeout => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// The name, as text-embeddings-inference spells those that it has.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Malformed => "Malformed",
            Self::Unauthorized => "Unauthorized",
            Self::Forbidden => "Forbidden",
            Self::NotFound => "NotFound",
            Self::MethodNotAllowed => "MethodNotAllowed",
            Self::Conflict => "Conflict",
            Self::TooLarge | Self::NotJson | Self::Validation => "Validation",
            Self::Backend => "Backend",
            Self::Overloaded(_) => "Overloaded",
            Self::Unhealthy => "Unhealthy",
            Self::Slow | Self::Timeout => "Timeout",
        }
    }

    /// The type of OpenAI's errors.
    fn openai_type(self) -> &'static str {
        match self {
            Self::Unauthorized => "authentication_error",
            Self::Forbidden => "permission_error",
            Self::Overloaded(_) => "rate_limit_error",
            Self::Backend | Self::Unhealthy | Self::Timeout => "server_error",
            _ => "invalid_request_error",
        }
    }

    /// Adds what clients read beside the status: when to come again, for example.
    pub(crate) fn add_headers(self, headers: &mut HeaderMap) {
        match self {
            Self::Unauthorized => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            Self::Overloaded(wait) => {
                let seconds = wait.as_secs_f64().ceil().max(1.0) as u64;
                headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
                let milliseconds = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
                headers.insert("retry-after-ms", HeaderValue::from(milliseconds));
            }
            Self::Slow => {
                headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            Self::Timeout => {
                headers.insert("x-should-retry", HeaderValue::from_static("true"));
            }
            _ => {}
        }
    }

    /// The problem of a status without a body, which axum answers by itself.
    pub(crate) fn of_status(status: StatusCode) -> Option<(Self, &'static str)> {
        Some(match status {
            StatusCode::NOT_FOUND => (
                Self::NotFound,
                "there is no such route; /api-doc/openapi.json lists all",
            ),
            StatusCode::METHOD_NOT_ALLOWED => {
                (Self::MethodNotAllowed, "the route has no such method")
            }
            StatusCode::BAD_REQUEST => (Self::Malformed, "the query of the address is wrong"),
            _ => return None,
        })
    }
}

/// Characters of a message.
const LONGEST_MESSAGE: usize = 500;

/// Why a request has no answer.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    pub(crate) kind: Kind,
    pub(crate) message: String,
    /// The field that is wrong.
    pub(crate) param: Option<&'static str>,
}

/// An error of the routes of text-embeddings-inference, and of this service's own.
#[derive(Serialize, ToSchema)]
pub(crate) struct ErrorBody {
    error: String,
    error_type: &'static str,
}

/// An error of OpenAI's routes.
#[derive(Serialize, ToSchema)]
pub(crate) struct OpenAiErrorBody {
    error: OpenAiError,
}

/// What OpenAI's clients read of an error.
#[derive(Serialize, ToSchema)]
pub(crate) struct OpenAiError {
    message: String,
    r#type: &'static str,
    param: Option<&'static str>,
    code: Option<u16>,
}

/// Whose form an error has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// That of text-embeddings-inference.
    Plain,
    /// That of OpenAI.
    OpenAi,
}

impl Dialect {
    pub(crate) fn of_path(path: &str) -> Self {
        if path.starts_with("/v1/") || path.starts_with("/v2/") || path == "/embeddings" {
            Self::OpenAi
        } else {
            Self::Plain
        }
    }
}

impl Problem {
    pub(crate) fn new(kind: Kind, message: impl Into<String>) -> Self {
        let mut message = message.into();
        // A message may quote what was sent.
        let cut = message.char_indices().nth(LONGEST_MESSAGE);
        if let Some((end, _)) = cut {
            message.truncate(end);
            message.push('…');
        }
        Self {
            kind,
            message,
            param: None,
        }
    }

    /// A field is wrong.
    pub(crate) fn field(param: &'static str, message: impl Into<String>) -> Self {
        Self {
            param: Some(param),
            ..Self::new(Kind::Validation, message)
        }
    }

    pub(crate) fn render(&self, dialect: Dialect) -> Response {
        let status = self.kind.status();
        let message = self.message.clone();
        let mut response = match dialect {
            Dialect::Plain => {
                let error_type = self.kind.name();
                axum::Json(ErrorBody {
                    error: message,
                    error_type,
                })
                .into_response()
            }
            Dialect::OpenAi => axum::Json(OpenAiErrorBody {
                error: OpenAiError {
                    message,
                    r#type: self.kind.openai_type(),
                    param: self.param,
                    code: Some(status.as_u16()),
                },
            })
            .into_response(),
        };
        *response.status_mut() = status;
        self.kind.add_headers(response.headers_mut());
        response
    }
}

/// The problem of a response whose body is written already.
#[derive(Clone, Debug)]
pub(crate) struct Rendered(pub(crate) Problem);

/// The body is written by the outermost layer, which knows the route.
impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.kind.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}

impl From<ModelError> for Problem {
    fn from(error: ModelError) -> Self {
        let message = error.to_string();
        match error {
            ModelError::UnknownPrompt { .. } => Self::field("prompt_name", message),
            ModelError::Dimensions { .. } => Self::field("dimensions", message),
            _ => Self::new(Kind::Backend, message),
        }
    }
}

impl From<IndexError> for Problem {
    fn from(error: IndexError) -> Self {
        let kind = match error {
            IndexError::Query(_)
            | IndexError::Filter(_)
            | IndexError::NoSuchColumn { .. }
            | IndexError::EmptyId
            | IndexError::Columns { .. }
            | IndexError::ValueKind { .. } => Kind::Validation,
            IndexError::NeedsVector { .. } | IndexError::Locked { .. } => Kind::Conflict,
            _ => Kind::Backend,
        };
        Self::new(kind, error.to_string())
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        let kind = match error {
            StoreError::Query { .. }
            | StoreError::Row { .. }
            | StoreError::Range { .. }
            | StoreError::Width { .. } => Kind::Validation,
            _ => Kind::Backend,
        };
        Self::new(kind, error.to_string())
    }
}
