//! A row and its spans as a line of the output.

use model::Span;
use records::{JsonObject, Row};
use serde::{Serialize, Serializer};

use crate::cli::AttributesForm;

/// Between the values of one label in a cell.
const BETWEEN_VALUES: &str = "; ";

/// Before the name of an added column where the row has one of that name.
const TAKEN: &str = "extracted_";

/// How rows become lines.
pub(super) struct Lines {
    form: AttributesForm,
    columns: Vec<String>,
    /// The labels, and the columns that are added for them.
    added: Vec<(String, String)>,
}

#[derive(Serialize)]
struct SpansLine<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    text: &'a str,
    spans: Vec<LineSpan<'a>>,
}

#[derive(Serialize)]
struct LineSpan<'a> {
    start: usize,
    end: usize,
    label: &'a str,
    value: &'a str,
    score: f32,
}

/// Keys of an object in their order, and their values.
struct Keys<'a>(Vec<(&'a str, Option<String>)>);

impl Serialize for Keys<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

impl Lines {
    /// Lines of rows with these columns, and of spans with these labels.
    pub(super) fn new(form: AttributesForm, columns: &[String], labels: &[String]) -> Self {
        let added = labels.iter().map(|label| {
            let mut name = label.clone();
            while columns.contains(&name) {
                name.insert_str(0, TAKEN);
            }
            (label.clone(), name)
        });
        Self {
            form,
            columns: columns.to_vec(),
            added: added.collect(),
        }
    }

    /// The first line, in a form that has one.
    pub(super) fn header(&self) -> Option<String> {
        let added = self.added.iter().map(|(_, name)| name.as_str());
        let names = self.columns.iter().map(String::as_str).chain(added);
        match self.form {
            AttributesForm::Csv => Some(delimited(names, ',')),
            AttributesForm::Tsv => Some(delimited(names, '\t')),
            AttributesForm::Spans | AttributesForm::RowsJsonl => None,
        }
    }

    /// The line of a row, without its end.
    pub(super) fn of_row(
        &self,
        row: &Row,
        text: &str,
        spans: &[Span],
    ) -> serde_json::Result<String> {
        match self.form {
            AttributesForm::Spans => {
                let spans = spans.iter().map(|span| LineSpan {
                    start: span.start,
                    end: span.end,
                    label: &span.label,
                    value: span.text_in(text),
                    score: span.score,
                });
                let id = row.id.as_deref();
                let spans = spans.collect();
                serde_json::to_string(&SpansLine { id, text, spans })
            }
            AttributesForm::Csv => Ok(self.delimited_row(row, text, spans, ',')),
            AttributesForm::Tsv => Ok(self.delimited_row(row, text, spans, '\t')),
            AttributesForm::RowsJsonl => {
                if let Some(object) = &row.object {
                    return self.with_keys(object, text, spans);
                }
                let fields = self.columns.iter().zip(&row.fields);
                let fields = fields.map(|(name, field)| (name.as_str(), Some(field.clone())));
                let added = self.added.iter().map(|(label, name)| {
                    let value = values(label, text, spans);
                    (name.as_str(), Some(value).filter(|value| !value.is_empty()))
                });
                serde_json::to_string(&Keys(fields.chain(added).collect()))
            }
        }
    }

    /// An object as its file has it, with the values of the labels behind its own.
    fn with_keys(
        &self,
        object: &JsonObject,
        text: &str,
        spans: &[Span],
    ) -> serde_json::Result<String> {
        let free = |(label, name): &(String, String)| {
            let mut name = name.clone();
            while object.has(&name) {
                name.insert_str(0, TAKEN);
            }
            (name, values(label, text, spans))
        };
        let added: Vec<(String, String)> = self.added.iter().map(free).collect();
        let keys = added.iter().map(|(name, value)| {
            let value = Some(value.clone()).filter(|value| !value.is_empty());
            (name.as_str(), value)
        });
        let keys = serde_json::to_string(&Keys(keys.collect()))?;
        // Two objects become one.
        let own = object.text();
        let own = own.strip_suffix('}').unwrap_or(own).trim_end();
        let keys = keys.strip_prefix('{').unwrap_or(&keys);
        let comma = if object.is_empty() || added.is_empty() {
            ""
        } else {
            ","
        };
        Ok(format!("{own}{comma}{keys}"))
    }

    /// The keys of a row of JSON that a table has no column for.
    pub(super) fn left_out<'a>(&'a self, row: &'a Row) -> impl Iterator<Item = &'a str> {
        let is_table = matches!(self.form, AttributesForm::Csv | AttributesForm::Tsv);
        let object = row.object.as_ref().filter(|_| is_table);
        let keys = object.into_iter().flat_map(JsonObject::filled_keys);
        keys.filter(move |key| !self.columns.iter().any(|column| column == key))
    }

    /// The form.
    pub(super) fn form(&self) -> AttributesForm {
        self.form
    }

    fn delimited_row(&self, row: &Row, text: &str, spans: &[Span], delimiter: char) -> String {
        let added = self
            .added
            .iter()
            .map(|(label, _)| values(label, text, spans));
        delimited(row.fields.iter().cloned().chain(added), delimiter)
    }
}

/// The values of a label in a text, each once.
fn values(label: &str, text: &str, spans: &[Span]) -> String {
    let mut values: Vec<&str> = Vec::new();
    for span in spans.iter().filter(|span| span.label == label) {
        let value = span.text_in(text);
        if !values.contains(&value) {
            values.push(value);
        }
    }
    values.join(BETWEEN_VALUES)
}

/// Fields with a delimiter between them, quoted as RFC 4180 says where they need it.
fn delimited<S: AsRef<str>>(fields: impl Iterator<Item = S>, delimiter: char) -> String {
    let mut line = String::new();
    for (place, field) in fields.enumerate() {
        if place > 0 {
            line.push(delimiter);
        }
        let field = field.as_ref();
        if field.contains([delimiter, '"', '\n', '\r']) {
            line.push('"');
            line.push_str(&field.replace('"', "\"\""));
            line.push('"');
        } else {
            line.push_str(field);
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use records::{Format, ReaderOptions, RowReader, Source};

    use super::*;

    fn row() -> Row {
        Row {
            id: Some("7".to_owned()),
            fields: ["Bär \"red\", red", "x"].map(str::to_owned).to_vec(),
            ..Row::default()
        }
    }

    fn line(form: AttributesForm) -> (Option<String>, String) {
        let columns = ["title", "brand"].map(str::to_owned);
        let labels = ["brand", "colour"].map(str::to_owned);
        let lines = Lines::new(form, &columns, &labels);
        let spans = [
            Span::new(5, 8, "colour", 0.5),
            Span::new(11, 14, "colour", 0.75),
        ];
        let row = row();
        (
            lines.header(),
            lines.of_row(&row, &row.fields[0], &spans).unwrap(),
        )
    }

    #[test]
    fn rows_keep_their_columns() {
        let (header, csv) = line(AttributesForm::Csv);
        assert_eq!(
            header.as_deref(),
            Some("title,brand,extracted_brand,colour")
        );
        assert_eq!(csv, "\"Bär \"\"red\"\", red\",x,,red");
        let (header, tsv) = line(AttributesForm::Tsv);
        assert_eq!(
            header.as_deref(),
            Some("title\tbrand\textracted_brand\tcolour")
        );
        assert_eq!(tsv, "\"Bär \"\"red\"\", red\"\tx\t\tred");
        let (header, jsonl) = line(AttributesForm::RowsJsonl);
        assert_eq!(header, None);
        assert_eq!(
            jsonl,
            r#"{"title":"Bär \"red\", red","brand":"x","extracted_brand":null,"colour":"red"}"#
        );
    }

    #[test]
    fn rows_of_json_keep_what_they_have() {
        let json = concat!(
            r#"{"title": "Bär red", "price": 1.50, "brand": null, "of": {"a": [1]}}"#,
            "\n{}\n"
        );
        let options = ReaderOptions {
            keep_objects: true,
            format: Some(Format::Jsonl),
            ..ReaderOptions::default()
        };
        let reader = RowReader::from_reader(&Source::Stdin, json.as_bytes(), &options).unwrap();
        let rows: Vec<Row> = reader.map(Result::unwrap).collect();
        let columns = ["title".to_owned()];
        let labels = ["brand", "colour"].map(str::to_owned);
        let spans = [Span::new(4, 7, "colour", 0.5)];
        let jsonl = Lines::new(AttributesForm::RowsJsonl, &columns, &labels);
        assert_eq!(
            jsonl.of_row(&rows[0], "Bär red", &spans).unwrap(),
            r#"{"title": "Bär red", "price": 1.50, "brand": null, "of": {"a": [1]},"extracted_brand":null,"colour":"red"}"#
        );
        assert_eq!(
            jsonl.of_row(&rows[1], "", &[]).unwrap(),
            r#"{"brand":null,"colour":null}"#
        );
        assert_eq!(jsonl.left_out(&rows[0]).count(), 0);
        let csv = Lines::new(AttributesForm::Csv, &columns, &labels);
        let left_out: Vec<&str> = csv.left_out(&rows[0]).collect();
        assert_eq!(left_out, ["price", "of"]);
    }

    #[test]
    fn spans_have_their_values() {
        let (header, spans) = line(AttributesForm::Spans);
        assert_eq!(header, None);
        let expected = r#"{"id":"7","text":"Bär \"red\", red","spans":[{"start":5,"end":8,"label":"colour","value":"red","score":0.5},{"start":11,"end":14,"label":"colour","value":"red","score":0.75}]}"#;
        assert_eq!(spans, expected);
    }
}
