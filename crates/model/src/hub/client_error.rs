//! Errors of the hub's client.

use std::time::Duration;

use ureq::http::StatusCode;

/// Allows a hub without encryption that is not on this machine.
pub(super) const ALLOW_HTTP: &str = "MPNET_BURN_ALLOW_HTTP";

/// A failed exchange with the hub.
#[derive(Debug, thiserror::Error)]
pub(super) enum ClientError {
    /// No usable answer came.
    #[error("{url}: {source}")]
    Request { url: String, source: ureq::Error },
    /// The server was silent for too long.
    #[error("{url}: no answer for {timeout:?}")]
    Silent { url: String, timeout: Duration },
    /// The hub answers for a missing model as for one that it hides.
    #[error(
        "the hub has no model `{name}`, or it is private: check the name, or set HF_TOKEN to a token that may read it"
    )]
    NoRepository { name: String },
    /// The model has no such branch, tag or commit.
    #[error("`{name}` has no revision `{revision}`: check --revision")]
    NoRevision { name: String, revision: String },
    /// The hub wants a token, or another one.
    #[error(
        "the hub {}: set HF_TOKEN to a valid token ({url})",
        if *.sent { "refuses the token" } else { "asks for a token" }
    )]
    Unauthorized { url: String, sent: bool },
    /// The model's terms were not accepted by the token's owner.
    #[error(
        "`{name}` is gated{}: accept its terms on {page}, and set HF_TOKEN to a token of that account",
        said(.message)
    )]
    Gated {
        name: String,
        page: String,
        message: Option<String>,
    },
    /// The token's owner may not read the model.
    #[error(
        "the hub forbids it{}: set HF_TOKEN to a token that may read `{name}` ({url})",
        said(.message)
    )]
    Forbidden {
        name: String,
        url: String,
        message: Option<String>,
    },
    /// Any other answer that is none of success.
    #[error("HTTP status {status}{} ({url})", said(.message))]
    Status {
        url: String,
        status: StatusCode,
        message: Option<String>,
    },
    /// A redirect that leads nowhere.
    #[error("{url}: redirected {reason}")]
    Redirect { url: String, reason: String },
    /// The server answered, and not as the hub does.
    #[error("{url}: the answer {reason}")]
    Answer { url: String, reason: String },
    /// Anyone on the way could change the model.
    #[error(
        "{url} is not encrypted: use https, or set {ALLOW_HTTP}=1 if you trust the network between"
    )]
    NotEncrypted { url: String },
    /// No address at all.
    #[error("`{}` is no address of a hub: it begins with https://", url.escape_debug())]
    NoAddress { url: String },
    /// A name that would be a path outside of the cache.
    #[error("the server names {what} `{}`, which cannot be part of a path", name.escape_debug())]
    HostileName { what: &'static str, name: String },
    /// The caller broke off.
    #[error("the caller broke off")]
    Stopped,
}

fn said(message: &Option<String>) -> String {
    message
        .as_ref()
        .map(|message| format!(" ({})", message.escape_debug()))
        .unwrap_or_default()
}
