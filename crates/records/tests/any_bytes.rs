//! Readers of texts on bytes that nobody meant for them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may"
)]

use std::io::{Cursor, Write};

use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;
use records::{Format, ReadError, ReaderOptions, Row, RowReader, Source};

fn read(format: Format, bytes: Vec<u8>, options: ReaderOptions) -> Result<Vec<Row>, ReadError> {
    let options = ReaderOptions {
        format: Some(format),
        ..options
    };
    RowReader::from_reader(&Source::Stdin, Cursor::new(bytes), &options)?.collect()
}

/// Those that are read from front to back; for the other one, see the tests of Parquet.
fn formats() -> impl Strategy<Value = Format> {
    prop::sample::select(vec![
        Format::Text,
        Format::Csv,
        Format::Tsv,
        Format::Jsonl,
        Format::Json,
    ])
}

/// Bytes that look like a table or JSON often enough to come past the first checks.
fn almost_a_file() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(b"text".to_vec()),
        Just(b"id".to_vec()),
        Just(b"{\"text\":".to_vec()),
        Just(b"}".to_vec()),
        Just(b"\"".to_vec()),
        Just(b",".to_vec()),
        Just(b"\t".to_vec()),
        Just(b"\n".to_vec()),
        Just(b"\r\n".to_vec()),
        Just(b"\xef\xbb\xbf".to_vec()),
        Just(b"\xff".to_vec()),
        Just(b"null".to_vec()),
        Just(b"[".to_vec()),
        Just(b"]".to_vec()),
        Just(b"{".to_vec()),
        Just(b"NaN".to_vec()),
        Just("é".as_bytes().to_vec()),
        prop::collection::vec(any::<u8>(), 0..4),
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

fn fields() -> impl Strategy<Value = Vec<(String, String)>> {
    prop::collection::vec(("[a-zé]{1,5}", any::<String>()), 0..12)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn no_panic_and_no_endless_file_on_any_bytes(
        format in formats(),
        bytes in almost_a_file(),
        column in any::<bool>(),
        id in any::<bool>(),
        gzip in any::<bool>(),
        skip_bad_rows in any::<bool>(),
    ) {
        let bytes = if gzip {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
            encoder.write_all(&bytes).unwrap();
            let mut bytes = encoder.finish().unwrap();
            bytes.truncate(bytes.len().saturating_sub(usize::from(column) * 9));
            bytes
        } else {
            bytes
        };
        let options = ReaderOptions {
            format: Some(format),
            columns: if column { vec!["text".to_owned()] } else { Vec::new() },
            id_column: id.then(|| "id".to_owned()),
            skip_bad_rows,
            ..ReaderOptions::default()
        };
        let limit = 2 * bytes.len() + 2;
        if let Ok(reader) = RowReader::from_reader(&Source::Stdin, Cursor::new(bytes), &options) {
            // A row needs at least its line break, or a byte of its own.
            prop_assert!(reader.take(limit + 1).count() <= limit);
        }
    }

    #[test]
    fn what_a_csv_writer_writes_is_read_back(rows in fields()) {
        let quote = |field: &str| format!("\"{}\"", field.replace('"', "\"\""));
        let mut file = "id,text\n".to_owned();
        for (id, text) in &rows {
            file.push_str(&format!("{id},{}\r\n", quote(text)));
        }
        let options = ReaderOptions { id_column: Some("id".to_owned()), ..ReaderOptions::default() };
        let records = read(Format::Csv, file.into_bytes(), options).unwrap();
        let found: Vec<_> = records.into_iter().map(|record| (record.id.clone().unwrap(), record.text())).collect();
        prop_assert_eq!(found, rows);
    }

    /// As Python's `csv` and pandas do it: only fields that need quotes have them.
    #[test]
    fn what_a_spreadsheet_writes_is_read_back(
        rows in prop::collection::vec(("[a-z]{1,5}", "[a-z\"\n,;|]{1,8}"), 1..12),
        delimiter in prop::sample::select(vec![',', ';', '|', '\t']),
        tsv in any::<bool>(),
        line_break in prop::sample::select(vec!["\n", "\r\n"]),
    ) {
        let tsv = tsv && delimiter == '\t';
        let field = |text: &str| {
            if text.contains(['"', '\n', delimiter]) {
                format!("\"{}\"", text.replace('"', "\"\""))
            } else {
                text.to_owned()
            }
        };
        let mut file = format!("id{delimiter}text{line_break}");
        for (id, text) in &rows {
            file.push_str(&format!("{id}{delimiter}{}{line_break}", field(text)));
        }
        let format = if tsv { Format::Tsv } else { Format::Csv };
        let options = ReaderOptions { id_column: Some("id".to_owned()), ..ReaderOptions::default() };
        let records = read(format, file.into_bytes(), options).unwrap();
        let found: Vec<_> = records.into_iter().map(|record| (record.id.clone().unwrap(), record.text())).collect();
        prop_assert_eq!(found, rows);
    }

    #[test]
    fn what_a_json_writer_writes_is_read_back(rows in fields()) {
        let lines: Vec<String> =
            rows.iter().map(|(id, text)| serde_json::json!({ "id": id, "text": text }).to_string()).collect();
        let options = ReaderOptions { id_column: Some("id".to_owned()), ..ReaderOptions::default() };
        let records = read(Format::Jsonl, lines.join("\n").into_bytes(), options).unwrap();
        let found: Vec<_> = records.into_iter().map(|record| (record.id.clone().unwrap(), record.text())).collect();
        prop_assert_eq!(found, rows);
    }

    #[test]
    fn lines_are_read_back(lines in prop::collection::vec("[^\r\n\0]{0,20}", 0..12)) {
        let file: String = lines.iter().map(|line| format!("{line}\n")).collect();
        // A byte order mark at the very start is no part of the first text.
        prop_assume!(!file.starts_with('\u{feff}'));
        let records = read(Format::Text, file.into_bytes(), ReaderOptions::default()).unwrap();
        let found: Vec<String> = records.iter().map(Row::text).collect();
        prop_assert_eq!(found, lines);
    }
}
