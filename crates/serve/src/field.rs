//! A field of a document.

use std::fmt;

use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// The value of a field. What is nested is passed over, not kept: it may be large.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Field {
    /// A text, a number or a truth value as text; empty for null.
    Scalar(String),
    /// A list or an object.
    Nested,
}

impl<'de> Deserialize<'de> for Field {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FieldVisitor)
    }
}

struct FieldVisitor;

impl<'de> Visitor<'de> for FieldVisitor {
    type Value = Field;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a text or a number")
    }

    fn visit_unit<E>(self) -> Result<Field, E> {
        Ok(Field::Scalar(String::new()))
    }

    fn visit_str<E>(self, text: &str) -> Result<Field, E> {
        Ok(Field::Scalar(text.to_owned()))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Field, E> {
        Ok(Field::Scalar(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Field, E> {
        Ok(Field::Scalar(value.to_string()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Field, E> {
        Ok(Field::Scalar(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Field, E> {
        // As JSON writes it.
        Ok(Field::Scalar(serde_json::Value::from(value).to_string()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Field, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Field::Nested)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Field, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Field::Nested)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scalars_are_texts() {
        let fields: Vec<Field> =
            serde_json::from_str(r#"["a", null, true, 3, -3, 1.50, 1e30, [[1], "b"], {"c": 1}]"#)
                .unwrap();
        let scalars = ["a", "", "true", "3", "-3", "1.5", "1e+30"];
        let scalars = scalars.map(|text| Field::Scalar(text.to_owned()));
        let expected: Vec<Field> = scalars
            .into_iter()
            .chain([Field::Nested, Field::Nested])
            .collect();
        assert_eq!(fields, expected);
    }
}
