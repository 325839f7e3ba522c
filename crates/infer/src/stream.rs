//! From a reader of rows to vectors, one window at a time: memory does not grow with the file.

use std::ops::ControlFlow;

use model::{Embeddings, Prompt, SentenceEncoder};
use program::{Console, Unit};
use records::{Row, RowReader};

use crate::error::Error;

/// The most rows of a window. The encoder sorts the texts of a window by length, so a large window
/// needs less padding.
const WINDOW_ROWS: usize = 4096;

/// The most bytes of text in a window; the row that passes this limit is the last one.
const WINDOW_BYTES: usize = 8 << 20;

/// How many texts a row gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextsOf {
    /// One text: the fields of the row, joined by a space.
    Row,
    /// One text per field.
    Fields,
}

impl TextsOf {
    fn window(self, window: &[Row]) -> Vec<String> {
        match self {
            Self::Row => window.iter().map(Row::text).collect(),
            Self::Fields => window
                .iter()
                .flat_map(|row| row.fields.iter().cloned())
                .collect(),
        }
    }
}

/// Embeds all rows of a reader with a prompt under a progress bar, passes each window with its vectors to `sink`,
/// notes how many texts were truncated, and returns the number of texts.
///
/// # Errors
///
/// When a row is bad, the model fails or the sink does.
pub fn embed_file(
    reader: &mut RowReader,
    texts_of: TextsOf,
    prompt: &Prompt,
    encoder: &SentenceEncoder,
    console: Console,
    mut sink: impl FnMut(Vec<Row>, &Embeddings) -> Result<(), Error>,
) -> Result<usize, Error> {
    // The number of rows is unknown before the end: the bar follows the bytes.
    let bar = console.progress_bar(reader.total_bytes(), Unit::Bytes);
    let (mut texts, mut truncated) = (0, 0);
    loop {
        let read_before = reader.bytes_read();
        let window = next_window(reader)?;
        if window.is_empty() {
            break;
        }
        let window_bytes = reader.bytes_read() - read_before;
        let vectors =
            encoder.encode_with_progress(&texts_of.window(&window), prompt, |progress| {
                // The reader is one window ahead: the bar shows how much of it is encoded.
                let share = progress.done as f64 / progress.total.max(1) as f64;
                bar.set_position(read_before + (window_bytes as f64 * share) as u64);
                let done = texts + progress.done;
                let rate = done as f64 / bar.elapsed().as_secs_f64().max(1e-3);
                bar.set_message(format!("{done} texts  {rate:.1} texts/s"));
                ControlFlow::Continue(())
            })?;
        texts += vectors.len();
        truncated += vectors.truncated();
        // Printed results must not run into the bar.
        bar.suspend(|| sink(window, &vectors))?;
    }
    bar.finish_and_clear();
    note_truncated(truncated, texts, encoder, console);
    Ok(texts)
}

/// Notes how many texts were longer than the model reads.
pub fn note_truncated(truncated: usize, texts: usize, encoder: &SentenceEncoder, console: Console) {
    if truncated > 0 {
        let limit = encoder.tokenizer().max_length();
        console.note(format_args!(
            "note: {truncated} of {texts} texts truncated to {limit} tokens"
        ));
    }
}

/// Prints what the reader has to say about its files: formats, delimiters, missing texts and skipped
/// rows. Complete after the last row.
pub fn note_skipped(reader: &RowReader, console: Console) {
    for note in reader.notes() {
        console.note(format_args!("note: {note}"));
    }
}

fn next_window(reader: &mut RowReader) -> Result<Vec<Row>, Error> {
    let mut window = Vec::new();
    let mut bytes = 0;
    while window.len() < WINDOW_ROWS && bytes < WINDOW_BYTES {
        let Some(row) = reader.next() else { break };
        let row = row?;
        bytes += row.fields.iter().map(String::len).sum::<usize>();
        window.push(row);
    }
    Ok(window)
}
