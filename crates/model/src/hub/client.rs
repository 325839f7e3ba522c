//! Requests to the Hugging Face hub.
//!
//! Redirects are followed by hand: the headers on the way name the file's content, and the token
//! must reach only the hub.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde::Deserialize;
use ureq::http::{HeaderMap, Response, StatusCode, header};
use ureq::tls::{RootCerts, TlsConfig};
use ureq::{Agent, Body, Timeout};

use super::address::{HubAddress, origin, shown};
use super::client_error::ClientError;
use super::listing::{ListedFile, Listing, TreeEntry};
use super::names::is_component;
use crate::boxed_error::BoxedError;

/// How long a network that does not answer is waited for before the next place is asked.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How often a request is sent when the failure may pass.
pub(super) const ATTEMPTS: u32 = 4;

/// The hub's redirects to its own storage are one or two.
const MOST_REDIRECTS: usize = 8;

/// A listing of more bytes than this belongs to no model.
const MOST_BYTES_OF_LISTING: u64 = 32 << 20;

/// A file whose content is on its way.
pub(super) struct Download {
    /// Names the content in the cache.
    pub etag: String,
    /// Bytes of the whole file, where the server says so.
    pub size: Option<u64>,
    /// The position of the first byte that comes.
    pub from: u64,
    pub body: Box<dyn Read + Send>,
}

/// The hub's client.
pub(super) struct Client {
    agent: Agent,
    address: HubAddress,
    /// The caller broke off: no request is repeated.
    stopped: Arc<AtomicBool>,
}

impl Client {
    pub(super) fn new(address: HubAddress, stopped: Arc<AtomicBool>) -> Self {
        let agent = Agent::config_builder()
            .user_agent(concat!("mpnet-burn/", env!("CARGO_PKG_VERSION")))
            // Sizes and positions are those of the file.
            .accept_encoding("identity")
            .timeout_resolve(Some(CONNECT_TIMEOUT))
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .timeout_per_read(Some(address.read_timeout))
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            // Certificates that the system trusts: a company's own are among them.
            .tls_config(
                TlsConfig::builder()
                    .root_certs(RootCerts::PlatformVerifier)
                    .build(),
            )
            .build()
            .new_agent();
        Self {
            agent,
            address,
            stopped,
        }
    }

    /// The commit and the files of a revision.
    pub(super) fn list(&self, name: &str, revision: &str) -> Result<Listing, ClientError> {
        #[derive(Deserialize)]
        struct Revision {
            sha: String,
            siblings: Vec<ListedFile>,
        }
        let endpoint = &self.address.endpoint;
        let url = format!(
            "{endpoint}/api/models/{name}/revision/{}?blobs=true",
            percent_encoded(revision)
        );
        let found: Revision = self.json(&url, name, revision)?;
        if !is_component(&found.sha) {
            return Err(ClientError::HostileName {
                what: "the commit",
                name: found.sha,
            });
        }
        let mut listing = Listing {
            commit: found.sha,
            files: found.siblings,
        };
        if listing.files.iter().any(|file| file.size.is_none()) {
            // Some mirrors of the hub give sizes only here. Without them the headers of each file must do.
            let commit = percent_encoded(&listing.commit);
            let url = format!("{endpoint}/api/models/{name}/tree/{commit}?recursive=true");
            if let Ok(tree) = self.json::<Vec<TreeEntry>>(&url, name, revision) {
                listing.complete(tree);
            }
        }
        Ok(listing)
    }

    /// A file of a commit, from a position on if the server can do that.
    pub(super) fn open(
        &self,
        name: &str,
        commit: &str,
        file: &str,
        from: u64,
    ) -> Result<Download, ClientError> {
        let path: Vec<String> = file.split('/').map(percent_encoded).collect();
        let url = format!(
            "{}/{name}/resolve/{}/{}",
            self.address.endpoint,
            percent_encoded(commit),
            path.join("/")
        );
        let (response, content) = self.get(&url, name, commit, from)?;
        let (start, whole) = match response.status() {
            StatusCode::PARTIAL_CONTENT => match range_of(&response) {
                Some((start, whole)) if start == from && from > 0 => (start, whole),
                // Not the part that was asked for.
                _ if from > 0 => return self.open(name, commit, file, 0),
                _ => {
                    let reason = "is a part, and the whole was asked for".to_owned();
                    let url = shown(&url);
                    return Err(ClientError::Answer { url, reason });
                }
            },
            StatusCode::RANGE_NOT_SATISFIABLE => return self.open(name, commit, file, 0),
            _ => (0, response.body().content_length()),
        };
        let etag = content.etag.ok_or_else(|| ClientError::Answer {
            url: shown(&url),
            reason: "names no content: it has no ETag".to_owned(),
        })?;
        if !is_component(&etag) {
            return Err(ClientError::HostileName {
                what: "the content",
                name: etag,
            });
        }
        Ok(Download {
            etag,
            size: content.size.or(whole),
            from: start,
            body: Box::new(response.into_body().into_reader()),
        })
    }

    fn json<T: serde::de::DeserializeOwned>(
        &self,
        url: &str,
        name: &str,
        revision: &str,
    ) -> Result<T, ClientError> {
        let (response, _) = self.get(url, name, revision, 0)?;
        let body = response
            .into_body()
            .into_with_config()
            .limit(MOST_BYTES_OF_LISTING)
            .reader();
        serde_json::from_reader(io::BufReader::new(body)).map_err(|error| ClientError::Answer {
            url: shown(url),
            reason: format!("is no list of files: {error}"),
        })
    }

    /// Follows redirects to an answer of success, or to the answer that a position is beyond the end.
    fn get(
        &self,
        url: &str,
        name: &str,
        revision: &str,
        from: u64,
    ) -> Result<(Response<Body>, Content), ClientError> {
        let mut content = Content::default();
        let mut at = url.to_owned();
        for _ in 0..=MOST_REDIRECTS {
            let response = self.send(&at, from)?;
            let status = response.status();
            content.update(response.headers());
            if status.is_success() || (from > 0 && status == StatusCode::RANGE_NOT_SATISFIABLE) {
                return Ok((response, content));
            }
            if !status.is_redirection() {
                return Err(self.refused(&response, &at, name, revision));
            }
            let location = text(response.headers(), header::LOCATION.as_str()).unwrap_or_default();
            at = redirected(&at, &location).map_err(|reason| ClientError::Redirect {
                url: shown(&at),
                reason,
            })?;
        }
        Err(ClientError::Redirect {
            url: shown(url),
            reason: format!("more than {MOST_REDIRECTS} times"),
        })
    }

    /// Sends a request, again if the failure may pass.
    fn send(&self, url: &str, from: u64) -> Result<Response<Body>, ClientError> {
        self.address.check(url)?;
        let mut attempt = 1;
        loop {
            let mut request = self.agent.get(url);
            if let Some(token) = self.address.token_for(url) {
                request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
            }
            if from > 0 {
                request = request.header(header::RANGE, format!("bytes={from}-"));
            }
            let answer = request.call();
            let may_pass = match &answer {
                Ok(response) => is_busy(response.status()),
                Err(error) => is_of_the_network(error),
            };
            if !may_pass || attempt == ATTEMPTS {
                return answer.map_err(|error| self.failed(url, error));
            }
            self.pause(attempt)?;
            attempt += 1;
        }
    }

    /// Waits after a failed attempt, longer after each further one.
    pub(super) fn pause(&self, attempt: u32) -> Result<(), ClientError> {
        std::thread::sleep(self.address.pause * (1 << (attempt - 1)));
        if self.stopped.load(Ordering::Relaxed) {
            return Err(ClientError::Stopped);
        }
        Ok(())
    }

    /// The error of a body that did not come to its end.
    pub(super) fn of_body(&self, error: io::Error) -> BoxedError {
        match ureq::Error::from(error) {
            ureq::Error::Timeout(Timeout::PerRead) => {
                format!("no byte came for {:?}", self.address.read_timeout).into()
            }
            ureq::Error::Io(source) => format!("the connection was cut ({source})").into(),
            error => error.into(),
        }
    }

    fn failed(&self, url: &str, source: ureq::Error) -> ClientError {
        let url = shown(url);
        match source {
            ureq::Error::Timeout(Timeout::PerRead) => ClientError::Silent {
                url,
                timeout: self.address.read_timeout,
            },
            source => ClientError::Request { url, source },
        }
    }

    /// The error of an answer that is none of success.
    fn refused(
        &self,
        response: &Response<Body>,
        url: &str,
        name: &str,
        revision: &str,
    ) -> ClientError {
        let sent = self.address.token_for(url).is_some();
        let code = text(response.headers(), "x-error-code").unwrap_or_default();
        let message = text(response.headers(), "x-error-message");
        let status = response.status();
        let (name, url) = (name.to_owned(), shown(url));
        match (status.as_u16(), code.as_str()) {
            (_, "RevisionNotFound") => ClientError::NoRevision {
                name,
                revision: revision.to_owned(),
            },
            (_, "RepoNotFound") => ClientError::NoRepository { name },
            (401 | 403, "GatedRepo") => ClientError::Gated {
                page: shown(&format!("{}/{name}", self.address.endpoint)),
                name,
                message,
            },
            (403, _) => ClientError::Forbidden { name, url, message },
            (401, _) => ClientError::Unauthorized { url, sent },
            (404, code) if code != "EntryNotFound" => ClientError::NoRepository { name },
            _ => ClientError::Status {
                url,
                status,
                message,
            },
        }
    }
}

/// The content of a file by the headers on the way to it.
#[derive(Default)]
struct Content {
    etag: Option<String>,
    size: Option<u64>,
    /// Whether the hub itself named the content, which wins over its storage.
    linked: bool,
}

impl Content {
    fn update(&mut self, headers: &HeaderMap) {
        if let Some(etag) = text(headers, "x-linked-etag") {
            self.etag = Some(unquoted(&etag));
            self.size = text(headers, "x-linked-size").and_then(|size| size.parse().ok());
            self.linked = true;
        } else if !self.linked
            && let Some(etag) = text(headers, header::ETAG.as_str())
        {
            self.etag = Some(unquoted(&etag));
        }
    }
}

fn unquoted(etag: &str) -> String {
    etag.trim_start_matches("W/").trim_matches('"').to_owned()
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    Some(headers.get(name)?.to_str().ok()?.to_owned())
}

/// The first position and the bytes of the whole file, of an answer that is a part of it.
fn range_of(response: &Response<Body>) -> Option<(u64, Option<u64>)> {
    let range = text(response.headers(), header::CONTENT_RANGE.as_str())?;
    let (positions, whole) = range.strip_prefix("bytes ")?.split_once('/')?;
    let start = positions.split_once('-')?.0.trim().parse().ok()?;
    Some((start, whole.trim().parse().ok()))
}

/// Failures of a server that is busy.
fn is_busy(status: StatusCode) -> bool {
    [408, 429, 500, 502, 503, 504].contains(&status.as_u16())
}

fn is_of_the_network(error: &ureq::Error) -> bool {
    use ureq::Error;
    // Not the time to connect: whoever is behind a wall would wait for each attempt.
    matches!(
        error,
        Error::Io(_) | Error::Timeout(Timeout::PerRead) | Error::ConnectionFailed
    )
}

/// The address that a `Location` names.
fn redirected(from: &str, location: &str) -> Result<String, String> {
    let (scheme, authority) = origin(from).ok_or("from an address without a host")?;
    let to = if location.starts_with("//") {
        format!("{scheme}:{location}")
    } else if location.starts_with('/') {
        format!("{scheme}://{authority}{location}")
    } else {
        location.to_owned()
    };
    match origin(&to) {
        Some((to_scheme, _)) if scheme == "https" && to_scheme != "https" => {
            Err(format!("to `{}`, which is not encrypted", shown(&to)))
        }
        Some(_) => Ok(to),
        None => Err(format!("to `{}`", to.escape_debug())),
    }
}

fn percent_encoded(part: &str) -> String {
    use std::fmt::Write;
    part.bytes().fold(String::new(), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing into a string does not fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
        encoded
    })
}
