//! CSV: delimiters, headers, quotes and bad rows.

use records::{Delimiter, Quoting, ReaderOptions};

use crate::{columns, open, texts};

/// F6, B6.
#[test]
fn the_delimiter_is_that_of_the_header() {
    for (content, note) in [
        ("id,title\n1,steel kettle\n2,\"red, big mug\"\n", None),
        ("id;title\n1;steel kettle\n2;red, big mug\n", Some(";")),
        ("id|title\n1|steel kettle\n2|red, big mug\n", Some("|")),
        ("id\ttitle\n1\tsteel kettle\n2\tred, big mug\n", Some("tab")),
        (
            "\"id\";\"title\"\r\n1;steel kettle\r\n2;\"red, big mug\"",
            Some(";"),
        ),
    ] {
        let read = open("p.csv", content, &columns(&["title"])).unwrap();
        assert_eq!(read.texts(), ["steel kettle", "red, big mug"], "{content}");
        let note = note.map(|delimiter| {
            format!("p.csv: the delimiter is `{delimiter}`; --delimiter gives another")
        });
        assert_eq!(read.notes, Vec::from_iter(note), "{content}");
    }
    // Without --column a whole row is no text.
    let error = open("p.csv", "title;brand\nsteel kettle;Acme\n", &columns(&[])).unwrap_err();
    assert_eq!(
        error,
        "p.csv: which column is the text? None is named `text`; choose one by --column: title, brand"
    );
}

#[test]
fn of_several_delimiters_in_the_header_the_one_that_fits_the_rows_is_taken() {
    for (content, column, expected) in [
        // Prices with a decimal comma.
        (
            "title;price, EUR\nkettle;1,50\nmug;2,00\n",
            "title",
            ["kettle", "mug"],
        ),
        // Lists within a field.
        (
            "sku,sizes;colours,title\n1,S;M;red,kettle\n2,L,mug\n",
            "title",
            ["kettle", "mug"],
        ),
        // The named column.
        (
            "a,b;title\nx,y;kettle\nz,w;mug\n",
            "title",
            ["kettle", "mug"],
        ),
        (
            "a|b\ttitle\nx|y\tkettle\nz|w\tmug\n",
            "title",
            ["kettle", "mug"],
        ),
    ] {
        let read = open("p.csv", content, &columns(&[column])).unwrap();
        assert_eq!(read.texts(), expected, "{content}");
        assert_eq!(read.notes.len(), 1, "{:?}", read.notes);
    }
}

#[test]
fn a_named_delimiter_and_the_one_that_excel_reads_are_taken() {
    let options = ReaderOptions {
        delimiter: Some("^".parse().unwrap()),
        ..columns(&["title"])
    };
    // Also for a name that tells no format.
    for name in ["p.csv", "p.tsv", "p.txt", "p"] {
        assert_eq!(texts(name, "id^title\n1^a, b; c\n", &options), ["a, b; c"]);
    }
    let content = "sep=;\r\nid;title\r\n1;a, b\r\n";
    let read = open("p.csv", content, &columns(&["title"])).unwrap();
    assert_eq!(read.texts(), ["a, b"]);
    assert_eq!(read.lines(), [3]);
    assert!("ab".parse::<Delimiter>().is_err() && "\"".parse::<Delimiter>().is_err());
    assert_eq!("tab".parse::<Delimiter>(), "\\t".parse());
}

#[test]
fn names_in_the_header_are_trimmed_and_only_a_used_one_must_be_single() {
    let content = " id , title ,brand,brand\n1,kettle,x,y\n";
    assert_eq!(texts("p.csv", content, &columns(&["title"])), ["kettle"]);
    assert_eq!(
        open("p.csv", content, &columns(&["brand"])).unwrap_err(),
        "p.csv: column `brand` is in the header more than once"
    );
    assert_eq!(
        open("p.csv", content, &columns(&["name"])).unwrap_err(),
        "p.csv: no column `name`; there are: id, title, brand, brand"
    );
    assert_eq!(
        open("p.csv", "", &columns(&["name"])).unwrap_err(),
        "p.csv: no header line; the first line must name the columns"
    );
}

/// B16.
#[test]
fn only_a_chosen_column_can_spoil_a_row() {
    let content = b"gr\xf6\xdfe,title,note\nL,kettle,caf\xe9\nM,caf\xe9,x\nS,mug,\xff\n";
    let read = open("p.csv", content, &columns(&["title"])).unwrap();
    assert_eq!(read.texts(), ["kettle", "mug"]);
    assert_eq!(
        read.errors,
        ["p.csv, line 3: not UTF-8 at byte 36; is it --encoding windows-1252?"]
    );
    assert_eq!(&content[36..37], b"\xe9");
    assert_eq!(
        open("p.csv", content, &columns(&["größe"])).unwrap_err(),
        "p.csv: the header line cannot be read: not UTF-8 at byte 2; is it --encoding windows-1252?"
    );
    let decoded = ReaderOptions {
        encoding: Some("windows-1252".parse().unwrap()),
        ..columns(&["größe", "title"])
    };
    assert_eq!(
        texts("p.csv", content, &decoded),
        ["L kettle", "M café", "S mug"]
    );
}

#[test]
fn rows_are_known_by_the_line_they_start_on() {
    let content = "a,b\r\n\r\n\"1\r\n2\",\"say \"\"hi\"\"\"\n   \n\nlast,";
    let read = open("p.csv", content, &columns(&["a", "b"])).unwrap();
    assert_eq!(read.texts(), ["1\r\n2 say \"hi\"", "last"]);
    assert_eq!(read.lines(), [3, 7]);
    assert_eq!(read.errors, [""; 0]);
}

#[test]
fn lines_may_end_as_on_old_macs() {
    for name in ["p.csv", "p.tsv"] {
        let content = "id,title\r1,kettle\r2,\"red\rmug\"\r"
            .replace(',', if name == "p.csv" { "," } else { "\t" });
        let read = open(name, content, &columns(&["title"])).unwrap();
        assert_eq!(read.texts(), ["kettle", "red\rmug"], "{name}");
        assert_eq!(read.lines(), [2, 3], "{name}");
    }
    // A single one in a file with line feeds ends a record too.
    let read = open("p.csv", "a,b\n1,x\r2,y\n3,z\n", &columns(&["b"])).unwrap();
    assert_eq!(read.texts(), ["x", "y", "z"]);
}

#[test]
fn a_row_of_another_width_is_bad_and_the_next_ones_are_read() {
    let content = "sku,title\n1,a\n2\n3,b,c\n4,d\n";
    let read = open("p.csv", content, &columns(&["title"])).unwrap();
    assert_eq!(read.texts(), ["a", "d"]);
    assert_eq!(
        read.errors,
        [
            "p.csv, line 3: 1 column where the header has 2",
            "p.csv, line 4: 3 columns where the header has 2",
        ]
    );
    let numbers: Vec<u64> = read.rows.iter().map(|row| row.number).collect();
    assert_eq!(numbers, [1, 4], "bad rows are rows of the file");
}

#[test]
fn a_row_that_ends_with_a_delimiter_is_no_wider_than_the_header() {
    for delimiter in [";", "\t", "|", ","] {
        let content = "id;title\n1;kettle;\n2;mug;\n".replace(';', delimiter);
        let read = open("p.csv", content, &columns(&["title"])).unwrap();
        assert_eq!(read.texts(), ["kettle", "mug"], "{delimiter}");
        assert_eq!(read.errors, [""; 0], "{delimiter}");
    }
}

#[test]
fn rows_that_are_wider_than_the_header_do_not_change_the_delimiter() {
    for delimiter in [";", "\t", "|", ","] {
        let content = "id;title\n1;kettle;red\n2;mug;\"\";\n".replace(';', delimiter);
        let read = open("p.csv", content, &columns(&["title"])).unwrap();
        assert_eq!(read.texts(), [""; 0], "{delimiter}");
        assert_eq!(
            read.errors,
            [
                "p.csv, line 2: 3 columns where the header has 2",
                "p.csv, line 3: 4 columns where the header has 2",
            ],
            "{delimiter}"
        );
    }
    // Without --column a whole row is no text.
    let error = open("p.csv", "id;title\n1;kettle;red\n", &columns(&[])).unwrap_err();
    assert!(error.contains("which column is the text?"), "{error}");
    // A header with a stray character over rows without it.
    let read = open("p.csv", "title; or name\nkettle\nmug\n", &columns(&[])).unwrap();
    assert_eq!(read.texts(), ["kettle", "mug"]);
}

#[test]
fn reading_goes_on_after_a_quote_that_is_never_closed() {
    let unclosed = |line| format!("p.csv, line {line}: a quoted field is not closed");
    for (content, good, bad) in [
        // To the end of the file.
        (
            "id,t\n1,a\n2,\"b\n3,c\n4,d\n",
            &["a", "c", "d"][..],
            &[3][..],
        ),
        ("id,t\n1,a\n2,\"b", &["a"], &[3]),
        // To the opening quote of a later row.
        (
            "id,t\n1,a\n2,\"b\n3,c\n4,\"d\ne\"\n5,f\n",
            &["a", "c", "d\ne", "f"],
            &[3],
        ),
        // Two of them.
        ("id,t\n1,\"a\n2,\"b\n3,c\n", &["c"], &[2, 3]),
        // A part of a text is no row, although it has as many columns.
        (
            "id,t\n\"the \"best\" of\",\"all\n2,and left\"\n3,c\n",
            &["c"],
            &[2, 3],
        ),
    ] {
        let read = open("p.csv", content, &columns(&["t"])).unwrap();
        assert_eq!(read.texts(), good, "{content}");
        let bad: Vec<String> = bad.iter().map(unclosed).collect();
        assert_eq!(read.errors, bad, "{content}");
    }
    // A quote inside of a text is none of a field.
    let content = "id,t,u\n1,24\" monitor,\"x\ny\"\n2,b,z\n";
    assert_eq!(
        texts("p.csv", content, &columns(&["t", "u"])),
        ["24\" monitor x\ny", "b z"]
    );
}

#[test]
fn reading_goes_on_after_a_row_that_is_too_long() {
    let long = "x".repeat(records::MAX_ROW_BYTES);
    for (name, header, limit) in [
        ("p.csv", "t\n", records::MAX_ROW_BYTES),
        ("p.tsv", "t\n", records::MAX_ROW_BYTES),
        ("p.txt", "", records::MAX_ROW_BYTES),
    ] {
        let content = format!("{header}a\n{long}x\n{long}\nb\n");
        let read = open(name, content, &columns(&[])).unwrap();
        let lengths: Vec<usize> = read.texts().iter().map(String::len).collect();
        assert_eq!(lengths, [1, limit, 1], "{name}");
        assert_eq!(read.errors.len(), 1, "{name}");
        assert!(
            read.errors[0].ends_with(&format!(
                "the row has more than {limit} bytes; is the file of another format?"
            )),
            "{:?}",
            read.errors
        );
    }
}

#[test]
fn quotes_are_text_where_the_options_say_so() {
    let options = ReaderOptions {
        quoting: Quoting::None,
        ..columns(&["title"])
    };
    let content = "id,title\n1,\"24\"\" monitor\"\n2,\"open\n";
    assert_eq!(
        texts("p.csv", content, &options),
        ["\"24\"\" monitor\"", "\"open"]
    );
}

/// MySQL writes `\"` for a quote within a field.
#[test]
fn a_quote_after_a_backslash_that_ends_a_field_too_early_makes_a_note() {
    let note = "p.csv: a quote after a backslash ends its field, and text follows; write quotes \
                within fields twice (\"\"), as CSV has them, or check the texts";
    for (field, noted) in [
        (r#""24\" monitor""#, true),
        (r#""say \"hi\" twice""#, true),
        (r#""C:\""#, false),
        (r#""a\\b""#, false),
        (r#""24\"" monitor""#, false),
        (r#"24\" monitor"#, false),
    ] {
        let content = format!("id,title\n1,{field}\n2,mug\n");
        let read = open("p.csv", &content, &columns(&["title"])).unwrap();
        let is_noted = read.notes.iter().any(|found| found == note);
        assert_eq!(is_noted, noted, "{field}: {:?}", read.notes);
    }
}

#[test]
fn quotes_after_a_space_are_no_part_of_a_name() {
    let content = "\"id\", \"title\" , \"brand\n1,kettle,Acme\n";
    assert_eq!(texts("p.csv", content, &columns(&["title"])), ["kettle"]);
    assert_eq!(texts("p.csv", content, &columns(&["\"brand"])), ["Acme"]);
    // Here they are.
    let content = "id,\"\"\"title\"\"\"\n1,kettle\n";
    assert_eq!(
        texts("p.csv", content, &columns(&["\"title\""])),
        ["kettle"]
    );
}
