//! The same products as the files that shops have, and what is said about them.

use std::path::Path;

use crate::support::{file, infer, run, run_with_input, text};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/catalogue");

/// The hits of two queries, and the notes.
fn search(file: &str, more: &[&str]) -> (String, String) {
    let path = Path::new(FOLDER).join(file);
    let arguments = [
        &["search", "garden seat", "café mug", "-k", "12", "--json"][..],
        &["--corpus", text(&path), "--id-column", "id"],
        &["--column", "title", "--column", "description"],
        more,
    ]
    .concat();
    let found = run(&mut infer(&arguments));
    let notes = found.err.clone();
    (found.ok(), notes)
}

/// The files are written by `make.py` beside them.
#[test]
fn every_file_of_the_catalogue_gives_the_hits_of_the_plain_one() {
    let (expected, notes) = search("plain.csv", &[]);
    assert_eq!(expected.matches("\"rank\"").count(), 2 * 12, "{expected}");
    assert!(
        notes.contains("note: 3 of 12 rows have no `description`"),
        "{notes}"
    );
    for (file, more) in [
        ("products.json", &[][..]),
        ("sparse.jsonl", &[]),
        ("excel-german.csv", &["--encoding", "windows-1252"]),
        ("excel-unicode.tsv", &[]),
        ("plain.csv.zst", &[]),
        ("pandas.parquet", &[]),
        ("duckdb.parquet", &[]),
    ] {
        let (found, notes) = search(file, more);
        assert!(found == expected, "{file}: {found}");
        assert!(
            notes.contains("3 of 12 rows have no `description`"),
            "{file}: {notes}"
        );
    }
    let (_, notes) = search("excel-german.csv", &["--encoding", "latin1"]);
    assert!(notes.contains("the delimiter is `;`"), "{notes}");
    let (_, notes) = search("excel-unicode.tsv", &[]);
    assert!(
        notes.contains("quotes around fields are dropped"),
        "{notes}"
    );
}

#[test]
fn bytes_of_another_encoding_are_an_error_with_the_way_out() {
    let path = Path::new(FOLDER).join("excel-german.csv");
    let arguments = [
        "search",
        "mug",
        "--corpus",
        text(&path),
        "--column",
        "title",
    ];
    let message = run(&mut infer(&arguments)).failed(1);
    assert!(message.contains("line 4: not UTF-8 at byte "), "{message}");
    assert!(message.contains("--encoding windows-1252"), "{message}");
}

#[test]
fn several_corpora_are_one_and_a_row_number_counts_all_rows() {
    let (folder, first) = file("p-1.csv", "title\nsteel kettle\n\nred mug\n");
    std::fs::write(
        folder.path().join("p-2.jsonl"),
        "{\"title\":\"garden hose\"}\n",
    )
    .unwrap();
    let pattern = folder.path().join("p-*");
    let second = folder.path().join("p-2.jsonl");
    let by_pattern = ["recommend", "4", "-k", "1", "--corpus", text(&pattern)];
    let by_names = [
        "recommend",
        "4",
        "-k",
        "1",
        "--corpus",
        text(&first),
        "--corpus",
        text(&second),
    ];
    for arguments in [&by_pattern[..], &by_names] {
        let found = run(&mut infer(arguments));
        assert!(
            found.err.contains("note: skipped 1 row without any text"),
            "{}",
            found.err
        );
        let out = found.ok();
        assert!(out.starts_with("like 4: garden hose"), "{out}");
    }
    // The blank row has no vector.
    let message = run(&mut infer(&["recommend", "2", "--corpus", text(&first)]));
    assert!(
        message.err.contains("no row has the id `2`"),
        "{}",
        message.err
    );
}

#[test]
fn empty_rows_get_no_vector_and_html_is_cleaned() {
    let (_folder, path) = file("p.csv", "id,title\n1,<b>red</b>&nbsp;mug\n2,\n3, \n");
    let arguments = [
        "embed",
        "--input",
        text(&path),
        "--column",
        "title",
        "--clean-html",
    ];
    let embedded = run(&mut infer(&arguments));
    assert!(
        embedded
            .err
            .contains("note: skipped 2 rows without any text"),
        "{}",
        embedded.err
    );
    let out = embedded.ok();
    assert_eq!(out.lines().count(), 1);
    assert!(out.starts_with("{\"text\":\"red mug\""), "{out}");
    let required = [&arguments[..], &["--require", "title"]].concat();
    let message = run(&mut infer(&required)).failed(1);
    assert!(message.contains("no `title`"), "{message}");
}

#[test]
fn standard_input_is_lines_unless_it_begins_as_json() {
    let embed = ["embed", "--input", "-", "-q"];
    let json = "[{\"title\":\"kettle\"},\n{\"title\":\"mug\"}]";
    for (content, first) in [(json, "kettle"), ("title,id\nmug,1\n", "title,id")] {
        let out = run_with_input(&mut infer(&embed), content).ok();
        assert_eq!(out.lines().count(), 2, "{content}");
        assert!(out.starts_with(&format!("{{\"text\":\"{first}\"")), "{out}");
    }
}
