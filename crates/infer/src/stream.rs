//! From a reader of rows to vectors, one window at a time: memory does not grow with the file.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use model::parts::Progress;
use model::{Device, Embeddings, Prompt, SentenceEncoder, SentenceTokenizer};
use program::{Console, Unit};
use records::{ReadError, Row, RowReader};

use crate::error::Error;

/// The most rows of a window. The encoder sorts the texts of a window by length, so a large window
/// needs less padding.
const WINDOW_ROWS: usize = 4096;

/// The most bytes of text in a window; the row that passes this limit is the last one.
const WINDOW_BYTES: usize = 8 << 20;

/// How long a window may take: a kill loses the window that is being embedded.
const WINDOW_TIME: Duration = Duration::from_secs(8);

/// The work of the first window, which measures the speed; a slow core takes some seconds for it.
const FIRST_WORK: f64 = 16e3;

/// A window has at most this many times the work of the one before: the speed may have been an
/// outlier.
const GROWTH: f64 = 4.0;

/// The work of a text beside that of its bytes.
const WORK_OF_TEXT: usize = 64;

/// Longer texts are truncated: no token has more bytes on average.
const BYTES_PER_TOKEN: usize = 6;

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
/// When a row is bad, the model fails or the sink does. The rows before a bad one reach the sink.
pub fn embed_file(
    reader: &mut RowReader,
    texts_of: TextsOf,
    prompt: &Prompt,
    encoder: &SentenceEncoder,
    console: Console,
    sink: impl FnMut(Vec<Row>, &Embeddings) -> Result<(), Error>,
) -> Result<usize, Error> {
    let texts = |window: Vec<Row>| {
        let texts = texts_of.window(&window);
        Ok((window, texts))
    };
    embed_windows(reader, prompt, encoder, console, texts, sink)
}

/// As [`embed_file`], of rows that need not all be embedded: `prepare` says what becomes of a window,
/// and which texts of it need vectors.
///
/// # Errors
///
/// As [`embed_file`], or when `prepare` fails.
pub fn embed_windows<W>(
    reader: &mut RowReader,
    prompt: &Prompt,
    encoder: &SentenceEncoder,
    console: Console,
    prepare: impl FnMut(Vec<Row>) -> Result<(W, Vec<String>), Error>,
    sink: impl FnMut(W, &Embeddings) -> Result<(), Error>,
) -> Result<usize, Error> {
    let tokenizer = encoder.route(prompt)?.tokenizer();
    let compute = |_: &W, texts: &[String], progress: ProgressOf<'_>| {
        let vectors = encoder.encode_with_progress(texts, prompt, progress)?;
        let truncated = vectors.truncated();
        Ok((vectors, truncated))
    };
    compute_windows(
        reader,
        (encoder.device(), tokenizer),
        console,
        prepare,
        compute,
        sink,
    )
}

/// Is told how many texts of a window are computed.
pub type ProgressOf<'a> = &'a mut dyn FnMut(Progress) -> ControlFlow<()>;

/// Computes something for the texts of all rows, one window at a time, under a progress bar. `prepare` says what becomes of a
/// window and which texts of it are computed; `compute` returns its result and how many texts were truncated; `sink` takes
/// both. Returns the number of texts.
///
/// # Errors
///
/// When a row is bad, or a function fails. The rows before a bad one reach the sink.
pub fn compute_windows<W, V>(
    reader: &mut RowReader,
    (device, tokenizer): (Device, &SentenceTokenizer),
    console: Console,
    mut prepare: impl FnMut(Vec<Row>) -> Result<(W, Vec<String>), Error>,
    mut compute: impl FnMut(&W, &[String], ProgressOf<'_>) -> Result<(V, usize), Error>,
    mut sink: impl FnMut(W, &V) -> Result<(), Error>,
) -> Result<usize, Error> {
    // The number of rows is unknown before the end: the bar follows the bytes.
    let bar = console.progress_bar(reader.total_bytes(), Unit::Bytes);
    let (mut texts, mut truncated) = (0, 0);
    let mut limit = WorkLimit::of(device, tokenizer);
    loop {
        let read_before = reader.bytes_read();
        // The rows before a damaged place are good, and a later run need not compute them again.
        let (window, failed) = next_window(reader, &limit);
        if window.is_empty() {
            match failed {
                Some(error) => return Err(error.into()),
                None => break,
            }
        }
        let window_bytes = reader.bytes_read() - read_before;
        let rows = window.len();
        let work = window.iter().map(|row| limit.work(row)).sum();
        let (window, wanted) = prepare(window)?;
        let start = Instant::now();
        let (values, cut) = compute(&window, &wanted, &mut |progress| {
            // The reader is one window ahead: the bar shows how much of it is computed.
            let share = progress.done as f64 / progress.total.max(1) as f64;
            bar.set_position(read_before + (window_bytes as f64 * share) as u64);
            let done = texts + progress.done;
            let rate = done as f64 / bar.elapsed().as_secs_f64().max(1e-3);
            bar.set_message(format!("{done} texts  {rate:.1} texts/s"));
            ControlFlow::Continue(())
        })?;
        // Rows that were passed over say nothing about the speed.
        if wanted.len() >= rows {
            limit.adapt(work, start.elapsed());
        }
        texts += wanted.len();
        truncated += cut;
        // Printed results must not run into the bar.
        bar.suspend(|| sink(window, &values))?;
        if let Some(error) = failed {
            return Err(error.into());
        }
    }
    bar.finish_and_clear();
    note_truncated(truncated, texts, "texts", tokenizer, console);
    Ok(texts)
}

/// Notes how many texts or pairs were longer than the model reads.
pub fn note_truncated(
    truncated: usize,
    of: usize,
    what: &str,
    tokenizer: &SentenceTokenizer,
    console: Console,
) {
    if truncated > 0 {
        let limit = tokenizer.max_length();
        console.note(format_args!(
            "note: {truncated} of {of} {what} truncated to {limit} tokens"
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

/// The rows of the next window, and the error that ended it.
fn next_window(reader: &mut RowReader, limit: &WorkLimit) -> (Vec<Row>, Option<ReadError>) {
    let mut window = Vec::new();
    let (mut bytes, mut work) = (0, 0.0);
    while window.len() < WINDOW_ROWS && bytes < WINDOW_BYTES && work < limit.work {
        let row = match reader.next() {
            Some(Ok(row)) => row,
            Some(Err(error)) => return (window, Some(error)),
            None => break,
        };
        bytes += bytes_of(&row);
        work += limit.work(&row);
        window.push(row);
    }
    (window, None)
}

fn bytes_of(row: &Row) -> usize {
    row.fields.iter().map(String::len).sum()
}

/// Keeps the time of a window below [`WINDOW_TIME`].
///
/// Only on `cpu`, where a vector has the same bits in any window. Elsewhere windows are cut by their
/// size alone, so that a run gives the same bits again.
struct WorkLimit {
    /// The most work of a window, in bytes of text.
    work: f64,
    adapts: bool,
    most_bytes: usize,
}

impl WorkLimit {
    fn of(device: Device, tokenizer: &SentenceTokenizer) -> Self {
        let adapts = device == Device::Cpu;
        Self {
            work: if adapts { FIRST_WORK } else { f64::INFINITY },
            adapts,
            most_bytes: tokenizer.max_length().saturating_mul(BYTES_PER_TOKEN),
        }
    }

    /// The work of a row, as far as its bytes tell.
    fn work(&self, row: &Row) -> f64 {
        (bytes_of(row).min(self.most_bytes) + WORK_OF_TEXT) as f64
    }

    fn adapt(&mut self, work: f64, time: Duration) {
        if self.adapts {
            let possible = work / time.as_secs_f64().max(1e-3) * WINDOW_TIME.as_secs_f64();
            self.work = possible.min(work * GROWTH).max(WORK_OF_TEXT as f64);
        }
    }
}

#[cfg(test)]
mod tests {
    use records::{Format, ReaderOptions, Source};

    use super::*;

    #[test]
    fn the_rows_before_a_read_error_are_a_window() {
        let limit = WorkLimit {
            work: FIRST_WORK,
            adapts: false,
            most_bytes: 1000,
        };
        let options = ReaderOptions {
            format: Some(Format::Csv),
            columns: vec!["title".to_owned()],
            ..ReaderOptions::default()
        };
        let content = &b"id,title\n1,kettle\n2,mug\n3\n4,jug\n"[..];
        let mut reader = RowReader::from_reader(&Source::Stdin, content, &options).unwrap();
        let (window, failed) = next_window(&mut reader, &limit);
        let texts: Vec<String> = window.iter().map(Row::text).collect();
        assert_eq!(texts, ["kettle", "mug"]);
        assert_eq!(
            failed.unwrap().to_string(),
            "standard input, line 4: 1 column where the header has 2"
        );
        let (window, failed) = next_window(&mut reader, &limit);
        assert_eq!((window.len(), failed.is_none()), (1, true));
    }

    #[test]
    fn windows_grow_to_the_time_that_they_may_take() {
        // 1,000 bytes of text per second, then ten times as fast, then slow again.
        let mut limit = WorkLimit {
            work: FIRST_WORK,
            adapts: true,
            most_bytes: 1000,
        };
        let mut window = |speed: f64| {
            let time = limit.work / speed;
            limit.adapt(limit.work, Duration::from_secs_f64(time));
            limit.work
        };
        assert_eq!(window(1000.0).round(), 8000.0);
        assert_eq!(window(10_000.0).round(), 32_000.0);
        assert_eq!(window(10_000.0).round(), 80_000.0);
        assert_eq!(window(10_000.0).round(), 80_000.0);
        assert_eq!(window(1000.0).round(), 8000.0);
        let row = |bytes: usize| Row {
            fields: vec!["x".repeat(bytes)],
            ..Row::default()
        };
        // A text that is truncated is no more work than the longest that is not.
        assert_eq!(limit.work(&row(1000)), limit.work(&row(100_000)));
        assert!(limit.work(&row(0)) > 0.0);
    }
}
