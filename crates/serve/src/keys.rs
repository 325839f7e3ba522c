//! Keys of clients.

use std::sync::{PoisonError, RwLock};

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use subtle::ConstantTimeEq;

/// The keys that a service accepts.
pub(crate) struct Keys(RwLock<Vec<String>>);

impl Keys {
    pub(crate) fn new(keys: Vec<String>) -> Self {
        Self(RwLock::new(keys))
    }

    /// Other keys from now on.
    pub(crate) fn replace(&self, keys: Vec<String>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = keys;
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .is_empty()
    }

    /// Whether a request has a key that is known, or needs none. How long it takes tells only the lengths of keys.
    pub(crate) fn allow(&self, headers: &HeaderMap) -> bool {
        let keys = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if keys.is_empty() {
            return true;
        }
        let given = headers
            .get(AUTHORIZATION)
            .and_then(|value| value.to_str().ok());
        let Some((scheme, given)) = given.and_then(|given| given.split_once(' ')) else {
            return false;
        };
        let given = given.trim();
        let given = if scheme.eq_ignore_ascii_case("bearer") {
            given.as_bytes().to_vec()
        } else if scheme.eq_ignore_ascii_case("basic") {
            // What a browser asks its user for: any name, and the key as the password.
            let Ok(decoded) = BASE64_STANDARD.decode(given) else {
                return false;
            };
            let colon = decoded.iter().position(|byte| *byte == b':');
            colon.map_or_else(Vec::new, |colon| decoded[colon + 1..].to_vec())
        } else {
            return false;
        };
        let equal = keys.iter().fold(subtle::Choice::from(0), |found, key| {
            found | key.as_bytes().ct_eq(&given)
        });
        bool::from(equal)
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn allowed(keys: &Keys, header: &str) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, HeaderValue::from_str(header).unwrap());
        keys.allow(&headers)
    }

    #[test]
    fn a_request_needs_one_of_the_keys() {
        let keys = Keys::new(vec!["first".to_owned(), "second".to_owned()]);
        for right in ["Bearer first", "Bearer second", "bearer  first"] {
            assert!(allowed(&keys, right), "{right}");
        }
        for wrong in [
            "Bearer",
            "first",
            "Bearer third",
            "Bearer firs",
            "Bearer firstt",
            "Basic first",
            "Bearer ",
        ] {
            assert!(!allowed(&keys, wrong), "{wrong}");
        }
        assert!(!keys.allow(&HeaderMap::new()));
        keys.replace(vec!["third".to_owned()]);
        assert!(allowed(&keys, "Bearer third") && !allowed(&keys, "Bearer first"));
    }

    #[test]
    fn without_keys_none_is_needed() {
        assert!(Keys::new(Vec::new()).allow(&HeaderMap::new()));
    }
}
