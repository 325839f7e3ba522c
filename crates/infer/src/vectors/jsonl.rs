//! JSON Lines: one vector per line, with its text.

use std::io::{self, Write};

use half::f16;
use records::Row;
use serde::{Deserialize, Serialize};

use super::{FileForm, OutputType};

#[derive(Serialize)]
struct Line<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    text: String,
    embedding: Numbers<'a>,
}

/// Numbers have as few digits as restore every bit.
#[derive(Serialize)]
#[serde(untagged)]
enum Numbers<'a> {
    Float(&'a [f32]),
    Half(Vec<f32>),
    Signed(Vec<i8>),
    Unsigned(Vec<u8>),
}

/// The fields of a line that are read.
#[derive(Deserialize)]
pub(super) struct ReadLine {
    pub(super) id: Option<RowId>,
    pub(super) text: Option<String>,
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

/// Writes one line per row.
///
/// # Errors
///
/// When `out` cannot be written.
pub fn write(
    out: &mut (impl Write + ?Sized),
    form: &FileForm,
    rows: &[Row],
    values: &[f32],
) -> io::Result<()> {
    for (row, vector) in rows.iter().zip(values.chunks_exact(form.width.max(1))) {
        let line = Line {
            id: row.id.as_deref().filter(|_| form.with_ids),
            text: row.text(),
            embedding: numbers(form, vector),
        };
        serde_json::to_writer(&mut *out, &line).map_err(io::Error::from)?;
        out.write_all(b"\n")?;
    }
    Ok(())
}

fn numbers<'a>(form: &FileForm, vector: &'a [f32]) -> Numbers<'a> {
    let bytes = || {
        let mut bytes = Vec::new();
        form.append(vector, &mut bytes);
        bytes
    };
    match form.output_type {
        OutputType::F32 => Numbers::Float(vector),
        OutputType::F16 => Numbers::Half(
            vector
                .iter()
                .map(|value| f16::from_f32(*value).to_f32())
                .collect(),
        ),
        OutputType::I8 | OutputType::Binary => {
            Numbers::Signed(bytes().into_iter().map(u8::cast_signed).collect())
        }
        OutputType::U8 | OutputType::Ubinary => Numbers::Unsigned(bytes()),
    }
}
