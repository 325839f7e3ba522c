//! Pages that may ask from a browser.

use std::str::FromStr;

use axum::http::uri::{Scheme, Uri};
use axum::http::{HeaderName, HeaderValue, Method, header};
use tower_http::cors::{AllowOrigin, CorsLayer};

/// An origin of pages that may ask a service from a browser, as `https://shop.example`; `*` is any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin(HeaderValue);

/// A text that no browser sends as an origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "it must be * or an origin as browsers send it, such as https://shop.example or http://localhost:3000: \
     without a path, capital letters or the scheme's own port"
)]
pub struct OriginError;

impl FromStr for Origin {
    type Err = OriginError;

    fn from_str(text: &str) -> Result<Self, OriginError> {
        if text == "*" || is_origin(text) {
            return HeaderValue::from_str(text)
                .map(Self)
                .map_err(|_| OriginError);
        }
        Err(OriginError)
    }
}

/// Whether a browser may send it: it compares bytes.
fn is_origin(text: &str) -> bool {
    let Ok(address) = text.parse::<Uri>() else {
        return false;
    };
    let (Some(scheme), Some(authority)) = (address.scheme(), address.authority()) else {
        return false;
    };
    let own_port = match scheme {
        scheme if *scheme == Scheme::HTTP => Some(80),
        scheme if *scheme == Scheme::HTTPS => Some(443),
        _ => None,
    };
    let is_own_port = own_port.is_some() && authority.port_u16() == own_port;
    // Browsers send the scheme and the host alone, and a port unless it is the scheme's own.
    text == format!("{scheme}://{authority}")
        && text == text.to_ascii_lowercase()
        && !text.contains(['@', '*'])
        && !text.ends_with(':')
        && !is_own_port
}

/// What browsers may send from pages of other origins; `None` where no origin may.
pub(crate) fn cors(origins: &[Origin]) -> Option<CorsLayer> {
    if origins.is_empty() {
        return None;
    }
    let origin = if origins.iter().any(|origin| origin.0 == "*") {
        AllowOrigin::any()
    } else {
        AllowOrigin::list(origins.iter().map(|origin| origin.0.clone()))
    };
    let headers = [
        header::AUTHORIZATION,
        header::CONTENT_TYPE,
        HeaderName::from_static("x-priority"),
    ];
    Some(
        CorsLayer::new()
            .allow_origin(origin)
            .allow_methods([Method::GET, Method::POST])
            .allow_headers(headers),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_browser_sends_is_refused() {
        for text in [
            "*",
            "https://shop.example",
            "http://localhost:3000",
            "http://[::1]:8080",
            "http://127.0.0.1",
            "https://shop.example:80",
            "chrome-extension://abc",
        ] {
            let origin: Result<Origin, _> = text.parse();
            assert_eq!(
                origin.map(|origin| origin.0),
                Ok(HeaderValue::from_static(text))
            );
        }
        for text in [
            "",
            "shop.example",
            "https://",
            "https://shop.example/",
            "https://shop.example/path",
            "https://shop.example?a",
            "https://Shop.example",
            "HTTPS://shop.example",
            "https://user@shop.example",
            "https://shop.example:443",
            "http://shop.example:80",
            "https://shop.example:",
            "https://*.example",
            "https://shop.example https://other.example",
            "null",
            "https://shöp.example",
            "a\nb",
        ] {
            assert_eq!(text.parse::<Origin>(), Err(OriginError), "{text:?}");
        }
    }
}
