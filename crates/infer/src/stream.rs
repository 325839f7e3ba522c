//! From a reader of records to vectors, a window at a time: memory does not grow with the file.

use std::ops::ControlFlow;

use model::{Embeddings, SentenceEncoder};

use crate::failure::Failure;
use crate::records::{Record, RecordError, RecordReader};

/// The most records that are held at once. Within a window texts are sorted by length, so a large
/// one pads less.
const WINDOW_RECORDS: usize = 4096;

/// The most bytes of text that are held at once, beside the record that passes it.
const WINDOW_BYTES: usize = 8 << 20;

/// What went through a [`encode_records`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Records that became vectors.
    pub records: usize,
    /// Records whose text was longer than the model reads.
    pub truncated: usize,
}

/// Encodes every record of `reader` and hands each window, with its vectors, to `sink`; `step`
/// hears how far it has come after every batch.
///
/// # Errors
///
/// When a record is bad, the model fails or the sink does.
pub fn encode_records(
    reader: &mut RecordReader,
    encoder: &SentenceEncoder,
    mut step: impl FnMut(&RecordReader, usize),
    mut sink: impl FnMut(Vec<Record>, &Embeddings) -> Result<(), Failure>,
) -> Result<Summary, Failure> {
    let mut summary = Summary::default();
    loop {
        let window = next_window(reader)?;
        if window.is_empty() {
            return Ok(summary);
        }
        let texts: Vec<String> = window.iter().map(Record::text).collect();
        let vectors = encoder.encode_with_progress(&texts, |progress| {
            step(reader, summary.records + progress.done);
            ControlFlow::Continue(())
        })?;
        summary.records += window.len();
        summary.truncated += vectors.truncated();
        sink(window, &vectors)?;
    }
}

fn next_window(reader: &mut RecordReader) -> Result<Vec<Record>, Failure> {
    let mut window = Vec::new();
    let mut bytes = 0;
    while window.len() < WINDOW_RECORDS && bytes < WINDOW_BYTES {
        let Some(record) = reader.next() else { break };
        let record: Record = record.map_err(|error: RecordError| Failure::from(error))?;
        bytes += record.fields.iter().map(String::len).sum::<usize>();
        window.push(record);
    }
    Ok(window)
}
