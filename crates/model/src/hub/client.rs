//! Requests to the Hugging Face hub.
//!
//! Redirects are followed by hand: the headers on the way name the file's content, and the token
//! must reach only the hub.

use std::io::{self, Read};
use std::time::Duration;

use serde::Deserialize;
use ureq::http::{HeaderMap, Response, StatusCode, Uri, header};
use ureq::tls::{RootCerts, TlsConfig};
use ureq::{Agent, Body, Timeout};

use super::cache;

/// The hub, unless `HF_ENDPOINT` names another.
const HUB: &str = "https://huggingface.co";

/// How long a network that does not answer is waited for before the next place is asked.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a connected server may be silent.
const READ_TIMEOUT: Duration = Duration::from_secs(30);

/// How often a request is sent when the failure may pass, and the pause before the second time; it doubles.
const ATTEMPTS: u32 = 3;
const PAUSE: Duration = Duration::from_millis(300);

/// The hub's redirects to its own storage are one or two.
const MOST_REDIRECTS: usize = 8;

/// A listing of more bytes than this belongs to no model.
const MOST_BYTES_OF_LISTING: u64 = 32 << 20;

/// Where the hub is and how it is asked.
#[derive(Clone, Debug)]
pub(super) struct HubAddress {
    /// Without a slash at the end.
    pub endpoint: String,
    pub token: Option<String>,
    pub read_timeout: Duration,
}

impl HubAddress {
    /// By `HF_ENDPOINT`, `HF_TOKEN` and the token file of Python's `hf auth login`.
    pub(super) fn from_environment() -> Self {
        let endpoint = std::env::var("HF_ENDPOINT")
            .ok()
            .filter(|endpoint| !endpoint.is_empty())
            .unwrap_or_else(|| HUB.to_owned());
        Self {
            endpoint: endpoint.trim_end_matches('/').to_owned(),
            token: token(),
            read_timeout: READ_TIMEOUT,
        }
    }
}

fn token() -> Option<String> {
    let disabled = std::env::var("HF_HUB_DISABLE_IMPLICIT_TOKEN").is_ok_and(|value| {
        ["1", "on", "yes", "true"].contains(&value.to_ascii_lowercase().as_str())
    });
    if disabled {
        return None;
    }
    let not_empty = |token: String| {
        let token = token.trim();
        (!token.is_empty()).then(|| token.to_owned())
    };
    std::env::var("HF_TOKEN")
        .ok()
        .and_then(not_empty)
        .or_else(|| {
            let path = std::env::var_os("HF_TOKEN_PATH")
                .map_or_else(|| cache::home_of_this_user().join("token"), Into::into);
            std::fs::read_to_string(path).ok().and_then(not_empty)
        })
}

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
        "Repository not found: {name} (or it is private: set HF_TOKEN to a token that may read it)"
    )]
    NoRepository { name: String },
    #[error("Revision not found: {revision} in {name}")]
    NoRevision { name: String, revision: String },
    #[error("Authentication required: set HF_TOKEN to a valid token ({url})")]
    Unauthorized { url: String },
    #[error(
        "Forbidden{}: accept the model's terms on its page, or use another token ({url})",
        said(message)
    )]
    Forbidden {
        url: String,
        message: Option<String>,
    },
    #[error("HTTP status {status}{} ({url})", said(message))]
    Status {
        url: String,
        status: StatusCode,
        message: Option<String>,
    },
    #[error("{url}: redirected {reason}")]
    Redirect { url: String, reason: String },
    /// The server answered, and not as the hub does.
    #[error("{url}: the answer {reason}")]
    Answer { url: String, reason: String },
    /// A name that would be a path outside of the cache.
    #[error("the server names {what} `{}`, which cannot be part of a path", name.escape_debug())]
    HostileName { what: &'static str, name: String },
}

fn said(message: &Option<String>) -> String {
    message
        .as_ref()
        .map(|message| format!(": {message}"))
        .unwrap_or_default()
}

/// A revision of a model as the hub lists it.
#[derive(Debug)]
pub(super) struct Listing {
    /// Can be part of a path.
    pub commit: String,
    /// All that the repository holds, by names that are not checked.
    pub files: Vec<ListedFile>,
}

/// A file of a repository.
#[derive(Debug, Deserialize)]
pub(super) struct ListedFile {
    /// From the repository's top, `/` between the folders.
    #[serde(rename = "rfilename")]
    pub name: String,
    /// Bytes, where the server says so.
    #[serde(default)]
    pub size: Option<u64>,
}

impl ListedFile {
    /// Refuses a name that leads out of the snapshot's folder.
    pub(super) fn check(&self) -> Result<(), ClientError> {
        checked("a file", &self.name, |name| {
            name.split('/').all(is_component)
        })
    }
}

/// A file whose content is on its way.
pub(super) struct Download {
    /// Names the content in the cache.
    pub etag: String,
    /// Bytes, where the server says so.
    pub size: Option<u64>,
    pub body: Box<dyn Read + Send>,
}

/// The hub's client.
pub(super) struct Client {
    agent: Agent,
    address: HubAddress,
}

impl Client {
    pub(super) fn new(address: HubAddress) -> Self {
        let agent = Agent::config_builder()
            .user_agent(concat!("mpnet-burn/", env!("CARGO_PKG_VERSION")))
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
        Self { agent, address }
    }

    /// The commit and the files of a revision.
    pub(super) fn list(&self, name: &str, revision: &str) -> Result<Listing, ClientError> {
        #[derive(Deserialize)]
        struct Revision {
            sha: String,
            siblings: Vec<ListedFile>,
        }
        let url = format!(
            "{}/api/models/{name}/revision/{}?blobs=true",
            self.address.endpoint,
            percent_encoded(revision)
        );
        let (response, _) = self.get(&url, name, revision)?;
        let body = response
            .into_body()
            .into_with_config()
            .limit(MOST_BYTES_OF_LISTING)
            .reader();
        let found: Revision =
            serde_json::from_reader(io::BufReader::new(body)).map_err(|error| {
                ClientError::Answer {
                    url,
                    reason: format!("is no list of files: {error}"),
                }
            })?;
        checked("the commit", &found.sha, is_component)?;
        Ok(Listing {
            commit: found.sha,
            files: found.siblings,
        })
    }

    /// Begins to download a file.
    pub(super) fn open(
        &self,
        name: &str,
        commit: &str,
        file: &str,
    ) -> Result<Download, ClientError> {
        let path: Vec<String> = file.split('/').map(percent_encoded).collect();
        let url = format!(
            "{}/{name}/resolve/{}/{}",
            self.address.endpoint,
            percent_encoded(commit),
            path.join("/")
        );
        let (response, content) = self.get(&url, name, commit)?;
        let etag = content.etag.ok_or_else(|| ClientError::Answer {
            url,
            reason: "has no ETag".to_owned(),
        })?;
        checked("the content", &etag, is_component)?;
        let body = response.into_body();
        Ok(Download {
            etag,
            size: content.size.or_else(|| body.content_length()),
            body: Box::new(body.into_reader()),
        })
    }

    /// Follows redirects to an answer of success.
    fn get(
        &self,
        url: &str,
        name: &str,
        revision: &str,
    ) -> Result<(Response<Body>, Content), ClientError> {
        let mut content = Content::default();
        let mut at = url.to_owned();
        for _ in 0..=MOST_REDIRECTS {
            let response = self.send(&at)?;
            content.update(response.headers());
            if !response.status().is_redirection() {
                return match response.status().is_success() {
                    true => Ok((response, content)),
                    false => Err(refused(response, at, name, revision)),
                };
            }
            let location = text(response.headers(), header::LOCATION.as_str()).unwrap_or_default();
            at = redirected(&at, &location)
                .map_err(|reason| ClientError::Redirect { url: at, reason })?;
        }
        Err(ClientError::Redirect {
            url: url.to_owned(),
            reason: format!("more than {MOST_REDIRECTS} times"),
        })
    }

    /// Sends a request, again if the failure may pass.
    fn send(&self, url: &str) -> Result<Response<Body>, ClientError> {
        let mut attempt = 1;
        let mut pause = PAUSE;
        loop {
            let mut request = self.agent.get(url);
            if let Some(token) = &self.address.token
                && origin(url) == origin(&self.address.endpoint)
            {
                request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
            }
            let answer = request.call();
            let may_pass = match &answer {
                Ok(response) => is_busy(response.status()),
                Err(error) => is_of_the_network(error),
            };
            if !may_pass || attempt == ATTEMPTS {
                return answer.map_err(|error| self.failed(url, error));
            }
            std::thread::sleep(pause);
            attempt += 1;
            pause *= 2;
        }
    }

    fn failed(&self, url: &str, source: ureq::Error) -> ClientError {
        let url = url.to_owned();
        match source {
            ureq::Error::Timeout(Timeout::PerRead) => ClientError::Silent {
                url,
                timeout: self.address.read_timeout,
            },
            source => ClientError::Request { url, source },
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

/// Failures of a server that is busy.
fn is_busy(status: StatusCode) -> bool {
    [408, 429, 500, 502, 503, 504].contains(&status.as_u16())
}

fn is_of_the_network(error: &ureq::Error) -> bool {
    use ureq::Error;
    matches!(
        error,
        Error::Io(_) | Error::Timeout(_) | Error::ConnectionFailed
    )
}

/// The error of an answer that is none of success.
fn refused(response: Response<Body>, url: String, name: &str, revision: &str) -> ClientError {
    let code = text(response.headers(), "x-error-code").unwrap_or_default();
    let message = text(response.headers(), "x-error-message");
    let status = response.status();
    let name = name.to_owned();
    match (status.as_u16(), code.as_str()) {
        (_, "RevisionNotFound") => ClientError::NoRevision {
            name,
            revision: revision.to_owned(),
        },
        (_, "RepoNotFound") => ClientError::NoRepository { name },
        (401, "GatedRepo") | (403, _) => ClientError::Forbidden { url, message },
        (401, _) => ClientError::Unauthorized { url },
        (404, code) if code != "EntryNotFound" => ClientError::NoRepository { name },
        _ => ClientError::Status {
            url,
            status,
            message,
        },
    }
}

fn origin(url: &str) -> Option<(String, String)> {
    let uri: Uri = url.parse().ok()?;
    Some((
        uri.scheme_str()?.to_ascii_lowercase(),
        uri.authority()?.as_str().to_ascii_lowercase(),
    ))
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
            Err(format!("to `{to}`, which is not encrypted"))
        }
        Some(_) => Ok(to),
        None => Err(format!("to `{}`", to.escape_debug())),
    }
}

/// Names from a server become parts of paths.
fn checked(
    what: &'static str,
    name: &str,
    allowed: impl Fn(&str) -> bool,
) -> Result<(), ClientError> {
    if allowed(name) {
        Ok(())
    } else {
        Err(ClientError::HostileName {
            what,
            name: name.to_owned(),
        })
    }
}

/// Whether a name is one component of a path, on every system.
fn is_component(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 255
        && name != "."
        && name != ".."
        && !name
            .chars()
            .any(|c| c.is_control() || r#"/\:*?"<>|"#.contains(c))
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
