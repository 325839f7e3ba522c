//! TSV: whether quotes are those of quoted fields.

use records::{Quoting, ReaderOptions};

use crate::{columns, gzip, open, stream, texts};

const NOTE: &str = "p.tsv: quotes around fields are dropped, as pandas and Excel write them; --quoting none keeps them";

/// F5.
#[test]
fn a_file_of_pandas_or_excel_has_quoted_fields() {
    let content = "id\ttitle\n1\t\"24\"\" curved monitor\"\n2\tplain\n3\t\"say \"\"hi\"\"\"\n";
    let read = open("p.tsv", content, &columns(&["title"])).unwrap();
    assert_eq!(read.texts(), ["24\" curved monitor", "plain", "say \"hi\""]);
    assert_eq!(read.notes, [NOTE]);
    let kept = ReaderOptions {
        quoting: Quoting::None,
        ..columns(&["title"])
    };
    assert_eq!(
        texts("p.tsv", content, &kept),
        ["\"24\"\" curved monitor\"", "plain", "\"say \"\"hi\"\"\""]
    );
}

#[test]
fn quotes_are_text_where_one_field_does_not_fit() {
    for (field, in_pandas) in [
        ("24\" monitor", false),
        ("\"open", false),
        ("close\"", false),
        ("\"a\"b\"", false),
        ("\"", false),
        ("\"\"\"", false),
        ("\"a\" b", false),
        ("\"\"", true),
        ("\"a\"", true),
        ("\"\"\"a\"\"\"", true),
    ] {
        let content = format!("id\ttitle\n1\t{field}\n2\t\"quoted\"\n");
        let read = open("p.tsv", &content, &columns(&["title"])).unwrap();
        let expected = if in_pandas {
            let inner = &field[1..field.len() - 1];
            [inner.replace("\"\"", "\""), "quoted".to_owned()]
        } else {
            [field.to_owned(), "\"quoted\"".to_owned()]
        };
        // A row without a text reads as an empty one.
        assert_eq!(read.texts(), expected, "{field}");
        assert_eq!(read.notes.iter().any(|note| note == NOTE), in_pandas);
    }
    // Also where the other field comes first, last, or in a column that nobody chose.
    let content = "id\ttitle\tnote\n1\t\"a\"\tx\n2\tb\t5\" pipe\n";
    assert_eq!(
        texts("p.tsv", content, &columns(&["title"])),
        ["\"a\"", "b"]
    );
}

#[test]
fn a_quoted_field_may_hold_tabs_and_line_breaks() {
    let content = "id\ttitle\r\n1\t\"two\nlines\"\r\n2\t\"a\ttab\"\r\n3\tplain\r\n";
    let read = open("p.tsv", content, &columns(&["title"])).unwrap();
    assert_eq!(read.texts(), ["two\nlines", "a\ttab", "plain"]);
    assert_eq!(read.lines(), [2, 4, 5]);
    // A quote that happens to be closed in the next row is text.
    let content = "id\ttitle\n1\t\"open\n2\tclose\"\n";
    assert_eq!(
        texts("p.tsv", content, &columns(&["title"])),
        ["\"open", "close\""]
    );
}

#[test]
fn compressed_files_and_streams_are_looked_at_too() {
    let content = "id\ttitle\n1\t\"a\"\"b\"\n";
    assert_eq!(
        texts("p.tsv.gz", gzip(content.as_bytes()), &columns(&["title"])),
        ["a\"b"]
    );
    let tsv = ReaderOptions {
        format: Some("tsv".parse().unwrap()),
        ..columns(&["title"])
    };
    assert_eq!(stream(content, &tsv).unwrap().texts(), ["a\"b"]);
    let literal = format!("{content}2\t5\" pipe\n");
    assert_eq!(
        stream(literal, &tsv).unwrap().texts(),
        ["\"a\"\"b\"", "5\" pipe"]
    );
}

#[test]
fn blank_lines_are_rows_in_a_file_of_a_single_column_only() {
    assert_eq!(
        texts("p.tsv", "title\na\n\nb\n", &columns(&[])),
        ["a", "", "b"]
    );
    assert_eq!(
        texts("p.csv", "title\na\n\nb\n\n", &columns(&[])),
        ["a", "", "b"]
    );
    assert_eq!(
        texts("p.tsv", "id\ttitle\n\n1\ta\n\n", &columns(&["title"])),
        ["a"]
    );
    assert_eq!(
        texts("p.tsv", "id\ttitle\n\t\n", &columns(&["title"])),
        [""]
    );
}

/// The data of this repository has quotes that are text.
#[test]
fn the_files_of_this_repository_keep_their_quotes() {
    let datasets = concat!(env!("CARGO_MANIFEST_DIR"), "/../../datasets");
    for (file, column) in [
        ("products.tsv", "title"),
        ("seed/pairs.tsv", "description"),
        ("product-pairs/train.tsv.gz", "description"),
        ("chorus-electronics/titles.tsv.gz", "title"),
        ("sts/stsb_open_dev.tsv", "sentence1"),
    ] {
        let path = std::path::Path::new(datasets).join(file);
        let auto = columns(&[column]);
        let none = ReaderOptions {
            quoting: Quoting::None,
            ..auto.clone()
        };
        let read = |options: &ReaderOptions| {
            let reader = records::RowReader::open(&path.clone().into(), options).unwrap();
            reader.map(|row| row.unwrap().fields).collect::<Vec<_>>()
        };
        let rows = read(&auto);
        assert!(rows.len() > 4, "{file}");
        assert!(rows == read(&none), "{file}");
    }
}
