//! From a reader of records to vectors, a window at a time: memory does not grow with the file.

use std::ops::ControlFlow;

use model::{Embeddings, SentenceEncoder};
use records::{ReadError, Row, RowReader};

use crate::failure::Failure;
use crate::terminal::{BarKind, Notes};

/// The most records that are held at once. Within a window texts are sorted by length, so a large
/// one pads less.
const WINDOW_RECORDS: usize = 4096;

/// The most bytes of text that are held at once, beside the record that passes it.
const WINDOW_BYTES: usize = 8 << 20;

/// How a record becomes texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextsOf {
    /// One text: its fields, joined by a space.
    Record,
    /// As many texts as it has fields.
    Fields,
}

impl TextsOf {
    fn window(self, window: &[Row]) -> Vec<String> {
        match self {
            Self::Record => window.iter().map(Row::text).collect(),
            Self::Fields => window
                .iter()
                .flat_map(|record| record.fields.iter().cloned())
                .collect(),
        }
    }
}

/// Embeds all records of a reader under a progress bar, hands each window with its vectors to
/// `sink`, says how many texts were cut, and returns the number of texts.
///
/// # Errors
///
/// When a record is bad, the model fails or the sink does.
pub fn embed_file(
    reader: &mut RowReader,
    texts_of: TextsOf,
    encoder: &SentenceEncoder,
    notes: Notes,
    mut sink: impl FnMut(Vec<Row>, &Embeddings) -> Result<(), Failure>,
) -> Result<usize, Failure> {
    // The number of records is not known before the end: the bar follows the bytes.
    let bar = notes.bar(reader.total_bytes(), BarKind::Bytes);
    let (mut texts, mut truncated) = (0, 0);
    loop {
        let read_before = reader.bytes_read();
        let window = next_window(reader)?;
        if window.is_empty() {
            break;
        }
        let window_bytes = reader.bytes_read() - read_before;
        let vectors = encoder.encode_with_progress(&texts_of.window(&window), |progress| {
            // The reader is ahead by the window: what counts is how much of it has been encoded.
            let share = progress.done as f64 / progress.total.max(1) as f64;
            bar.set_position(read_before + (window_bytes as f64 * share) as u64);
            let done = texts + progress.done;
            let rate = done as f64 / bar.elapsed().as_secs_f64().max(1e-3);
            bar.set_message(format!("{done} texts  {rate:.1}/s"));
            ControlFlow::Continue(())
        })?;
        texts += vectors.len();
        truncated += vectors.truncated();
        // What is printed does not run into the bar.
        bar.suspend(|| sink(window, &vectors))?;
    }
    bar.finish_and_clear();
    note_truncated(truncated, texts, encoder, notes);
    Ok(texts)
}

/// Says how many texts were longer than the model reads.
pub fn note_truncated(truncated: usize, texts: usize, encoder: &SentenceEncoder, notes: Notes) {
    if truncated > 0 {
        let limit = encoder.tokenizer().max_length();
        notes.note(format_args!(
            "note: {truncated} of {texts} texts have more than {limit} tokens; the rest was cut"
        ));
    }
}

/// Says how many rows were skipped.
pub fn note_skipped(reader: &RowReader, notes: Notes) {
    if reader.skipped() > 0 {
        let first = reader
            .first_skipped()
            .map(|error| format!("; the first: {error}"))
            .unwrap_or_default();
        let rows = if reader.skipped() == 1 { "row" } else { "rows" };
        notes.note(format_args!(
            "note: skipped {} bad {rows}{first}",
            reader.skipped()
        ));
    }
}

fn next_window(reader: &mut RowReader) -> Result<Vec<Row>, Failure> {
    let mut window = Vec::new();
    let mut bytes = 0;
    while window.len() < WINDOW_RECORDS && bytes < WINDOW_BYTES {
        let Some(record) = reader.next() else { break };
        let record: Row = record.map_err(|error: ReadError| Failure::from(error))?;
        bytes += record.fields.iter().map(String::len).sum::<usize>();
        window.push(record);
    }
    Ok(window)
}
