//! Where the hub is and how it is asked, by the environment variables of Python's huggingface_hub.

use std::net::IpAddr;
use std::time::Duration;

use ureq::http::Uri;

use super::cache;
use super::client_error::{ALLOW_HTTP, ClientError};

/// The hub, unless `HF_ENDPOINT` names another.
const HUB: &str = "https://huggingface.co";

/// How long a connected server may be silent, as in Python.
const READ_TIMEOUT: Duration = Duration::from_secs(10);

/// The pause before a request is sent a second time.
const PAUSE: Duration = Duration::from_millis(300);

/// Where the hub is and how it is asked.
#[derive(Clone, Debug)]
pub(super) struct HubAddress {
    /// Without a slash at the end.
    pub endpoint: String,
    pub token: Option<String>,
    pub allow_http: bool,
    /// How long a connected server may be silent.
    pub read_timeout: Duration,
    /// The pause before a second attempt; it doubles before each further one.
    pub pause: Duration,
}

impl HubAddress {
    /// By `HF_ENDPOINT`, the token's variables and file, `HF_HUB_DOWNLOAD_TIMEOUT` and `MPNET_BURN_ALLOW_HTTP`.
    pub(super) fn from_environment() -> Self {
        let file = std::env::var_os("HF_TOKEN_PATH")
            .map_or_else(|| cache::home_of_this_user().join("token"), Into::into);
        Self::by(
            |name| std::env::var(name).ok(),
            || std::fs::read_to_string(file).ok(),
        )
    }

    fn by(
        variable: impl Fn(&str) -> Option<String>,
        token_file: impl FnOnce() -> Option<String>,
    ) -> Self {
        let endpoint = variable("HF_ENDPOINT")
            .map(|endpoint| endpoint.trim().trim_end_matches('/').to_owned())
            .filter(|endpoint| !endpoint.is_empty())
            .unwrap_or_else(|| HUB.to_owned());
        let is_set = |name| variable(name).is_some_and(|value| is_true(&value));
        let token = if is_set("HF_HUB_DISABLE_IMPLICIT_TOKEN") {
            None
        } else {
            let by_variable = |name| variable(name).as_deref().and_then(cleaned);
            by_variable("HF_TOKEN")
                // Its older name.
                .or_else(|| by_variable("HUGGING_FACE_HUB_TOKEN"))
                .or_else(|| token_file().as_deref().and_then(cleaned))
        };
        let read_timeout = variable("HF_HUB_DOWNLOAD_TIMEOUT")
            .and_then(|seconds| seconds.trim().parse().ok())
            .filter(|seconds| *seconds > 0)
            .map_or(READ_TIMEOUT, Duration::from_secs);
        Self {
            endpoint,
            token,
            allow_http: is_set(ALLOW_HTTP),
            read_timeout,
            pause: PAUSE,
        }
    }

    /// The token for a request to `url`: only the hub itself gets it.
    pub(super) fn token_for(&self, url: &str) -> Option<&str> {
        let token = self.token.as_deref()?;
        (origin(url)? == origin(&self.endpoint)?).then_some(token)
    }

    /// Refuses an address whose answers anyone on the way could read and change.
    pub(super) fn check(&self, url: &str) -> Result<(), ClientError> {
        let address: Option<Uri> = url.parse().ok();
        let of = |address: &Uri| {
            let scheme = address.scheme_str()?.to_ascii_lowercase();
            Some((scheme, address.host()?.to_owned()))
        };
        match address.as_ref().and_then(of) {
            Some((scheme, _)) if scheme == "https" => Ok(()),
            Some((scheme, host)) if scheme == "http" => {
                if self.allow_http || is_this_machine(&host) {
                    Ok(())
                } else {
                    Err(ClientError::NotEncrypted { url: shown(url) })
                }
            }
            _ => Err(ClientError::NoAddress { url: shown(url) }),
        }
    }
}

/// The values that Python's huggingface_hub takes for yes.
pub(super) fn is_true(value: &str) -> bool {
    ["1", "on", "yes", "true"].contains(&value.trim().to_ascii_lowercase().as_str())
}

/// A token as it was meant: files and shells add line breaks.
fn cleaned(token: &str) -> Option<String> {
    let token = token.replace(['\r', '\n'], "").trim().to_owned();
    (!token.is_empty()).then_some(token)
}

fn is_this_machine(host: &str) -> bool {
    let host = host.trim_matches(['[', ']']);
    host.eq_ignore_ascii_case("localhost")
        || host
            .parse()
            .is_ok_and(|address: IpAddr| address.is_loopback())
}

/// Scheme and authority of an address.
pub(super) fn origin(url: &str) -> Option<(String, String)> {
    let uri: Uri = url.parse().ok()?;
    Some((
        uri.scheme_str()?.to_ascii_lowercase(),
        uri.authority()?.as_str().to_ascii_lowercase(),
    ))
}

/// An address for an error, without its secrets: a password before the host, and the query, in which a storage has
/// its signature.
pub(super) fn shown(url: &str) -> String {
    let url = url.split('?').next().unwrap_or(url);
    let start = url.find("://").map_or(0, |end| end + "://".len());
    let (scheme, rest) = url.split_at(start);
    let host = rest.find('/').unwrap_or(rest.len());
    match rest[..host].rfind('@') {
        Some(at) => format!("{scheme}{}", &rest[at + 1..]),
        None => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(variables: &[(&str, &str)], token_file: Option<&str>) -> HubAddress {
        HubAddress::by(
            |name| {
                let found = variables.iter().find(|variable| variable.0 == name);
                found.map(|variable| variable.1.to_owned())
            },
            || token_file.map(str::to_owned),
        )
    }

    #[test]
    fn a_token_comes_from_the_places_of_python_without_line_breaks() {
        let token = |variables: &[(&str, &str)], file| address(variables, file).token;
        let is = |token: &str| Some(token.to_owned());
        assert_eq!(token(&[("HF_TOKEN", "hf_abc\n")], None), is("hf_abc"));
        assert_eq!(token(&[("HF_TOKEN", " hf_\r\nabc ")], None), is("hf_abc"));
        let older = ("HUGGING_FACE_HUB_TOKEN", "hf_old\n");
        assert_eq!(token(&[older], Some("hf_file")), is("hf_old"));
        assert_eq!(token(&[older, ("HF_TOKEN", "hf_abc")], None), is("hf_abc"));
        assert_eq!(token(&[older, ("HF_TOKEN", " \n")], None), is("hf_old"));
        assert_eq!(token(&[], Some("hf_file\n")), is("hf_file"));
        assert_eq!(token(&[], Some("\n")), None);
        let disabled = ("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1");
        assert_eq!(token(&[disabled, older], Some("hf_file")), None);
    }

    #[test]
    fn the_endpoint_and_the_timeout_have_the_defaults_of_python() {
        let plain = address(&[("HF_ENDPOINT", "")], None);
        assert_eq!(plain.endpoint, HUB);
        assert_eq!(plain.read_timeout, Duration::from_secs(10));
        assert!(!plain.allow_http);
        let set = address(
            &[
                ("HF_ENDPOINT", "https://hub.example/hf/ \n"),
                ("HF_HUB_DOWNLOAD_TIMEOUT", "3"),
                (ALLOW_HTTP, "1"),
            ],
            None,
        );
        assert_eq!(set.endpoint, "https://hub.example/hf");
        assert_eq!(set.read_timeout, Duration::from_secs(3));
        assert!(set.allow_http);
        let zero = address(&[("HF_HUB_DOWNLOAD_TIMEOUT", "0")], None);
        assert_eq!(zero.read_timeout, READ_TIMEOUT);
    }

    #[test]
    fn plain_http_reaches_only_this_machine_unless_it_is_allowed() {
        let strict = address(&[], None);
        for url in [
            "https://hub.example/x",
            "http://127.0.0.1:8900",
            "http://127.8.9.1/",
            "http://localhost:80/x",
            "http://[::1]:8900/x",
        ] {
            assert!(strict.check(url).is_ok(), "{url}");
        }
        for url in [
            "http://hub.example/x",
            "HTTP://hub.example",
            "http://10.0.0.1:8900",
            "http://localhost.example/",
            "http://127.0.0.1.example/",
            "http://127.0.0.1@hub.example/",
        ] {
            let message = strict.check(url).unwrap_err().to_string();
            assert!(message.contains("MPNET_BURN_ALLOW_HTTP=1"), "{message}");
            let allowed = address(&[(ALLOW_HTTP, "1")], None);
            assert!(allowed.check(url).is_ok(), "{url}");
        }
        for url in ["hub.example", "ftp://hub.example", "/x", "", "http://"] {
            let message = strict.check(url).unwrap_err().to_string();
            assert!(message.contains("https://"), "{message}");
        }
    }

    #[test]
    fn no_secret_of_an_address_is_shown() {
        for (url, expected) in [
            (
                "https://user:secret@hub.example/x?y=z",
                "https://hub.example/x",
            ),
            ("https://a@b:secret@hub.example", "https://hub.example"),
            ("user:secret@hub.example/x", "hub.example/x"),
            ("https://hub.example/a@b/x", "https://hub.example/a@b/x"),
            ("https://hub.example?secret", "https://hub.example"),
            ("", ""),
        ] {
            assert_eq!(shown(url), expected);
        }
        let strict = address(&[], None);
        for url in [
            "http://user:secret@hub.example/x",
            "ftp://user:secret@hub.example",
        ] {
            let message = strict.check(url).unwrap_err().to_string();
            assert!(
                message.contains("hub.example") && !message.contains("secret"),
                "{message}"
            );
        }
    }

    #[test]
    fn only_the_hub_gets_the_token() {
        let variables = [("HF_ENDPOINT", "https://hub.example"), ("HF_TOKEN", "hf")];
        let address = address(&variables, None);
        assert_eq!(address.token_for("https://hub.example/x?y"), Some("hf"));
        assert_eq!(address.token_for("https://HUB.example/x"), Some("hf"));
        for url in [
            "https://storage.example/x",
            "https://hub.example:8443/x",
            "http://hub.example/x",
            "https://hub.example.evil/x",
            "https://hub.example@evil/x",
        ] {
            assert_eq!(address.token_for(url), None, "{url}");
        }
    }
}
