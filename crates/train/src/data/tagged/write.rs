//! Rows as JSON Lines with spans.

use std::io::{self, Write};

use serde::Serialize;

use super::{LabelledSpan, value};
use crate::data::table::TextTable;

#[derive(Serialize)]
struct Line<'a> {
    text: &'a str,
    spans: Vec<LineSpan<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    repeats: Vec<LineSpan<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    category: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    open: Vec<&'a str>,
}

#[derive(Serialize)]
struct LineSpan<'a> {
    start: usize,
    end: usize,
    label: &'a str,
    /// For readers: offsets alone say little.
    value: String,
}

/// Writes the rows of a table of texts with spans, one object per line, which [`TextTable::read_tagged`] reads.
///
/// # Errors
///
/// When `out` cannot be written.
pub(crate) fn write(out: &mut impl Write, table: &TextTable) -> io::Result<()> {
    let annotations = &table.annotations;
    for (row, annotation) in annotations.rows.iter().enumerate() {
        let text = table.text(row, 0);
        let lines_of = |spans: &[LabelledSpan]| {
            let spans = spans.iter().map(|span| LineSpan {
                start: span.start,
                end: span.end,
                label: &annotations.labels[span.label],
                value: value(text, span.start, span.end),
            });
            spans.collect()
        };
        let line = Line {
            text,
            spans: lines_of(&annotation.spans),
            repeats: lines_of(&annotation.repeats),
            category: annotation.category.as_deref(),
            open: annotations.open_labels(annotation).collect(),
        };
        serde_json::to_writer(&mut *out, &line)?;
        out.write_all(b"\n")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::TaggedOptions;
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("products.csv");
        std::fs::write(
            &path,
            "title,brand,color,kind\nBär „Acme“ red,Acme,red,x\nAcme pot by ACME,Acme,,\n",
        )
        .unwrap();
        let options = TaggedOptions {
            labels: ["brand", "colour=color", "size=kind"]
                .map(|word| word.parse().unwrap())
                .into(),
            category_column: Some("kind".to_owned()),
            ..TaggedOptions::default()
        };
        let table = TextTable::read_tagged(&[path], &options).unwrap();
        let mut lines = Vec::new();
        write(&mut lines, &table).unwrap();
        let written = folder.path().join("rows.jsonl");
        std::fs::write(&written, &lines).unwrap();
        let again = TextTable::read_tagged(&[written], &TaggedOptions::default()).unwrap();
        for (again_row, row) in again.annotations.rows.iter().zip(&table.annotations.rows) {
            assert_eq!(again_row.spans, row.spans);
            assert_eq!(again_row.repeats, row.repeats);
            assert_eq!(again_row.category, row.category);
            let open = |table: &TextTable, row| -> Vec<String> {
                let open = table.annotations.open_labels(row);
                open.map(str::to_owned).collect()
            };
            // No title has its size.
            assert_eq!(open(&again, again_row), open(&table, row));
            assert!(open(&again, again_row).contains(&"size".to_owned()));
        }
        assert_eq!(table.annotations.rows[1].repeats.len(), 1);
        assert_eq!(again.annotations.labels, table.annotations.labels);
        assert_eq!(again.fingerprint(), table.fingerprint());
        let first = String::from_utf8(lines).unwrap();
        let expected = r#"{"text":"Bär „Acme“ red","spans":[{"start":5,"end":9,"label":"brand","value":"Acme"},{"start":11,"end":14,"label":"colour","value":"red"}],"category":"x","open":["size"]}"#;
        assert_eq!(first.lines().next(), Some(expected));
    }
}
