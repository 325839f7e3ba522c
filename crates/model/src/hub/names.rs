//! Names of models, and names that a server gives.

/// The model that this project is made for.
pub const DEFAULT_MODEL: &str = "sentence-transformers/all-mpnet-base-v2";

/// Owner of the models that are named without one, as in sentence-transformers.
pub(super) const DEFAULT_OWNER: &str = "sentence-transformers";

/// Splits a hub name into owner and model; `None` if the name can only be a path.
pub(super) fn owner_and_model(name: &str) -> Option<(&str, &str)> {
    let (owner, model) = name.split_once('/').unwrap_or((DEFAULT_OWNER, name));
    // The hub's rule for names; `.`, `..` and everything absolute is a path.
    let allowed = |part: &str| {
        part.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '_')
            && part
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
    };
    (allowed(owner) && allowed(model)).then_some((owner, model))
}

/// Whether a name with `/` between its parts stays in the folder that it is joined to.
pub(super) fn stays_inside(name: &str) -> bool {
    name.split('/').all(is_component)
}

/// Whether a name is one component of a path, on every system.
pub(super) fn is_component(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 255
        // Among them `.` and `..`; Windows drops both characters.
        && !name.ends_with(['.', ' '])
        && !name
            .chars()
            .any(|c| c.is_control() || r#"/\:*?"<>|"#.contains(c))
}

/// Whether a text is a number of so many hexadecimal digits: a commit, or a hash.
pub(super) fn is_hexadecimal(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_component_is_one_on_every_system() {
        for name in [
            "config.json",
            "1_Pooling",
            "abc-1",
            "refs",
            ".gitattributes",
        ] {
            assert!(is_component(name), "{name}");
        }
        for name in [
            "", ".", "..", "...", "a.", "a ", "a/b", "a\\b", "C:", "a*", "a?", "a\0b", "a\nb",
        ] {
            assert!(!is_component(name), "{name:?}");
        }
        assert!(!is_component(&"a".repeat(256)));
        assert!(stays_inside("refs/pr/1"));
        for name in ["../x", "a/../b", "/a", "a/", "a//b", "./a"] {
            assert!(!stays_inside(name), "{name}");
        }
    }
}
