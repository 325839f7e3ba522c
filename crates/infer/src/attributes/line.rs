//! A line of a file of attributes.

use std::collections::BTreeMap;
use std::fmt;

use program::text::quoted;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::error::AttributesErrorKind;

/// The row that a line is about, and its values: none is blank, and no label has two.
#[derive(Debug, PartialEq)]
pub(super) struct Line {
    pub(super) row: RowId,
    /// By label.
    pub(super) values: Vec<(String, String)>,
    /// Whether a label had more than one value.
    pub(super) several: bool,
}

/// How a line names its row.
#[derive(Debug, PartialEq)]
pub(super) enum RowId {
    Id(String),
    /// The number of the row, from 1.
    Number(u64),
    None,
}

impl fmt::Display for RowId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => write!(f, "the id `{}`", quoted(id)),
            Self::Number(row) => write!(f, "row {row}"),
            Self::None => f.write_str("no row"),
        }
    }
}

/// The keys of a line. Others do not count.
#[derive(Deserialize)]
struct Keys {
    #[serde(default)]
    id: Value,
    #[serde(default)]
    row: Option<u64>,
    /// Of which spans are parts.
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    attributes: Option<BTreeMap<String, Value>>,
    #[serde(default)]
    spans: Vec<Span>,
}

/// A part of the text that is a value: characters from `start` up to but not `end`.
#[derive(Deserialize)]
struct Span {
    label: String,
    #[serde(default)]
    start: Option<usize>,
    #[serde(default)]
    end: Option<usize>,
    #[serde(default)]
    value: Option<String>,
    /// The value of a span without `value`.
    #[serde(default)]
    text: Option<String>,
    /// The more probable of two spans counts.
    #[serde(default)]
    score: Option<f64>,
}

impl Line {
    /// Reads a line of JSON. Where it has both `attributes` and `spans`, the attributes count.
    pub(super) fn parse(text: &str) -> Result<Self, AttributesErrorKind> {
        // Of an object: serde also takes a list of the values.
        let object: Map<String, Value> = serde_json::from_str(text)?;
        let keys: Keys = serde_json::from_value(object.into())?;
        let id = scalar(&keys.id).ok_or_else(|| AttributesErrorKind::Value("id".to_owned()))?;
        let row = match (id.trim(), keys.row) {
            ("", None) => RowId::None,
            ("", Some(row)) => RowId::Number(row),
            (id, _) => RowId::Id(id.to_owned()),
        };
        let (values, several) = match keys.attributes {
            Some(attributes) => of_attributes(attributes)?,
            None => of_spans(keys.spans, keys.text.as_deref())?,
        };
        Ok(Self {
            row,
            values,
            several,
        })
    }
}

type Values = (Vec<(String, String)>, bool);

fn of_attributes(attributes: BTreeMap<String, Value>) -> Result<Values, AttributesErrorKind> {
    let mut several = false;
    let mut values = Vec::with_capacity(attributes.len());
    for (label, value) in attributes {
        let list = match value {
            Value::Array(list) => list,
            single => vec![single],
        };
        let mut texts = Vec::with_capacity(list.len());
        for value in &list {
            let text = scalar(value);
            let text = text.ok_or_else(|| AttributesErrorKind::Value(label.clone()))?;
            let text = text.trim();
            if !text.is_empty() {
                texts.push(text.to_owned());
            }
        }
        several |= texts.len() > 1;
        values.extend(texts.into_iter().next().map(|text| (label, text)));
    }
    Ok((values, several))
}

fn of_spans(spans: Vec<Span>, text: Option<&str>) -> Result<Values, AttributesErrorKind> {
    let mut several = false;
    let mut best: Vec<(String, String, f64)> = Vec::with_capacity(spans.len());
    for span in spans {
        let given = span.value.as_ref().or(span.text.as_ref());
        let value = given.cloned().or_else(|| part(text?, &span));
        let value = value.ok_or_else(|| AttributesErrorKind::Span(span.label.clone()))?;
        let value = value.trim();
        if value.is_empty() {
            continue;
        }
        let score = span.score.unwrap_or(0.0);
        match best.iter_mut().find(|(label, ..)| *label == span.label) {
            Some((_, other, best)) => {
                several |= other != value;
                if score > *best {
                    (*other, *best) = (value.to_owned(), score);
                }
            }
            None => best.push((span.label, value.to_owned(), score)),
        }
    }
    let values = best.into_iter().map(|(label, value, _)| (label, value));
    Ok((values.collect(), several))
}

/// The characters of a span.
fn part(text: &str, span: &Span) -> Option<String> {
    let (start, end) = (span.start?, span.end?);
    let part: String = text
        .chars()
        .skip(start)
        .take(end.checked_sub(start)?)
        .collect();
    (part.chars().count() == end - start).then_some(part)
}

/// A text, a number or a boolean as a text; null is an empty one.
fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::Null => Some(String::new()),
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_span_of_a_label_counts() {
        let line = Line::parse(
            r#"{"row": 3, "text": "Sony 索尼 black", "spans": [
                {"start": 0, "end": 4, "label": "brand", "score": 0.5},
                {"start": 5, "end": 7, "label": "brand", "score": 0.75},
                {"label": "size", "value": " "},
                {"start": 8, "end": 13, "label": "colour"}]}"#,
        );
        let line = line.unwrap();
        let values = [("brand", "索尼"), ("colour", "black")];
        assert_eq!(line.row, RowId::Number(3));
        assert_eq!(
            line.values,
            values.map(|(label, value)| (label.to_owned(), value.to_owned()))
        );
        assert!(line.several);
    }
}
