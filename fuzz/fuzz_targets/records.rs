//! Any bytes as a file of texts: records or errors.
#![no_main]

use std::io::Cursor;

use libfuzzer_sys::fuzz_target;
use records::{Format, ReaderOptions, RowReader, Source};

/// Not Parquet: its decoder panics on some lengths, which `records` catches and a fuzzer does not.
const FORMATS: [Format; 4] = [Format::Text, Format::Csv, Format::Tsv, Format::Jsonl];

fuzz_target!(|bytes: &[u8]| {
    let Some((&choice, content)) = bytes.split_first() else { return };
    let choice = usize::from(choice);
    let options = ReaderOptions {
        format: Some(FORMATS[choice % 4]),
        columns: if choice & 4 == 0 { Vec::new() } else { vec!["text".to_owned()] },
        id_column: (choice & 8 != 0).then(|| "id".to_owned()),
        skip_bad_rows: choice & 16 != 0,
    };
    let content = Cursor::new(content.to_vec());
    if let Ok(reader) = RowReader::from_reader(&Source::Stdin, content, &options) {
        reader.for_each(drop);
    }
});
