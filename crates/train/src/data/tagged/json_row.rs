//! A row of JSON Lines: spans, attributes or tokens.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::conll::spans_of_tags;
use super::fault::TaggedFault;
use super::find::find;
use super::{Known, NamedSpan, ReadRow};

/// What occurred while rows were read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// Values that a text has in more than one place.
    pub(super) ambiguous: usize,
    /// Values that a text does not have.
    pub(super) missing: usize,
    /// Rows that say nothing about any label.
    pub(super) silent: usize,
}

/// A row, in one of the forms. `input` and `target_scores` are the names of ExtractGPT's files.
#[derive(Deserialize)]
struct JsonRow {
    text: Option<String>,
    /// The text of a row without `text`; of a row with it, any value.
    title: Option<Value>,
    /// As `title`, of a row with neither.
    input: Option<Value>,
    spans: Option<Vec<JsonSpan>>,
    /// Parts of which nothing says whether they are spans.
    #[serde(default)]
    repeats: Vec<JsonSpan>,
    attributes: Option<BTreeMap<String, Value>>,
    /// The attributes of a row without `attributes`.
    target_scores: Option<BTreeMap<String, Value>>,
    tokens: Option<Vec<String>>,
    tags: Option<Vec<String>>,
    category: Option<Value>,
    /// Labels of which the text may have further spans.
    #[serde(default)]
    open: Vec<String>,
}

#[derive(Deserialize)]
struct JsonSpan {
    start: usize,
    end: usize,
    label: String,
}

impl From<JsonSpan> for NamedSpan {
    fn from(span: JsonSpan) -> Self {
        (span.start, span.end, span.label)
    }
}

/// What stands for "the text has no such attribute" in published files.
const NONE: &str = "n/a";

/// Reads a line. With `complete`, an attribute that the row does not state is absent, and else it is not known.
pub(super) fn read(
    line: &str,
    complete: bool,
    counts: &mut Counts,
) -> Result<ReadRow, TaggedFault> {
    let row: JsonRow = serde_json::from_str(line)?;
    let category = row.category.and_then(scalar);
    let category = category.map(|category| category.trim().to_owned());
    let category = category.filter(|category| !category.is_empty());
    let mut open = row.open;
    if let (Some(tokens), Some(tags)) = (row.tokens, row.tags) {
        let (text, spans) = spans_of_tags(&tokens, &tags)?;
        return Ok(ReadRow {
            text,
            spans,
            known: all_but(open),
            category,
            ..ReadRow::default()
        });
    }
    let other_text = [row.title, row.input]
        .into_iter()
        .flatten()
        .find_map(scalar);
    let text = row.text.or(other_text).unwrap_or_default();
    if let Some(spans) = row.spans {
        return Ok(ReadRow {
            text,
            spans: spans.into_iter().map(NamedSpan::from).collect(),
            repeats: row.repeats.into_iter().map(NamedSpan::from).collect(),
            known: all_but(open),
            category,
            ..ReadRow::default()
        });
    }
    let attributes = row
        .attributes
        .or(row.target_scores)
        .ok_or(TaggedFault::NoSpans)?;
    let characters: Vec<char> = text.chars().collect();
    let (mut spans, mut repeats, mut stated) = (Vec::new(), Vec::new(), Vec::new());
    for (label, given) in attributes {
        let Some(values) = values(given) else {
            open.push(label);
            continue;
        };
        let mut all_found = true;
        for value in values {
            match find(&characters, &value, true) {
                Some(found) => {
                    counts.ambiguous += usize::from(!found.others.is_empty());
                    let named = |(start, end)| (start, end, label.clone());
                    spans.push(named(found.place));
                    repeats.extend(found.others.into_iter().map(named));
                }
                None => {
                    counts.missing += 1;
                    all_found = false;
                }
            }
        }
        // The text may have the value in other words.
        if all_found && !open.contains(&label) {
            stated.push(label)
        } else {
            open.push(label)
        }
    }
    Ok(ReadRow {
        text,
        spans,
        repeats,
        named_open: open.clone(),
        known: if complete {
            all_but(open)
        } else {
            Known::Only(stated)
        },
        category,
    })
}

fn all_but(mut open: Vec<String>) -> Known {
    open.sort_unstable();
    open.dedup();
    if open.is_empty() {
        Known::All
    } else {
        Known::AllBut(open)
    }
}

/// A text, a number or a truth value as a text.
fn scalar(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// The values of an attribute: a text, a number, a list of them, or an object whose keys they are; none for an empty list or
/// object, or where `n/a` is the only one. `None` for null and a blank text, which say nothing.
fn values(given: Value) -> Option<Vec<String>> {
    let texts = match given {
        Value::Null => return None,
        Value::String(text) if text.trim().is_empty() => return None,
        Value::String(text) => vec![text],
        Value::Array(values) => values
            .into_iter()
            .filter_map(self::values)
            .flatten()
            .collect(),
        Value::Object(scores) => scores.into_iter().map(|(value, _)| value).collect(),
        other => vec![other.to_string()],
    };
    let is_value =
        |text: &String| !text.trim().is_empty() && !text.trim().eq_ignore_ascii_case(NONE);
    Some(texts.into_iter().filter(is_value).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(line: &str, complete: bool) -> (ReadRow, Counts) {
        let mut counts = Counts::default();
        (read(line, complete, &mut counts).unwrap(), counts)
    }

    fn strings(words: &[&str]) -> Vec<String> {
        words.iter().map(|&word| word.to_owned()).collect()
    }

    #[test]
    fn every_form_gives_spans() {
        let spans = r#"{"text": "Bär red", "spans": [{"start": 4, "end": 7, "label": "colour"}], "category": " a ", "id": 7}"#;
        let (with_spans, _) = row(spans, false);
        assert_eq!(with_spans.spans, [(4, 7, "colour".to_owned())]);
        assert_eq!(
            (with_spans.known, with_spans.category.as_deref()),
            (Known::All, Some("a"))
        );
        let open = r#"{"text": "red", "spans": [], "open": ["brand"]}"#;
        assert_eq!(row(open, false).0.known, Known::AllBut(strings(&["brand"])));
        let tokens = r#"{"tokens": ["Bär", "dark", "red"], "tags": ["O", "B-colour", "I-colour"]}"#;
        let (of_tokens, _) = row(tokens, false);
        assert_eq!(
            (of_tokens.text.as_str(), of_tokens.spans),
            ("Bär dark red", vec![(4, 12, "colour".to_owned())])
        );
        let repeated = r#"{"text": "red red", "spans": [], "repeats": [{"start": 0, "end": 3, "label": "colour"}]}"#;
        assert_eq!(
            row(repeated, false).0.repeats,
            [(0, 3, "colour".to_owned())]
        );
    }

    #[test]
    fn every_form_can_list_open_labels() {
        let brand = strings(&["brand"]);
        let tokens = r#"{"tokens": ["red"], "tags": ["O"], "open": ["brand"]}"#;
        assert_eq!(row(tokens, false).0.known, Known::AllBut(brand.clone()));
        let attributes = r#"{"text": "Acme red", "attributes": {"brand": "Acme", "colour": "red"}, "open": ["brand"]}"#;
        assert_eq!(row(attributes, true).0.known, Known::AllBut(brand));
        let (found, _) = row(attributes, false);
        assert_eq!(found.known, Known::Only(strings(&["colour"])));
        assert_eq!(found.spans.len(), 2);
    }

    #[test]
    fn attributes_are_found_in_the_text_and_the_others_are_open() {
        let line = r#"{"text": "Acme red, red, 2 l", "attributes": {"colour": ["red"], "size": {"2 l": 1}, "brand": "Nord", "scent": null, "shape": "n/a"}}"#;
        let (found, counts) = row(line, false);
        let mut spans = found.spans.clone();
        spans.sort();
        assert_eq!(
            spans,
            [(5, 8, "colour".to_owned()), (15, 18, "size".to_owned())]
        );
        assert_eq!(found.repeats, [(10, 13, "colour".to_owned())]);
        assert_eq!(
            found.known,
            Known::Only(strings(&["colour", "shape", "size"]))
        );
        assert_eq!((counts.ambiguous, counts.missing), (1, 1));
        assert_eq!(
            row(line, true).0.known,
            Known::AllBut(strings(&["brand", "scent"]))
        );
        assert_eq!(
            row(r#"{"input": "a", "target_scores": {}}"#, true).0.known,
            Known::All
        );
        // A blank value is that of a blank cell: it says nothing. An empty list says that there is none.
        let blank = r#"{"text": "red", "attributes": {"colour": "", "size": " ", "shape": []}}"#;
        let (blank, _) = row(blank, false);
        assert_eq!(blank.known, Known::Only(strings(&["shape"])));
        assert_eq!(blank.named_open, strings(&["colour", "size"]));
    }

    #[test]
    fn keys_with_one_meaning_can_stand_together() {
        let both = r#"{"text": "red", "title": 7, "input": ["a"], "attributes": {"colour": "red"}, "target_scores": {"size": {"2 l": 1}}, "category": 7}"#;
        let (both, _) = row(both, false);
        assert_eq!(both.spans, [(0, 3, "colour".to_owned())]);
        assert_eq!(
            (both.text.as_str(), both.category.as_deref()),
            ("red", Some("7"))
        );
        let title = r#"{"title": "red", "input": "blue", "spans": []}"#;
        assert_eq!(row(title, false).0.text, "red");
    }

    #[test]
    fn other_json_is_refused() {
        for line in [
            "{\"text\": \"a\"}",
            "[]",
            "{\"text\": 1, \"spans\": []}",
            "{\"text\": \"a\", \"spans\": [{\"start\": -1, \"end\": 2, \"label\": \"a\"}]}",
        ] {
            assert!(read(line, false, &mut Counts::default()).is_err(), "{line}");
        }
    }
}
