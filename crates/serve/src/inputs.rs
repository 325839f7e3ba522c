//! Texts of a request.

use std::fmt;

use serde::de::{IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use utoipa::ToSchema;

use crate::problem::Problem;

/// A text, or several.
#[derive(Debug, ToSchema)]
#[serde(untagged)]
pub(crate) enum Inputs {
    /// A text.
    One(String),
    /// Several texts.
    Many(Vec<String>),
    /// Token ids of a text or of several, which are refused, and not kept.
    #[schema(value_type = Vec<u32>)]
    TokenIds(IgnoredAny),
}

impl Inputs {
    /// The texts.
    ///
    /// # Errors
    ///
    /// For token ids: those of another tokenizer would give vectors that mean nothing.
    pub(crate) fn texts(self, field: &'static str) -> Result<Vec<String>, Problem> {
        match self {
            Self::One(text) => Ok(vec![text]),
            Self::Many(texts) => Ok(texts),
            Self::TokenIds(_) => Err(Problem::field(
                field,
                format!(
                    "`{field}` holds token ids, and this service takes texts: in langchain-openai give \
                     `OpenAIEmbeddings(check_embedding_ctx_length=False)`"
                ),
            )),
        }
    }
}

/// Reads as it goes: serde's own untagged form would first keep everything, at many times the size of a body of ids.
impl<'de> Deserialize<'de> for Inputs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(InputsVisitor)
    }
}

pub(crate) struct InputsVisitor;

impl<'de> Visitor<'de> for InputsVisitor {
    type Value = Inputs;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a text or a list of texts")
    }

    fn visit_str<E>(self, text: &str) -> Result<Inputs, E> {
        Ok(Inputs::One(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Inputs, A::Error> {
        let mut texts = Vec::new();
        while let Some(item) = list.next_element()? {
            match item {
                Item::Text(text) => texts.push(text),
                Item::TokenIds => {
                    while list.next_element::<IgnoredAny>()?.is_some() {}
                    return Ok(Inputs::TokenIds(IgnoredAny));
                }
            }
        }
        Ok(Inputs::Many(texts))
    }
}

/// An item of a list.
enum Item {
    Text(String),
    /// A token id, or a list of them.
    TokenIds,
}

impl<'de> Deserialize<'de> for Item {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ItemVisitor)
    }
}

struct ItemVisitor;

impl<'de> Visitor<'de> for ItemVisitor {
    type Value = Item;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a text")
    }

    fn visit_str<E>(self, text: &str) -> Result<Item, E> {
        Ok(Item::Text(text.to_owned()))
    }

    fn visit_u64<E>(self, _: u64) -> Result<Item, E> {
        Ok(Item::TokenIds)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Item, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Item::TokenIds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(json: &str) -> Result<Vec<String>, String> {
        let inputs: Inputs = serde_json::from_str(json).map_err(|error| error.to_string())?;
        inputs.texts("inputs").map_err(|problem| problem.message)
    }

    #[test]
    fn a_text_and_lists_are_texts() {
        assert_eq!(texts(r#""a""#).unwrap(), ["a"]);
        assert_eq!(texts(r#"["a", "b\n"]"#).unwrap(), ["a", "b\n"]);
        assert!(texts("[]").unwrap().is_empty());
    }

    #[test]
    fn token_ids_are_refused_by_name() {
        for json in ["[1, 2]", "[[1, 2], [3]]", "[[]]", r#"["a", 1]"#] {
            let message = texts(json).unwrap_err();
            assert!(message.contains("token ids"), "{json}: {message}");
        }
    }

    #[test]
    fn other_values_are_no_texts() {
        for (json, expected) in [
            ("null", "a text or a list of texts"),
            ("1", "a text or a list of texts"),
            (r#"{"a": "b"}"#, "a text or a list of texts"),
            ("[null]", "expected a text"),
            ("[-1.5]", "expected a text"),
        ] {
            let message = texts(json).unwrap_err();
            assert!(message.contains(expected), "{json}: {message}");
        }
    }
}
