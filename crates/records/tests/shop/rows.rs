//! Missing texts, HTML, and rows that are skipped.

use records::{ReaderOptions, RowReader};

use crate::{Folder, columns, open, read_all, texts};

/// B5: the same catalogue in three formats.
#[test]
fn a_missing_text_is_empty_in_every_format() {
    let folder = Folder::new();
    for source in [
        folder.file("p.csv", "id,title,description\n1,kettle,steel\n2,mug,\n3,pan, \n"),
        folder.file(
            "p.jsonl",
            "{\"id\":1,\"title\":\"kettle\",\"description\":\"steel\"}\n{\"id\":2,\"title\":\"mug\"}\n\
             {\"id\":3,\"title\":\"pan\",\"description\":null}\n",
        ),
        folder.file(
            "p.json",
            "[{\"id\":1,\"title\":\"kettle\",\"description\":\"steel\"},{\"id\":2,\"title\":\"mug\",\
             \"description\":\"\"},{\"id\":3,\"title\":\"pan\",\"description\":NaN}]",
        ),
    ] {
        let both = columns(&["title", "description"]);
        let read = read_all(&folder, RowReader::open(&source, &both)).unwrap();
        assert_eq!(read.texts(), ["kettle steel", "mug", "pan"], "no stray space");
        assert_eq!(read.errors, [""; 0]);
        assert_eq!(read.notes, ["2 of 3 rows have no `description`"]);

        let required = ReaderOptions {
            require: vec!["description".to_owned()],
            ..columns(&["title"])
        };
        let read = read_all(&folder, RowReader::open(&source, &required)).unwrap();
        assert_eq!(read.texts(), ["kettle"]);
        assert_eq!(read.errors.len(), 2);
        assert!(read.errors[0].ends_with(": no `description`"), "{:?}", read.errors);
    }
}

#[test]
fn rows_without_any_text_are_skipped_where_the_options_say_so() {
    for (name, content) in [
        ("p.csv", "title,brand\na,\n,\n ,\t\n,b\n"),
        ("p.tsv", "title\tbrand\na\t\n\t\n \t \n\tb\n"),
        (
            "p.jsonl",
            "{\"title\":\"a\",\"brand\":null}\n{}\n{\"title\":\" \"}\n{\"brand\":\"b\"}\n",
        ),
    ] {
        let both = columns(&["title", "brand"]);
        assert_eq!(open(name, content, &both).unwrap().rows.len(), 4, "{name}");
        let skipping = ReaderOptions {
            skip_empty_rows: true,
            ..both
        };
        let read = open(name, content, &skipping).unwrap();
        assert_eq!(read.texts(), ["a", "b"], "{name}");
        let numbers: Vec<u64> = read.rows.iter().map(|row| row.number).collect();
        assert_eq!(numbers, [1, 4], "{name}");
        assert_eq!(
            read.notes,
            [
                "3 of 4 rows have no `title`, 3 no `brand`",
                "skipped 2 rows without any text"
            ],
            "{name}"
        );
    }
    let lines = ReaderOptions {
        skip_empty_rows: true,
        ..columns(&[])
    };
    let read = open("p.txt", "a\n\nb\n", &lines).unwrap();
    assert_eq!(read.texts(), ["a", "b"]);
    assert_eq!(read.notes, ["skipped 1 row without any text"]);
}

#[test]
fn bad_rows_are_counted_with_the_first_reason() {
    let skipping = ReaderOptions {
        skip_bad_rows: true,
        id_column: Some("id".to_owned()),
        ..columns(&["title"])
    };
    let content = "id,title\n1,a\n,b\n3\n4,\"x\n5,e\n";
    let read = open("p.csv", content, &skipping).unwrap();
    assert_eq!(read.texts(), ["a", "e"]);
    assert_eq!(
        read.notes,
        ["skipped 3 bad rows; the first: p.csv, line 3: no id: field `id` is empty"]
    );
}

#[test]
fn html_is_proposed_to_be_cleaned_and_cleaned() {
    let content = "title\nSteel &amp; glass <b>kettle</b>\nmug\n";
    let read = open("p.csv", content, &columns(&[])).unwrap();
    assert_eq!(read.texts(), ["Steel &amp; glass <b>kettle</b>", "mug"]);
    assert_eq!(
        read.notes,
        ["1 of 2 rows hold HTML tags or entities; --clean-html turns them into plain text"]
    );
    let clean = ReaderOptions {
        clean_html: true,
        ..columns(&[])
    };
    let read = open("p.csv", content, &clean).unwrap();
    assert_eq!(read.texts(), ["Steel & glass kettle", "mug"]);
    assert_eq!(read.notes, [""; 0]);
    // A row in a hundred is no reason for a note.
    let rare = format!("title\n{}a&lt;b\n", "mug\n".repeat(100));
    assert_eq!(open("p.csv", rare, &columns(&[])).unwrap().notes, [""; 0]);
    let tags = "title\n<p></p>\n";
    let clean = ReaderOptions {
        skip_empty_rows: true,
        ..clean
    };
    assert_eq!(texts("p.csv", tags, &clean), [""; 0]);
}
