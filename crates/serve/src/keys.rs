//! Keys of clients.

use std::sync::{PoisonError, RwLock};

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use subtle::ConstantTimeEq;

/// The keys that a service accepts.
pub(crate) struct Keys {
    keys: RwLock<Vec<String>>,
    /// Whether a request needs one, which stays as the service began.
    needed: bool,
}

impl Keys {
    pub(crate) fn new(keys: Vec<String>) -> Self {
        Self {
            needed: !keys.is_empty(),
            keys: RwLock::new(keys),
        }
    }

    /// Other keys from now on.
    pub(crate) fn replace(&self, keys: Vec<String>) {
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = keys;
    }

    pub(crate) fn are_needed(&self) -> bool {
        self.needed
    }

    /// Whether a request has a key that is known, or needs none. How long it takes tells only the lengths of keys.
    pub(crate) fn allow(&self, headers: &HeaderMap) -> bool {
        if !self.needed {
            return true;
        }
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
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
            let Some(colon) = decoded.iter().position(|byte| *byte == b':') else {
                return false;
            };
            decoded[colon + 1..].to_vec()
        } else {
            return false;
        };
        let keys = keys.iter().filter(|key| !key.is_empty());
        let equal = keys.fold(subtle::Choice::from(0), |found, key| {
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

    #[test]
    fn no_key_and_an_empty_one_open_nothing() {
        let keys = Keys::new(vec![String::new()]);
        assert!(!keys.allow(&HeaderMap::new()));
        // "" and ":" of a browser.
        for given in ["Bearer ", "Basic ", "Basic Og=="] {
            assert!(!allowed(&keys, given), "{given}");
        }
        keys.replace(Vec::new());
        assert!(!keys.allow(&HeaderMap::new()));
    }
}
