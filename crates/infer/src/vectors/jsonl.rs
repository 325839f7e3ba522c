//! A vector a line, with its text.

use std::io::{self, Write};

use records::Row;
use serde::{Deserialize, Serialize};

#[derive(Serialize)]
struct Row<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    text: String,
    embedding: &'a [f32],
}

/// What of a line is read again.
#[derive(Deserialize)]
pub(super) struct ReadRow {
    pub(super) id: Option<RowId>,
    pub(super) embedding: Vec<f32>,
}

/// An id as other tools write it too; a number is kept as it is written.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum RowId {
    Text(String),
    Number(serde_json::Number),
}

impl From<RowId> for String {
    fn from(id: RowId) -> Self {
        match id {
            RowId::Text(text) => text,
            RowId::Number(number) => number.to_string(),
        }
    }
}

/// Writes one line; numbers are as short as reads them back exactly.
pub(super) fn write_row(
    out: &mut (impl Write + ?Sized),
    record: &Row,
    vector: &[f32],
    with_ids: bool,
) -> io::Result<()> {
    let id = record.id.as_deref().filter(|_| with_ids);
    let row = Row {
        id,
        text: record.text(),
        embedding: vector,
    };
    serde_json::to_writer(&mut *out, &row).map_err(io::Error::from)?;
    out.write_all(b"\n")
}
