//! The format by name and content.

use records::{Format, ReaderOptions, RowReader, Source};

use crate::{Folder, columns, open, stream, texts};

const WAY_OUT: &str =
    "name its format with --format: text (one text per line), csv, tsv, jsonl, json or parquet";

/// B4.
#[test]
fn a_name_that_tells_no_format_leaves_it_to_the_content() {
    for (content, format) in [
        ("id,title\n1,kettle\n2,mug\n", "csv"),
        ("id;title\n1;kettle\n2;mug", "csv"),
        ("id\ttitle\n1\tkettle\n2\tmug\n", "tsv"),
        (
            "{\"id\":1,\"title\":\"kettle\"}\n{\"id\":2,\"title\":\"mug\"}\n",
            "jsonl",
        ),
        ("[{\"title\":\"kettle\"},{\"title\":\"mug\"}]", "json"),
    ] {
        for name in ["products", "products.dat", "p.gz"] {
            let read = open(name, content, &columns(&["title"])).unwrap();
            assert_eq!(read.texts(), ["kettle", "mug"], "{name}, {content}");
            let note = format!("{name}: read as {format}, by its content");
            assert!(read.notes.contains(&note), "{:?}", read.notes);
        }
    }
    for content in [
        "kettle\nmug\n",
        "steel kettle, red\nmug\n",
        "[\nkettle\n]\n",
        "{}x",
    ] {
        let error = open("products", content, &columns(&[])).unwrap_err();
        assert_eq!(
            error,
            format!("products: neither its name nor its content tells the format; {WAY_OUT}"),
        );
    }
    assert_eq!(
        open("products", "", &columns(&[])).unwrap_err(),
        format!("products: the file is empty, and its name does not tell the format; {WAY_OUT}")
    );
}

#[test]
fn a_name_that_is_plainly_wrong_gives_way_to_the_content() {
    let folder = Folder::new();
    let lines = "{\"id\":1,\"title\":\"kettle\"}\n{\"id\":2,\"title\":\"mug\"}\n";
    let pretty = "{\n \"title\": \"kettle\"\n}\n{\n \"title\": \"mug\"\n}\n";
    let table = "id,title\n1,kettle\n2,mug\n";
    for (name, content, note) in [
        ("p.csv", lines, Some("jsonl")),
        ("p.tsv", lines, Some("jsonl")),
        ("p.parquet", lines, Some("jsonl")),
        ("p.jsonl", pretty, Some("json")),
        ("p.json", table, Some("csv")),
        ("p.parquet", table, Some("csv")),
        ("p.tsv", table, Some("csv")),
        // Not wrong.
        ("p.json", lines, None),
        ("p.json", pretty, None),
        ("p.csv", table, None),
    ] {
        let read = open(name, content, &columns(&["title"])).unwrap();
        assert_eq!(read.texts(), ["kettle", "mug"], "{name}");
        let note = note.map(|format| format!("{name}: read as {format}, by its content"));
        assert_eq!(read.notes, Vec::from_iter(note), "{name}, {content}");
    }
    drop(folder);
}

#[test]
fn text_files_and_standard_input_are_lines() {
    assert_eq!(
        texts("p.txt", "id,title\n1,a\n", &columns(&[])),
        ["id,title", "1,a"]
    );
    assert_eq!(
        texts("p.txt", "[{\"t\":1}]\n", &columns(&[])),
        ["[{\"t\":1}]"]
    );
    let lines = stream("id,title\n1,a\n", &columns(&[])).unwrap();
    assert_eq!(lines.texts(), ["id,title", "1,a"]);
    let json = stream("{\"title\":\"a\"}\n", &columns(&[])).unwrap();
    assert_eq!(json.texts(), ["a"]);
    assert_eq!(
        json.notes,
        ["standard input: read as jsonl, by its content"]
    );
    let named = ReaderOptions {
        format: Some(Format::Text),
        ..columns(&[])
    };
    let lines = stream("{\"title\":\"a\"}\n", &named).unwrap();
    assert_eq!(lines.texts(), ["{\"title\":\"a\"}"]);
    for read in [
        open("p.txt", "a\n", &columns(&["title"])),
        stream("a\n", &columns(&["title"])),
    ] {
        let error = read.unwrap_err();
        assert!(
            error.contains("a plain-text file has no columns"),
            "{error}"
        );
    }
}

/// Excel's "Unicode Text" is a table in a `.txt` file.
#[test]
fn lines_that_look_like_another_format_make_a_note() {
    let excel: Vec<u8> = "\u{feff}id\ttitle\r\n1\tkettle\r\n2\tmug\r\n"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    for (content, format) in [
        (excel.as_slice(), Some("tsv")),
        (b"id;title\n1;kettle\n2;mug\n", Some("csv")),
        (b"id,title\n1,kettle\n2,mug\n", Some("csv")),
        (b"[{\"title\":\"kettle\"}]\n", Some("json")),
        (b"{\"title\":\"kettle\"}\n", Some("jsonl")),
        (b"steel kettle, red\nmug\n", None),
        (b"kettle, red\nmug, blue\n", None),
    ] {
        let note = |file: &str, format: &str| {
            format!(
                "{file}: read as lines, but it looks like {format}; name it with --format {format}"
            )
        };
        let read = open("excel.txt", content, &columns(&[])).unwrap();
        let expected = format.map(|format| note("excel.txt", format));
        assert_eq!(read.notes, Vec::from_iter(expected));
        // JSON on standard input is read as such.
        if format.is_none_or(|format| !format.starts_with("json")) {
            let read = stream(content, &columns(&[])).unwrap();
            let expected = format.map(|format| note("standard input", format));
            assert_eq!(read.notes, Vec::from_iter(expected));
        }
        let named = ReaderOptions {
            format: Some(Format::Text),
            ..columns(&[])
        };
        let read = open("excel.txt", content, &named).unwrap();
        assert_eq!(read.notes, [""; 0], "the user knows it");
    }
}

#[test]
fn a_content_that_is_no_rows_is_named() {
    for (name, content, expected) in [
        ("p.xlsx", &b"PK\x03\x04\x14\0"[..], "an Excel workbook"),
        ("p.csv", b"PK\x03\x04\x14\0", "an Excel workbook"),
        (
            "p.xls",
            b"\xd0\xcf\x11\xe0\xa1\xb1",
            "an old Excel workbook",
        ),
        ("p.csv", b"<!DOCTYPE html><html>", "HTML or XML"),
        ("p.json", b"\n<?xml version=\"1.0\"?>", "HTML or XML"),
        (
            "p.csv",
            b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n",
            "a Git LFS pointer",
        ),
        ("p.txt", b"k\0e\0t\0t\0l\0e\0\n\0", "binary data, or UTF-16"),
        ("p.csv", b"i\0d\0,\0t\0\n\0", "binary data, or UTF-16"),
    ] {
        let error = open(name, content, &columns(&[])).unwrap_err();
        assert!(
            error.starts_with(&format!("{name}: this is {expected}")),
            "{error}"
        );
    }
    let utf16 = ReaderOptions {
        encoding: Some("utf-16le".parse().unwrap()),
        ..columns(&[])
    };
    assert_eq!(texts("p.txt", b"k\0\xe9\0\n\0", &utf16), ["ké"]);
}

#[test]
fn several_files_and_patterns_are_read_in_order() {
    let folder = Folder::new();
    folder.file("p-2.jsonl", "{\"title\":\"c\"}\n{\"title\":null}\n");
    folder.file("p-1.csv", "id,title\n1,a\n2,b\n");
    folder.file("q.json", "[{\"title\":\"d\",\"brand\":\"x\"}]");
    let pattern = |name: &str| folder.0.path().join(name);
    let sources = Source::expand(&[pattern("p-*"), pattern("q.json")]).unwrap();
    let named: Vec<String> = sources
        .iter()
        .map(|source| folder.message(source))
        .collect();
    assert_eq!(named, ["p-1.csv", "p-2.jsonl", "q.json"]);
    let mut reader = RowReader::open_all(&sources, &columns(&["title"])).unwrap();
    assert_eq!(reader.sources(), sources);
    assert!(reader.can_be_read_again());
    let size = |source: &Source| match source {
        Source::File(path) => std::fs::metadata(path).unwrap().len(),
        Source::Stdin => 0,
    };
    let size: u64 = sources.iter().map(size).sum();
    assert_eq!(reader.total_bytes(), Some(size));
    let rows: Vec<_> = reader
        .by_ref()
        .map(Result::unwrap)
        .map(|row| (row.file, row.number, row.line, row.text()))
        .collect();
    let expected = [
        (0, 1, 2, "a"),
        (0, 2, 3, "b"),
        (1, 3, 1, "c"),
        (1, 4, 2, ""),
        (2, 5, 1, "d"),
    ];
    let expected = expected.map(|(file, number, line, text)| (file, number, line, text.to_owned()));
    assert_eq!(rows, expected);
    assert_eq!(reader.bytes_read(), size);

    let message = |paths: &[&str], options: &ReaderOptions| {
        let paths: Vec<_> = paths.iter().map(|path| pattern(path)).collect();
        let reader =
            Source::expand(&paths).and_then(|sources| RowReader::open_all(&sources, options));
        folder.message(reader.err().unwrap())
    };
    assert_eq!(
        message(&["*.xml"], &columns(&["title"])),
        "*.xml: no file has such a name"
    );
    assert_eq!(
        message(&["q.json", "p-1.csv"], &columns(&["brand"])),
        "p-1.csv: no column `brand`; there are: id, title",
        "found before the first row"
    );
    // A key that only one of the files has is a sparse one.
    let sources = Source::expand(&[pattern("p-2.jsonl"), pattern("q.json")]).unwrap();
    let reader = RowReader::open_all(&sources, &columns(&["title", "brand"])).unwrap();
    let texts: Vec<String> = reader.map(|row| row.unwrap().text()).collect();
    assert_eq!(texts, ["c", "", "d x"]);
    // A file with such a name is not a pattern.
    folder.file("p[1].csv", "title\nz\n");
    assert_eq!(Source::expand(&[pattern("p[1].csv")]).unwrap().len(), 1);
}
