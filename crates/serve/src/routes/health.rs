//! Whether the service lives, and whether it is ready.

use axum::extract::State;
use axum::http::StatusCode;

use crate::app::Shared;
use crate::problem::{ErrorBody, Problem};

/// Ready for requests: the model is loaded, does not hang, and the service does not stop.
#[utoipa::path(
    get, path = "/readyz", tag = "health",
    responses(
        (status = 200, description = "Ready"),
        (status = 503, description = "It starts, stops or hangs", body = ErrorBody),
    )
)]
pub(crate) async fn ready(State(app): State<Shared>) -> Result<StatusCode, Problem> {
    app.ready()?;
    Ok(StatusCode::OK)
}

/// The process answers.
#[utoipa::path(
    get, path = "/livez", tag = "health",
    responses((status = 200, description = "Alive"))
)]
pub(crate) async fn live() -> StatusCode {
    StatusCode::OK
}
