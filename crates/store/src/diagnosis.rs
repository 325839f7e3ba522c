//! What an error of a connection means.

use std::time::Duration;

use rustls::CertificateError;
use tokio_postgres::error::SqlState;

use crate::error::{StoreError, root};

impl StoreError {
    /// What an error of a server means: a broken connection, a limit, or a refused statement.
    pub(crate) fn of(
        server: &str,
        action: &'static str,
        limit: Duration,
        source: tokio_postgres::Error,
    ) -> Self {
        let server = server.to_owned();
        match source.code() {
            Some(&SqlState::QUERY_CANCELED) => Self::Silent { server, limit },
            // A server that is shut down or killed says so, or nothing.
            Some(
                &SqlState::ADMIN_SHUTDOWN
                | &SqlState::CRASH_SHUTDOWN
                | &SqlState::CANNOT_CONNECT_NOW,
            ) => Self::Broken { server, source },
            None => Self::Broken { server, source },
            Some(_) => Self::Database {
                server,
                action,
                source,
            },
        }
    }

    /// What an error of connecting means.
    pub(crate) fn of_connecting(server: &str, source: tokio_postgres::Error) -> Self {
        let server = server.to_owned();
        match source.code() {
            Some(&SqlState::INVALID_PASSWORD | &SqlState::INVALID_AUTHORIZATION_SPECIFICATION) => {
                Self::Login { server, source }
            }
            Some(&SqlState::INVALID_CATALOG_NAME) => Self::NoDatabase { server, source },
            Some(_) => Self::Database {
                server,
                action: "connecting",
                source,
            },
            None => match source.to_string().as_str() {
                "invalid configuration" => Self::Login { server, source },
                "error performing TLS handshake" => Self::of_encrypting(server, source),
                _ => Self::Unreachable { server, source },
            },
        }
    }

    /// What an error of the handshake of an encrypted connection means.
    fn of_encrypting(server: String, source: tokio_postgres::Error) -> Self {
        match encryption_error(&source) {
            // tokio-postgres itself: the server answered that it does not know encryption.
            None if root(&source) == "server does not support TLS" => {
                Self::Unencrypted { server, source }
            }
            // The second one: an authority of the same name with another key.
            Some(rustls::Error::InvalidCertificate(
                CertificateError::UnknownIssuer | CertificateError::BadSignature,
            )) => Self::UnknownAuthority { server, source },
            Some(rustls::Error::InvalidCertificate(CertificateError::NotValidForNameContext {
                presented,
                ..
            })) => Self::OtherHost {
                server,
                names: presented.iter().map(|name| host(name)).collect(),
                source,
            },
            _ => Self::Handshake { server, source },
        }
    }
}

/// The error of the encryption within one of the connection. An `io::Error` does not give what it holds as its source.
fn encryption_error(error: &tokio_postgres::Error) -> Option<&rustls::Error> {
    let source = std::error::Error::source(error)?;
    source
        .downcast_ref::<std::io::Error>()?
        .get_ref()?
        .downcast_ref()
}

/// The name within `DnsName("db.example")` or `IpAddress(127.0.0.1)`.
fn host(presented: &str) -> String {
    let inner = presented
        .split_once('(')
        .and_then(|(_, name)| name.strip_suffix(')'));
    inner.unwrap_or(presented).trim_matches('"').to_owned()
}
