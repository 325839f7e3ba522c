//! Files of which every column is read.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may"
)]

use std::path::PathBuf;

use records::{ReadError, ReaderOptions, Row, RowReader, Source};
use tempfile::TempDir;

/// A folder with one file in it.
fn file(name: &str, content: &str) -> (TempDir, Source) {
    let folder = tempfile::tempdir().unwrap();
    let path: PathBuf = folder.path().join(name);
    std::fs::write(&path, content).unwrap();
    (folder, Source::File(path))
}

/// The columns and the fields of all rows.
fn read(reader: Result<RowReader, ReadError>) -> (Vec<String>, Vec<Vec<String>>) {
    let reader = reader.unwrap();
    let columns = reader.columns().to_vec();
    let rows = reader.map(|record| record.unwrap().fields).collect();
    (columns, rows)
}

/// Options of training: the first row determines the columns.
fn options(id: Option<&str>) -> ReaderOptions {
    ReaderOptions {
        id_column: id.map(str::to_owned),
        missing_is_bad: true,
        ..ReaderOptions::default()
    }
}

const JSON_LINES: &str = r#"
{"query": "kettle", "sku": 7, "score": 0.50, "tags": ["x"], "good": true, "note": null, "of": {"a": 1}, "title": "Kettle, steel"}

{"title": "Pan", "good": false, "score": -1e3, "sku": "8", "query": 12, "more": "y"}
"#;

#[test]
fn json_lines_give_texts_numbers_and_booleans_of_the_first_row() {
    let (_folder, source) = file("rows.jsonl", JSON_LINES);
    let (columns, rows) = read(RowReader::open_every_scalar(&source, &options(None)));
    assert_eq!(columns, ["query", "sku", "score", "good", "title"]);
    assert_eq!(
        rows,
        [
            ["kettle", "7", "0.50", "true", "Kettle, steel"],
            ["12", "8", "-1e3", "false", "Pan"],
        ]
    );

    let (columns, rows) = read(RowReader::open_every_scalar(&source, &options(Some("sku"))));
    assert_eq!(columns, ["query", "score", "good", "title"]);
    assert_eq!(rows[1], ["12", "-1e3", "false", "Pan"]);
}

#[test]
fn json_lines_give_texts_alone_where_only_texts_are_asked_for() {
    let (_folder, source) = file("rows.jsonl", JSON_LINES);
    let (columns, rows) = read(RowReader::open_every_column(
        std::slice::from_ref(&source),
        &options(None),
    ));
    assert_eq!(columns, ["query", "title"]);
    assert_eq!(rows, [["kettle", "Kettle, steel"], ["12", "Pan"]]);
}

#[test]
fn a_row_that_lacks_a_key_of_the_first_one_is_bad() {
    let lines = "{\"a\": \"x\", \"n\": 1}\n{\"a\": \"y\"}\n{\"a\": \"z\", \"n\": null}\n{\"a\": \"w\", \"n\": 4}\n";
    let (_folder, source) = file("rows.jsonl", lines);
    let reader = RowReader::open_every_scalar(&source, &options(None)).unwrap();
    let results: Vec<Result<Row, ReadError>> = reader.collect();
    let Source::File(path) = &source else {
        unreachable!()
    };
    let path = path.display();
    let errors: Vec<String> = results
        .iter()
        .filter_map(|result| result.as_ref().err().map(ToString::to_string))
        .collect();
    assert_eq!(
        errors,
        [
            format!("{path}, line 2: no `n`"),
            format!("{path}, line 3: no `n`"),
        ]
    );
    let good: Vec<u64> = results.iter().flatten().map(|record| record.line).collect();
    assert_eq!(good, [1, 4]);
}

#[test]
fn the_first_row_that_can_be_read_tells_the_keys() {
    let (_folder, source) = file("rows.jsonl", "[1]\n{\"n\": 1}\n");
    let mut reader = RowReader::open_every_scalar(&source, &options(None)).unwrap();
    assert_eq!(reader.columns(), ["n"]);
    assert!(reader.next().unwrap().unwrap_err().is_row());
    assert_eq!(reader.next().unwrap().unwrap().fields, ["1"]);
    let skipping = ReaderOptions {
        skip_bad_rows: true,
        ..ReaderOptions::default()
    };
    let mut reader = RowReader::open_every_scalar(&source, &skipping).unwrap();
    assert_eq!(reader.by_ref().count(), 1);
    assert_eq!(reader.skipped(), 1);
}

#[test]
fn tables_give_all_columns() {
    for (name, content) in [
        ("rows.csv", "a,n,b\n\"x, y\",1,z\n"),
        ("rows.tsv", "a\tn\tb\nx, y\t1\tz\n"),
    ] {
        let (_folder, source) = file(name, content);
        let (columns, rows) = read(RowReader::open_every_scalar(&source, &options(None)));
        assert_eq!(columns, ["a", "n", "b"], "{name}");
        assert_eq!(rows, [["x, y", "1", "z"]], "{name}");
        let (columns, _) = read(RowReader::open_every_scalar(&source, &options(Some("n"))));
        assert_eq!(columns, ["a", "b"], "{name}");
    }
}

#[test]
fn lines_have_no_columns_and_one_field() {
    let (_folder, source) = file("rows.txt", "a\tb\nc\n");
    let (columns, rows) = read(RowReader::open_every_scalar(&source, &options(None)));
    assert!(columns.is_empty());
    assert_eq!(rows, [["a\tb"], ["c"]]);
}

#[test]
fn named_columns_are_read_and_no_others() {
    let (_folder, source) = file("rows.jsonl", JSON_LINES);
    let named = ReaderOptions {
        columns: vec!["score".to_owned(), "query".to_owned()],
        ..ReaderOptions::default()
    };
    let (columns, rows) = read(RowReader::open_every_scalar(&source, &named));
    assert_eq!(columns, ["score", "query"]);
    assert_eq!(rows, [["0.50", "kettle"], ["-1e3", "12"]]);
}

#[test]
fn rows_of_json_are_kept_as_the_file_has_them() {
    let json = "[{\"title\": \"Pan\", \"price\": 1.50, \"of\":\n{\"a\": [1, \"x\\n\"]}, \"size\": NaN, \"none\": null}, {}]";
    let keeping = ReaderOptions {
        keep_objects: true,
        ..ReaderOptions::default()
    };
    for (options, is_kept) in [(keeping, true), (ReaderOptions::default(), false)] {
        let (_folder, source) = file("rows.json", json);
        let reader = RowReader::open_every_scalar(&source, &options).unwrap();
        let rows: Vec<Row> = reader.map(Result::unwrap).collect();
        assert_eq!(rows[0].fields, ["Pan", "1.50"]);
        let Some(object) = &rows[0].object else {
            assert!(!is_kept);
            continue;
        };
        assert!(is_kept);
        let expected = "{\"title\": \"Pan\", \"price\": 1.50, \"of\": {\"a\": [1, \"x\\n\"]}, \"size\": NaN, \"none\": null}";
        assert_eq!(object.text(), expected);
        let filled: Vec<&str> = object.filled_keys().collect();
        assert_eq!(filled, ["title", "price", "of"]);
        assert!(object.has("none") && !object.has("a"));
        let empty = rows[1].object.as_ref().unwrap();
        assert!(empty.is_empty());
        assert_eq!(empty.text(), "{}");
    }
}
