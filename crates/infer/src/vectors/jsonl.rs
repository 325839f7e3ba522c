//! JSON Lines: one vector per line, with its text.

use std::io::{self, Write};

use records::Row;
use serde::{Deserialize, Serialize};

#[derive(Serialize)]
struct Line<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    text: String,
    embedding: &'a [f32],
}

/// The fields of a line that are read.
#[derive(Deserialize)]
pub(super) struct ReadLine {
    pub(super) id: Option<RowId>,
    pub(super) embedding: Vec<f32>,
}

/// An id: a string, or a number of another tool, which keeps its spelling.
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

/// Writes one line. Numbers have as few digits as restore every bit.
pub(super) fn write_row(
    out: &mut (impl Write + ?Sized),
    row: &Row,
    vector: &[f32],
    with_ids: bool,
) -> io::Result<()> {
    let id = row.id.as_deref().filter(|_| with_ids);
    let line = Line {
        id,
        text: row.text(),
        embedding: vector,
    };
    serde_json::to_writer(&mut *out, &line).map_err(io::Error::from)?;
    out.write_all(b"\n")
}
