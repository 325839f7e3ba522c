//! What is written is read back.

use parquet::basic::Compression;
use proptest::prelude::*;
use records::{Format, ReaderOptions, Row, RowReader};

use crate::writer::{Values, options, write};

const COMPRESSIONS: [fn() -> Compression; 7] = [
    || Compression::UNCOMPRESSED,
    || Compression::SNAPPY,
    || Compression::GZIP(Default::default()),
    || Compression::ZSTD(Default::default()),
    || Compression::BROTLI(Default::default()),
    || Compression::LZ4,
    || Compression::LZ4_RAW,
];

fn record(line: u64, id: &str, fields: &[&str]) -> Row {
    Row {
        file: 0,
        number: line,
        line,
        id: Some(id.to_owned()),
        fields: fields.iter().map(|&field| field.to_owned()).collect(),
        object: None,
    }
}

#[test]
fn row_groups_of_every_compression_follow_one_another() {
    for compression in COMPRESSIONS {
        let written = write(
            "required int64 sku; optional binary title (UTF8); required binary brand (STRING);",
            compression(),
            &[
                vec![
                    Values::Int64(vec![Some(7), Some(-8)]),
                    Values::texts(&[Some("kettle, \"steel\""), Some("")]),
                    Values::texts(&[Some("Acme"), Some("Acme")]),
                ],
                vec![
                    Values::Int64(vec![]),
                    Values::texts(&[]),
                    Values::texts(&[]),
                ],
                vec![
                    Values::Int64(vec![Some(9)]),
                    Values::texts(&[Some("pé\nan")]),
                    Values::texts(&[Some("Bolt")]),
                ],
            ],
        );
        let reader = RowReader::open(&written.source, &options(&["brand", "title"], Some("sku")));
        let mut reader = reader.unwrap();
        assert_eq!(reader.columns(), ["brand", "title"]);
        let size = std::fs::metadata(written.path()).unwrap().len();
        assert_eq!(reader.total_bytes(), Some(size));
        assert_eq!(reader.bytes_read(), 0);
        let records: Vec<Row> = reader.by_ref().map(Result::unwrap).collect();
        assert_eq!(
            records,
            [
                record(1, "7", &["Acme", "kettle, \"steel\""]),
                record(2, "-8", &["Acme", ""]),
                record(3, "9", &["Bolt", "pé\nan"]),
            ],
            "{:?}",
            compression()
        );
        assert_eq!(reader.bytes_read(), size);
        assert_eq!(reader.skipped(), 0);
    }
}

#[test]
fn a_file_without_rows_has_columns() {
    let written = write("required binary title (UTF8);", Compression::SNAPPY, &[]);
    let mut reader = RowReader::open(&written.source, &ReaderOptions::default()).unwrap();
    assert_eq!(reader.columns(), ["title"]);
    assert!(reader.next().is_none());
}

#[test]
fn the_format_may_be_named_where_the_ending_does_not_tell_it() {
    let title = "required binary title (UTF8);";
    let values = vec![Values::texts(&[Some("kettle")])];
    let written = write(title, Compression::UNCOMPRESSED, &[values]);
    let other = written.folder.path().join("rows");
    std::fs::rename(written.path(), &other).unwrap();
    let named = ReaderOptions {
        format: Some(Format::Parquet),
        ..ReaderOptions::default()
    };
    // The content tells it too.
    for options in [named, ReaderOptions::default()] {
        let reader = RowReader::open(&other.clone().into(), &options).unwrap();
        let texts: Vec<String> = reader.map(|record| record.unwrap().text()).collect();
        assert_eq!(texts, ["kettle"]);
    }
}

/// Files of other programs, among the tests of `infer`.
#[test]
fn files_of_pandas_and_duckdb_have_lists_and_missing_texts() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../infer/tests/catalogue");
    for name in ["pandas.parquet", "duckdb.parquet"] {
        let path = std::path::Path::new(folder).join(name);
        let options = options(
            &["title", "description", "price", "tags", "tags.1"],
            Some("id"),
        );
        let reader = RowReader::open(&path.into(), &options).unwrap();
        let rows: Vec<Row> = reader.map(Result::unwrap).collect();
        assert_eq!(rows.len(), 12, "{name}");
        assert_eq!(rows[4].id.as_deref(), Some("1005"));
        assert_eq!(
            rows[4].fields,
            [
                "Garden chair, teak",
                "Folds flat, weatherproof",
                "79.0",
                "garden wood",
                "wood"
            ]
        );
        assert_eq!(rows[2].fields, ["Café crème mug, 30 cl", "", "8.0", "", ""]);
    }
}

#[test]
fn a_reader_can_be_sent_to_another_thread() {
    fn is_send<T: Send>() {}
    is_send::<RowReader>();
}

/// Rows of a text and a number, both of which may be null, in row groups.
fn row_groups() -> impl Strategy<Value = Vec<Vec<(Option<String>, Option<i32>)>>> {
    let row = (
        prop::option::weighted(0.9, any::<String>()),
        prop::option::weighted(0.9, any::<i32>()),
    );
    prop::collection::vec(prop::collection::vec(row, 0..40), 0..5)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(100) })]

    #[test]
    fn rows_without_null_are_read_and_the_others_counted(
        row_groups in row_groups(),
        compression in prop::sample::select(COMPRESSIONS.to_vec()),
    ) {
        let columns: Vec<Vec<Values>> = row_groups
            .iter()
            .map(|rows| vec![
                Values::texts(&rows.iter().map(|(text, _)| text.as_deref()).collect::<Vec<_>>()),
                Values::Int32(rows.iter().map(|&(_, number)| number).collect()),
            ])
            .collect();
        let written = write(
            "optional binary text (UTF8); optional int32 number;",
            compression(),
            &columns,
        );
        let skipping = ReaderOptions {
            skip_bad_rows: true,
            missing_is_bad: true,
            ..ReaderOptions::default()
        };
        let mut reader = RowReader::open_every_scalar(&written.source, &skipping).unwrap();
        let found: Vec<(u64, Vec<String>)> = reader
            .by_ref()
            .map(|record| record.map(|record| (record.line, record.fields)))
            .collect::<Result<_, _>>()
            .unwrap();
        let rows: Vec<_> = (1..).zip(row_groups.into_iter().flatten()).collect();
        let all = rows.len();
        let expected: Vec<(u64, Vec<String>)> = rows
            .into_iter()
            .filter_map(|(line, (text, number))| Some((line, vec![text?, number?.to_string()])))
            .collect();
        prop_assert_eq!(reader.skipped(), (all - expected.len()) as u64);
        prop_assert_eq!(found, expected);
    }
}
