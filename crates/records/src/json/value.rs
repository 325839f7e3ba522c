//! Values of a JSON object, by path, as texts.

use std::fmt;

use serde::Deserializer as _;
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::columns::{Kind, place_in_list};
use crate::error::RowErrorKind;

/// How deep arrays and objects may be nested in a chosen value.
const DEEPEST: usize = 64;

/// Numbers of Python and JavaScript that JSON does not have, and JSON of the same length in their
/// place: an empty array has no text, as a missing value, and nobody writes such a number.
const NOT_A_NUMBER: (&[u8], &[u8]) = (b"NaN", b"[ ]");
const INFINITY: (&[u8], &[u8]) = (b"Infinity", b"1e999999");

/// Replaces the words that Python writes for numbers that are not finite by JSON.
pub(crate) fn replace_numbers(json: &mut [u8]) {
    let has = |word| memchr::memmem::find(json, word).is_some();
    if !has(NOT_A_NUMBER.0) && !has(INFINITY.0) {
        return;
    }
    let (mut in_string, mut escaped) = (false, false);
    for index in 0..json.len() {
        match json.get(index) {
            _ if escaped => escaped = false,
            Some(b'\\') if in_string => escaped = true,
            Some(b'"') => in_string = !in_string,
            _ if in_string => {}
            _ => {
                for (word, number) in [NOT_A_NUMBER, INFINITY] {
                    if let Some(place) = json.get_mut(index..index + word.len())
                        && place == word
                    {
                        place.copy_from_slice(number);
                    }
                }
            }
        }
    }
}

/// Adds the keys of an object, and the types of their values, to those of other objects.
pub(super) fn add_kinds(json: &str, keys: &mut Vec<(String, Kind)>) -> Result<(), RowErrorKind> {
    for (key, value) in keep(json.as_bytes(), |_| true)? {
        let kind = match value.get().as_bytes().first() {
            Some(b'"') => Kind::Text,
            Some(b'n' | b'[' | b'{') => Kind::Other,
            _ => Kind::NumberOrBoolean,
        };
        match keys.iter_mut().find(|(known, _)| *known == key) {
            Some((_, known)) => *known = kind.max(*known),
            None => keys.push((key, kind)),
        }
    }
    Ok(())
}

/// The keys of an object, and whether each has a value: no null.
pub(super) fn keys_of(json: &[u8]) -> Result<Vec<(String, bool)>, RowErrorKind> {
    let is_filled = |value: &str| value != "null" && value.as_bytes() != NOT_A_NUMBER.1;
    let keys = keep(json, |_| true)?.into_iter();
    Ok(keys
        .map(|(key, value)| (key, is_filled(value.get())))
        .collect())
}

/// The path of the first array of objects in an object: on the way to a column, or anywhere.
pub(super) fn array_of_objects(json: &[u8], column: Option<&str>, depth: usize) -> Option<String> {
    // The rest of the path behind a key, if the path goes on.
    let rest_after = |key: &str| {
        let (_, rest) = starts(column?, key)?;
        (!rest.is_empty()).then_some(rest)
    };
    let fields = keep(json, |key| column.is_none() || rest_after(key).is_some()).ok()?;
    fields
        .iter()
        .find_map(|(key, value)| match value.get().as_bytes() {
            [b'[', values @ ..] if values.trim_ascii_start().starts_with(b"{") => Some(key.clone()),
            object @ [b'{', ..] if depth < DEEPEST => {
                let inner = array_of_objects(object, rest_after(key), depth + 1)?;
                Some(format!("{key}.{inner}"))
            }
            _ => None,
        })
}

/// Whether an object has a value for a column, if only null.
pub(super) fn has(json: &str, column: &str) -> bool {
    // A value that cannot be a text is there too.
    texts_at(json.as_bytes(), column, column, 0, &mut Vec::new()).unwrap_or(true)
}

/// The texts of the columns of an object. `None` is a column that it lacks, or a null; `seen` gets the
/// columns that it has.
pub(super) fn values_of(
    json: &[u8],
    columns: &[String],
    seen: &mut [bool],
) -> Result<Vec<Option<String>>, RowErrorKind> {
    let wanted = |key: &str| columns.iter().any(|column| starts(column, key).is_some());
    let fields = keep(json, wanted)?;
    let mut values = Vec::with_capacity(columns.len());
    for (column, seen) in columns.iter().zip(seen) {
        let mut texts = Vec::new();
        *seen |= field_texts(&fields, column, column, 0, &mut texts)?;
        values.push((!texts.is_empty()).then(|| texts.join(" ")));
    }
    Ok(values)
}

/// The rest of a path after a key, empty if the key is all of it; and whether the key is written
/// exactly so. Else it has other spaces around it.
fn starts<'a>(path: &'a str, key: &str) -> Option<(bool, &'a str)> {
    let rest = |path: &'a str, key| {
        let rest = path.strip_prefix(key)?;
        if rest.is_empty() {
            Some(rest)
        } else {
            rest.strip_prefix('.')
        }
    };
    let exact = rest(path, key).map(|rest| (true, rest));
    exact.or_else(|| Some((false, rest(path.trim(), key.trim())?)))
}

/// Adds the texts that an object has at `path`; `false` if it has no such key.
fn texts_at(
    json: &[u8],
    path: &str,
    column: &str,
    depth: usize,
    texts: &mut Vec<String>,
) -> Result<bool, RowErrorKind> {
    let fields = keep(json, |key| starts(path, key).is_some())?;
    field_texts(&fields, path, column, depth, texts)
}

fn field_texts(
    fields: &[(String, &RawValue)],
    path: &str,
    column: &str,
    depth: usize,
    texts: &mut Vec<String>,
) -> Result<bool, RowErrorKind> {
    // A key with a point in it comes before a path. Of equal keys the last one wins, as in Python and
    // JavaScript.
    let found = fields
        .iter()
        .filter_map(|(key, value)| {
            let (exact, rest) = starts(path, key)?;
            Some(((exact, key.len()), rest, value))
        })
        .max_by_key(|(rank, ..)| *rank);
    match found {
        Some((_, rest, value)) => value_texts(value.get(), rest, column, depth, texts),
        None => Ok(false),
    }
}

/// Adds a string, a number or a boolean as the file writes it, or those of an array.
fn value_texts(
    value: &str,
    path: &str,
    column: &str,
    depth: usize,
    texts: &mut Vec<String>,
) -> Result<bool, RowErrorKind> {
    let not_text = |kind| {
        Err(RowErrorKind::NotText {
            column: column.to_owned(),
            kind,
        })
    };
    let json = |source| RowErrorKind::Json { source };
    match value.as_bytes().first() {
        Some(b'[' | b'{') if depth == DEEPEST => not_text("nested too deeply"),
        Some(b'{') if path.is_empty() => {
            not_text("an object (its keys have names such as `product.title`)")
        }
        Some(b'{') => texts_at(value.as_bytes(), path, column, depth + 1, texts),
        Some(b'[') => {
            let values: Vec<&RawValue> = serde_json::from_str(value).map_err(json)?;
            if let Some((place, rest)) = place_in_list(path) {
                let value = values.get(place);
                return value.map_or(Ok(true), |value| {
                    value_texts(value.get(), rest, column, depth + 1, texts)
                });
            }
            let mut found = path.is_empty();
            for value in values {
                found |= value_texts(value.get(), path, column, depth + 1, texts)?;
            }
            Ok(found)
        }
        // A text has no keys.
        _ if !path.is_empty() => Ok(false),
        Some(b'n') => Ok(true),
        Some(b'"') => {
            texts.push(serde_json::from_str(value).map_err(json)?);
            Ok(true)
        }
        _ if value.trim_start_matches('-').as_bytes() == INFINITY.1 => {
            not_text("not a finite number")
        }
        _ => {
            texts.push(value.to_owned());
            Ok(true)
        }
    }
}

/// The wanted keys of an object with their unparsed values. The other values need not be UTF-8.
fn keep(
    json: &[u8],
    wanted: impl Fn(&str) -> bool,
) -> Result<Vec<(String, &RawValue)>, RowErrorKind> {
    let mut parser = serde_json::Deserializer::from_slice(json);
    let values = parser.deserialize_map(Keep(wanted));
    let values = values.and_then(|values| parser.end().map(|()| values));
    values.map_err(|source| RowErrorKind::Json { source })
}

struct Keep<F>(F);

impl<'de, F: Fn(&str) -> bool> Visitor<'de> for Keep<F> {
    type Value = Vec<(String, &'de RawValue)>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut kept = Vec::new();
        while let Some(key) = map.next_key::<String>()? {
            if (self.0)(&key) {
                kept.push((key, map.next_value()?));
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(kept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(json: &str, columns: &[&str]) -> Result<Vec<Option<String>>, RowErrorKind> {
        let columns: Vec<String> = columns.iter().map(|&column| column.to_owned()).collect();
        let mut json = json.as_bytes().to_vec();
        replace_numbers(&mut json);
        values_of(&json, &columns, &mut vec![false; columns.len()])
    }

    fn text(json: &str, column: &str) -> Option<String> {
        values(json, &[column]).unwrap().remove(0)
    }

    #[test]
    fn numbers_and_booleans_are_texts_as_they_are_written() {
        let json = r#"{"a": "x\u00e9\n", "b": 1.50, "c": true, "id": 12345678901234567890123}"#;
        let found = values(json, &["a", "c", "b", "id"]).unwrap();
        let found: Vec<String> = found.into_iter().flatten().collect();
        assert_eq!(found, ["xé\n", "true", "1.50", "12345678901234567890123"]);
    }

    #[test]
    fn a_path_leads_into_objects_and_arrays() {
        let json = r#"{"product": {"title": "kettle", "tags": ["red", null, 3], "by": {"name": "Acme"}},
            "a.b": "dotted", "a": {"b": "nested"}, "variants": [{"size": "S"}, {"size": "M"}, 5]}"#;
        for (path, expected) in [
            ("product.title", Some("kettle")),
            ("product.tags", Some("red 3")),
            ("product.tags.0", Some("red")),
            ("product.tags.2", Some("3")),
            ("variants.1.size", Some("M")),
            ("product.by.name", Some("Acme")),
            ("product.by.city", None),
            ("product.title.x", None),
            ("a.b", Some("dotted")),
            ("variants.size", Some("S M")),
            ("brand", None),
        ] {
            assert_eq!(text(json, path).as_deref(), expected, "{path}");
            assert_eq!(has(json, path), expected.is_some(), "{path}");
        }
        assert!(has(r#"{"a": null}"#, "a") && has(r#"{"a": {}}"#, "a"));
        // A null, and a list that is too short: the column is there without a value.
        for path in ["product.tags.1", "product.tags.3"] {
            assert_eq!(text(json, path), None, "{path}");
            assert!(has(json, path), "{path}");
        }
    }

    #[test]
    fn spaces_around_a_key_do_not_count_unless_two_keys_differ_in_them() {
        let json =
            r#"{" title ": "kettle", "brand": "Acme", "brand ": "Other", "by ": {" name": "x"}}"#;
        for (path, expected) in [
            ("title", Some("kettle")),
            (" title ", Some("kettle")),
            ("brand", Some("Acme")),
            ("brand ", Some("Other")),
            ("by.name", Some("x")),
            ("itle", None),
        ] {
            assert_eq!(text(json, path).as_deref(), expected, "{path}");
            assert_eq!(has(json, path), expected.is_some(), "{path}");
        }
    }

    #[test]
    fn keys_are_told_apart_by_their_values() {
        let mut keys = Vec::new();
        for row in [
            r#"{"a": -1.5, "b": null, "c": null, "d": [1], "e": {"f": 1}}"#,
            r#"{"g": false, "b": "x", "a": null}"#,
        ] {
            add_kinds(row, &mut keys).unwrap();
        }
        let expected = [
            ("a", Kind::NumberOrBoolean),
            ("b", Kind::Text),
            ("c", Kind::Other),
            ("d", Kind::Other),
            ("e", Kind::Other),
            ("g", Kind::NumberOrBoolean),
        ];
        assert_eq!(keys, expected.map(|(key, kind)| (key.to_owned(), kind)));
    }

    #[test]
    fn of_equal_keys_the_last_one_counts() {
        assert_eq!(text(r#"{"a": 1, "a": "z"}"#, "a").as_deref(), Some("z"));
    }

    /// F24: Python writes numbers that JSON does not have.
    #[test]
    fn numbers_that_are_not_finite_spoil_only_a_column_that_is_read() {
        let json = r#"{"id":1,"title":"NaN \"Infinity","price":NaN,"w":-Infinity,"h":[Infinity]}"#;
        assert_eq!(text(json, "title").as_deref(), Some("NaN \"Infinity"));
        assert_eq!(text(json, "price"), None);
        for column in ["w", "h"] {
            let error = values(json, &[column]).unwrap_err().to_string();
            assert!(error.contains("not a finite number"), "{error}");
        }
    }

    #[test]
    fn a_bad_row_is_explained() {
        for (json, expected) in [
            (
                r#"{"a": {"b": 1}}"#,
                "field `a` is an object (its keys have names such as `product.title`) where a text is needed",
            ),
            (
                r#"{"a": "x" "id": 1}"#,
                "not a JSON object: expected `,` or `}` at column 11",
            ),
            (
                r#"["x"]"#,
                "not a JSON object: invalid type: sequence, expected an object",
            ),
            (
                r#"{"a": "x", "id": 1} {}"#,
                "not a JSON object: trailing characters at column 21",
            ),
            (
                r#"{"a": "\ud800", "id": 1}"#,
                "not a JSON object: unexpected end of hex escape at column 8",
            ),
        ] {
            let error = values(json, &["a"]).unwrap_err().to_string();
            assert_eq!(error, expected, "{json}");
        }
        let deep = format!("{{\"a\": {}{}}}", "[".repeat(9000), "]".repeat(9000));
        let error = values(&deep, &["a"]).unwrap_err().to_string();
        assert!(error.contains("nested too deeply"), "{error}");
    }
}
