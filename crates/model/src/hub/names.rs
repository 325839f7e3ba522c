//! Names of models on the hub.

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
