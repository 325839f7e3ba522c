//! JSON lines: one object a line.

use serde_json::{Map, Value};

use super::lines::Lines;
use super::table::checked_id;
use super::{BadRow, ReaderOptions, Record, RowFailure};

/// The rows of a JSON lines file.
pub(super) struct JsonRows {
    lines: Lines,
    columns: Vec<String>,
    id_column: Option<String>,
}

impl JsonRows {
    pub(super) fn new(lines: Lines, options: &ReaderOptions) -> Self {
        Self { lines, columns: options.columns.clone(), id_column: options.id_column.clone() }
    }

    pub(super) fn next_record(&mut self) -> Option<Result<Record, RowFailure>> {
        loop {
            match self.lines.next_text()? {
                Err(failure) => return Some(Err(failure)),
                Ok(text) if text.trim().is_empty() => {}
                Ok(text) => {
                    let line = self.lines.number();
                    return Some(self.record(line, &text).map_err(|reason| RowFailure::Row { line, reason }));
                }
            }
        }
    }

    fn record(&self, line: u64, text: &str) -> Result<Record, BadRow> {
        let object: Map<String, Value> = match serde_json::from_str(text).map_err(BadRow::Json)? {
            Value::Object(object) => object,
            _ => return Err(BadRow::NotObject),
        };
        let id = match &self.id_column {
            Some(column) => Some(checked_id(column, &text_of(&object, column)?)?),
            None => None,
        };
        let fields = if self.columns.is_empty() {
            vec![self.obvious_text(&object)?]
        } else {
            self.columns.iter().map(|column| text_of(&object, column)).collect::<Result<_, _>>()?
        };
        Ok(Record { line, id, fields })
    }

    /// `text`, or the only key beside the id.
    fn obvious_text(&self, object: &Map<String, Value>) -> Result<String, BadRow> {
        if object.contains_key("text") {
            return text_of(object, "text");
        }
        let mut others = object.keys().filter(|key| Some(*key) != self.id_column.as_ref());
        match (others.next(), others.next()) {
            (Some(only), None) => text_of(object, only),
            _ => Err(BadRow::Undecided(object.keys().map(String::as_str).collect::<Vec<_>>().join(", "))),
        }
    }
}

fn text_of(object: &Map<String, Value>, key: &str) -> Result<String, BadRow> {
    match object.get(key) {
        Some(Value::String(text)) => Ok(text.clone()),
        Some(value @ (Value::Number(_) | Value::Bool(_))) => Ok(value.to_string()),
        Some(_) => Err(BadRow::NotText(key.to_owned())),
        None => Err(BadRow::NoKey(key.to_owned())),
    }
}
