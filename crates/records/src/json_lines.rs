//! JSON Lines: one object per line. Only the selected keys are kept.

use std::fmt;

use serde::Deserializer as _;
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::Row;
use crate::columns::{Choice, Kind, checked_id};
use crate::error::{ReadError, RowErrorKind};
use crate::input::Input;

pub(crate) struct JsonLinesRows {
    columns: Vec<String>,
    id: Option<String>,
    line: Vec<u8>,
    /// Number of the line in `line` if that was read but not yet returned.
    held: Option<u64>,
}

impl JsonLinesRows {
    pub(crate) fn new(id: Option<&str>) -> Self {
        Self {
            columns: Vec::new(),
            id: id.map(str::to_owned),
            line: Vec::new(),
            held: None,
        }
    }

    /// Determines the columns: the named ones, else from the first row, which [`Self::next`] still
    /// returns.
    pub(crate) fn settle(&mut self, input: &mut Input, choice: &Choice) -> Result<(), ReadError> {
        if let Choice::Named(names) = choice {
            self.columns.clone_from(names);
            return Ok(());
        }
        let Some(number) = self.read_row(input)? else {
            return Ok(());
        };
        let keys = parse(&self.line).and_then(kinds);
        let keys = keys.map_err(|problem| input.row_error(number, problem))?;
        self.columns = choice
            .among_typed(&keys, self.id.as_deref())
            .map_err(|problem| input.column_error(problem))?;
        self.held = Some(number);
        Ok(())
    }

    pub(crate) fn columns(&self) -> Vec<String> {
        self.columns.clone()
    }

    pub(crate) fn next(&mut self, input: &mut Input) -> Result<Option<Row>, ReadError> {
        let number = match self.held.take() {
            Some(number) => number,
            None => match self.read_row(input)? {
                Some(number) => number,
                None => return Ok(None),
            },
        };
        self.record(number)
            .map(Some)
            .map_err(|problem| input.row_error(number, problem))
    }

    /// Reads the next line that is not blank.
    fn read_row(&mut self, input: &mut Input) -> Result<Option<u64>, ReadError> {
        while let Some(number) = input.read_line(&mut self.line)? {
            if !self.line.trim_ascii().is_empty() {
                return Ok(Some(number));
            }
        }
        Ok(None)
    }

    fn record(&self, line: u64) -> Result<Row, RowErrorKind> {
        let row = parse(&self.line)?;
        let wanted = |key: &str| {
            self.id.as_deref() == Some(key) || self.columns.iter().any(|column| column == key)
        };
        let values = keep(row, wanted)?;
        let value = |column: &str| {
            // The last of equal keys wins, as in Python and JavaScript.
            let found = values
                .iter()
                .rev()
                .find(|(key, _)| key == column)
                .map(|(_, value)| *value);
            found
                .ok_or_else(|| missing(row, column))
                .and_then(|value| text_of(column, value))
        };
        let id = match self.id.as_deref() {
            // A null id has its own error.
            Some(column) => match value(column) {
                Err(RowErrorKind::NotText {
                    kind: "null",
                    column,
                }) => return Err(RowErrorKind::EmptyId { column }),
                id => Some(checked_id(column, id?)?),
            },
            None => None,
        };
        let fields = self
            .columns
            .iter()
            .map(|column| value(column))
            .collect::<Result<_, _>>()?;
        Ok(Row { line, id, fields })
    }
}

fn parse(line: &[u8]) -> Result<&str, RowErrorKind> {
    str::from_utf8(line).map_err(|_| RowErrorKind::NotUtf8)
}

/// The wanted keys of an object with their unparsed values.
fn keep(
    row: &str,
    wanted: impl Fn(&str) -> bool,
) -> Result<Vec<(String, &RawValue)>, RowErrorKind> {
    let mut parser = serde_json::Deserializer::from_str(row);
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

/// The keys of a row and the types of their values.
fn kinds(row: &str) -> Result<Vec<(String, Kind)>, RowErrorKind> {
    let values = keep(row, |_| true)?;
    let kind = |value: &RawValue| match value.get().as_bytes().first() {
        Some(b'"') => Kind::Text,
        Some(b'n' | b'[' | b'{') => Kind::Other,
        _ => Kind::NumberOrBoolean,
    };
    Ok(values
        .into_iter()
        .map(|(key, value)| (key, kind(value)))
        .collect())
}

fn missing(row: &str, column: &str) -> RowErrorKind {
    match keep(row, |_| true) {
        Ok(values) => {
            let present = values.into_iter().map(|(key, _)| key).collect();
            RowErrorKind::MissingField {
                column: column.to_owned(),
                present,
            }
        }
        Err(problem) => problem,
    }
}

/// A string, or a number or boolean as the file writes it.
fn text_of(column: &str, value: &RawValue) -> Result<String, RowErrorKind> {
    let not_text = |kind| {
        Err(RowErrorKind::NotText {
            column: column.to_owned(),
            kind,
        })
    };
    let json = value.get();
    match json.as_bytes().first() {
        Some(b'"') => serde_json::from_str(json).map_err(|source| RowErrorKind::Json { source }),
        Some(b'n') => not_text("null"),
        Some(b'[') => not_text("an array"),
        Some(b'{') => not_text("an object"),
        _ => Ok(json.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(line: &str, columns: &[&str], id: Option<&str>) -> Result<Row, RowErrorKind> {
        let mut rows = JsonLinesRows::new(id);
        rows.columns = columns.iter().map(|&column| column.to_owned()).collect();
        rows.line = line.as_bytes().to_vec();
        rows.record(1)
    }

    #[test]
    fn numbers_and_booleans_are_texts_as_they_are_written() {
        let line = r#"{"a": "x\u00e9\n", "b": 1.50, "c": true, "id": 12345678901234567890123, "d": [1, {"a": 2}]}"#;
        let record = record(line, &["a", "c", "b"], Some("id")).unwrap();
        assert_eq!(record.fields, ["xé\n", "true", "1.50"]);
        assert_eq!(record.id.as_deref(), Some("12345678901234567890123"));
    }

    #[test]
    fn keys_are_told_apart_by_their_values() {
        let row = r#"{"a": -1.5, "b": "x", "c": null, "d": [1], "e": {"f": 1}, "g": false}"#;
        let found = kinds(row).unwrap();
        let expected = [
            ("a", Kind::NumberOrBoolean),
            ("b", Kind::Text),
            ("c", Kind::Other),
            ("d", Kind::Other),
            ("e", Kind::Other),
            ("g", Kind::NumberOrBoolean),
        ];
        assert_eq!(found, expected.map(|(key, kind)| (key.to_owned(), kind)));
    }

    #[test]
    fn of_equal_keys_the_last_one_counts() {
        assert_eq!(
            record(r#"{"a": 1, "a": "z"}"#, &["a"], None)
                .unwrap()
                .fields,
            ["z"]
        );
    }

    #[test]
    fn a_bad_row_is_explained() {
        for (line, expected) in [
            (r#"{"b": "x", "id": 1}"#, "no field `a`; there are: b, id"),
            (
                r#"{"a": null, "id": 1}"#,
                "field `a` is null where a text is needed",
            ),
            (
                r#"{"a": ["x"], "id": 1}"#,
                "field `a` is an array where a text is needed",
            ),
            (
                r#"{"a": {"b": 1}, "id": 1}"#,
                "field `a` is an object where a text is needed",
            ),
            (r#"{"a": "x", "id": ""}"#, "no id: field `id` is empty"),
            (r#"{"a": "x", "id": null}"#, "no id: field `id` is empty"),
            (
                r#"{"a": "x", "id": "1\n"}"#,
                "the id in field `id` has a line break",
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
            assert_eq!(
                record(line, &["a"], Some("id")).unwrap_err().to_string(),
                expected,
                "{line}"
            );
        }
    }
}
