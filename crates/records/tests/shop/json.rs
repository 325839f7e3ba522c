//! JSON: arrays, streams and lines of objects.

use records::ReaderOptions;

use crate::{columns, open, stream, texts};

/// F7, B4.
#[test]
fn an_array_of_objects_is_rows() {
    let content = "[{\"id\":1,\"title\":\"kettle\"},\n {\"id\":2,\"title\":\"mug\"}]\n";
    for name in ["p.json", "p.jsonl", "p.csv", "products", "p.data"] {
        let read = open(name, content, &columns(&["title"])).unwrap();
        assert_eq!(read.texts(), ["kettle", "mug"], "{name}");
        assert_eq!(read.lines(), [1, 2], "{name}");
        let note = format!("{name}: read as json, by its content");
        assert_eq!(read.notes.contains(&note), name != "p.json", "{name}");
    }
    // The title is the only text.
    assert_eq!(texts("p.json", content, &columns(&[])), ["kettle", "mug"]);
    assert_eq!(
        stream(content, &columns(&["title"])).unwrap().texts(),
        ["kettle", "mug"]
    );
    assert_eq!(texts("p.json", "[]", &columns(&["title"])), [""; 0]);
    assert_eq!(texts("p.json", "", &columns(&["title"])), [""; 0]);
}

#[test]
fn objects_may_follow_one_another_in_any_form() {
    for content in [
        "{\"t\":\"a\"}\n{\"t\":\"b\"}\n",
        "{\"t\":\"a\"} {\"t\":\"b\"}",
        "{\"t\":\"a\"},{\"t\":\"b\"},",
        "{\n  \"t\": \"a\",\n  \"x\": [{\"t\": 1}, \"}{\"]\n}\n{\n  \"t\": \"b\"\n}\n",
        "[\n  {\n    \"t\": \"a\"\n  },\n  {\n    \"t\": \"b\"\n  }\n]\n",
        "[{\"t\":\"a\"}]\n[{\"t\":\"b\"}]",
        "\u{feff}[{\"t\":\"a\"},{\"t\":\"b\", \"q\": \"\\\"}]\"}]",
    ] {
        assert_eq!(
            texts("p.json", content, &columns(&["t"])),
            ["a", "b"],
            "{content}"
        );
    }
}

/// F24.
#[test]
fn nan_and_infinity_in_other_fields_do_no_harm() {
    let content = "{\"id\":1,\"title\":\"kettle\",\"price\":NaN}\n{\"id\":2,\"title\":\"mug\",\"price\":-Infinity}\n";
    for name in ["p.jsonl", "p.json"] {
        assert_eq!(
            texts(name, content, &columns(&["title"])),
            ["kettle", "mug"]
        );
    }
    let array = format!("[{}]", content.trim().replace('\n', ","));
    assert_eq!(
        texts("p.json", array, &columns(&["title"])),
        ["kettle", "mug"]
    );
    let read = open("p.jsonl", content, &columns(&["title", "price"])).unwrap();
    assert_eq!(read.texts(), ["kettle"]);
    assert_eq!(
        read.errors,
        ["p.jsonl, line 2: field `price` is not a finite number where a text is needed"]
    );
}

#[test]
fn nested_fields_have_paths_and_lists_are_joined() {
    let content = "{\"product\":{\"title\":\"kettle\",\"sku\":7},\"tags\":[\"steel\",\"red\"]}\n\
                   {\"product\":null,\"tags\":[]}\n{\"product\":{\"title\":\"mug\",\"sku\":8}}\n";
    let options = ReaderOptions {
        id_column: Some("product.sku".to_owned()),
        ..columns(&["product.title", "tags"])
    };
    let read = open("p.jsonl", content, &options).unwrap();
    assert_eq!(read.texts(), ["kettle steel red", "mug"]);
    assert_eq!(
        read.errors,
        ["p.jsonl, line 2: no id: field `product.sku` is empty"]
    );
    let ids: Vec<_> = read
        .rows
        .iter()
        .map(|row| row.id.clone().unwrap())
        .collect();
    assert_eq!(ids, ["7", "8"]);
}

/// B5: a column that only some rows have is one of sparse texts; one that none has is a mistake.
#[test]
fn a_column_that_no_row_has_is_an_error() {
    let content = "{\"title\":\"kettle\"}\n{\"title\":\"mug\",\"description\":\"red\"}\n";
    let sparse = columns(&["title", "description"]);
    assert_eq!(texts("p.jsonl", content, &sparse), ["kettle", "mug red"]);
    let error = "p.jsonl: no column `descriptoin`; there are: title, description";
    assert_eq!(
        open("p.jsonl", content, &columns(&["title", "descriptoin"])).unwrap_err(),
        error
    );
    // Behind the rows that are looked at first (8 MiB), it is found at the end.
    let many = content.repeat(200_000);
    let read = open("p.jsonl", many, &columns(&["title", "descriptoin"])).unwrap();
    assert_eq!(read.rows.len(), 400_000);
    assert_eq!(read.errors, [error]);
}

#[test]
fn the_first_rows_together_tell_the_columns() {
    let content = "{\"id\":1,\"title\":null}\n{\"id\":2,\"title\":\"a\"}\n";
    assert_eq!(texts("p.jsonl", content, &columns(&[])), ["", "a"]);
    let content = "{\"id\":1,\"title\":\"a\"}\n{\"id\":2,\"brand\":\"b\"}\n";
    assert_eq!(
        open("p.jsonl", content, &columns(&[])).unwrap_err(),
        "p.jsonl: which column is the text? None is named `text`; choose one by --column: id, title, brand"
    );
}

#[test]
fn a_bad_row_is_named_and_the_next_ones_are_read() {
    let not_utf8 = b"{\"t\":\"a\",\"x\":\"\xff\"}\n{\"t\":\"\xff\"}\n{\"t\":\"b\"}\n";
    let read = open("p.jsonl", not_utf8, &columns(&["t"])).unwrap();
    assert_eq!(read.texts(), ["a", "b"]);
    assert_eq!(
        read.errors,
        ["p.jsonl, line 2: not UTF-8 at byte 24; is it --encoding windows-1252?"]
    );
    for (content, good, errors) in [
        (
            "{\"t\":\"a\"}\n[1]\n{\"t\":}\n\"x\"\n{\"t\":\"b\"}\n",
            &["a", "b"][..],
            &[
                "p.jsonl, line 2: not a JSON object: invalid type: sequence, expected an object",
                "p.jsonl, line 3: not a JSON object: expected value at column 6",
                "p.jsonl, line 4: not a JSON object: invalid type: string \"x\", expected an object at column 3",
            ][..],
        ),
        (
            "{\"t\":\"a\"}\n{\"t\":{\"x\":\"\u{1b}[2J\"}}\n{\"t\":\"b\"}\n",
            &["a", "b"],
            &[
                "p.jsonl, line 2: not a JSON object: control character (\\u0000-\\u001F) found while parsing a string at column 11",
            ],
        ),
    ] {
        let read = open("p.jsonl", content, &columns(&["t"])).unwrap();
        assert_eq!(read.texts(), good);
        assert_eq!(read.errors, errors);
    }
}

#[test]
fn reading_goes_on_after_a_broken_object_of_an_array() {
    for (content, good, errors) in [
        // A value is missing.
        (
            "[{\"t\":\"a\"},\n {\"t\": },\n {\"t\":\"c\"}]",
            &["a", "c"][..],
            &["p.json, line 2: not a JSON object: expected value at column 7"][..],
        ),
        // A string is not closed.
        (
            "[\n {\"t\":\"a\"},\n {\"t\":\"b,\n {\"t\":\"c\"}\n]",
            &["a", "c"],
            &["p.json, line 3: not JSON: a string has a line break"],
        ),
        (
            "[\n  {\n    \"t\": \"a\n  },\n  {\n    \"t\": \"b\",\n    \"x\": [\n      {\"t\": 1}\n    ]\n  }\n]",
            &["b"],
            &["p.json, line 2: not JSON: a string has a line break"],
        ),
        // An object is not closed.
        (
            "[{\"t\":\"a\", {\"t\":\"b\"}, {\"t\":\"c\"}]",
            &["b", "c"],
            &["p.json, line 1: not JSON: an object has no `}`"],
        ),
        (
            "[\n {\"t\":\"a\",\"x\":[1},\n {\"t\":\"b\"}\n]",
            &["b"],
            &["p.json, line 2: not JSON: brackets do not match"],
        ),
        // What is no object.
        (
            "[{\"t\":\"a\"}, 5, \"x\", [{\"t\":\"y\"}], null, {\"t\":\"b\"}]",
            &["a", "b"],
            &[
                "p.json, line 1: not a JSON object: invalid type: integer `5`, expected an object at column 1",
                "p.json, line 1: not a JSON object: invalid type: string \"x\", expected an object at column 3",
                "p.json, line 1: not a JSON object: invalid type: sequence, expected an object",
                "p.json, line 1: not a JSON object: invalid type: null, expected an object at column 4",
            ],
        ),
        // A download that broke off.
        (
            "[{\"t\":\"a\"},\n{\"t\":\"b\"},\n",
            &["a", "b"],
            &["p.json, line 3: not JSON: the array is cut short; it has no `]`"],
        ),
        (
            "[{\"t\":\"a\"},\n{\"t\":\"b",
            &["a"],
            &["p.json, line 2: not JSON: the value is cut short"],
        ),
    ] {
        let read = open("p.json", content, &columns(&["t"])).unwrap();
        assert_eq!(read.texts(), good, "{content}");
        assert_eq!(read.errors, errors, "{content}");
    }
}

/// A file of opened objects must not be read for ever.
#[test]
fn a_file_of_open_brackets_ends() {
    let content = format!("[\n{}{{\"t\":\"a\"}}\n]", "{\"x\": [\n".repeat(20_000));
    let read = open("p.json", content, &columns(&["t"])).unwrap();
    assert!(!read.errors.is_empty());
    let deep = "[".repeat(1_000_000);
    let read = open(
        "p.json",
        format!("[{{\"t\":\"a\"}}, {deep}"),
        &columns(&["t"]),
    )
    .unwrap();
    assert_eq!(read.texts(), ["a"]);
    let deep = format!(
        "{{\"t\":\"a\",\"x\":{}{}}}\n",
        "[".repeat(100_000),
        "]".repeat(100_000)
    );
    assert_eq!(texts("p.jsonl", deep, &columns(&["t"])), ["a"]);
}

const PRODUCTS: &str = r#"{"products": [
  {"title": "kettle"},
  {"title": "mug"}
]}"#;

#[test]
fn a_file_that_is_one_object_does_not_hide_its_rows() {
    let one_line = PRODUCTS.replace('\n', "");
    let compact = "{\"products\": [\n{\"title\":\"kettle\"},\n{\"title\":\"mug\"}\n]}";
    for (name, content) in [
        ("p.json", PRODUCTS),
        ("p.json", &one_line),
        ("p.json", compact),
        ("p.jsonl", &one_line),
        ("p", PRODUCTS),
    ] {
        assert_eq!(
            open(name, content, &columns(&["title"])).unwrap_err(),
            format!(
                "{name}: no column `title`; there are: products; `products` is an array of objects: \
                 if they are the rows, save it as a file of its own"
            ),
        );
        let error = open(name, content, &columns(&[])).unwrap_err();
        assert!(
            error.contains("`products` is an array of objects"),
            "{error}"
        );
        assert_eq!(
            open(name, content, &columns(&["products.title"])).unwrap_err(),
            format!(
                "{name}: the file is one object, so one row, with nothing but `products`, an array \
                 of objects; save that array as a file of its own, so that each is a row"
            ),
        );
    }
}

#[test]
fn texts_that_are_joined_from_an_array_of_the_only_row_make_a_note() {
    let content = r#"{"count": 2, "data": {"products": [{"title": "kettle"}, {"title": "mug"}]}}"#;
    let read = open("p.json", content, &columns(&["data.products.title"])).unwrap();
    assert_eq!(read.texts(), ["kettle mug"]);
    assert_eq!(
        read.notes,
        [
            "p.json: the file is one row, and `data.products` in it an array of objects, whose texts \
             are joined; if they are the rows, save the array as a file of its own"
        ]
    );
    // Rows may have such arrays.
    let rows = r#"[{"variants": [{"size": "S"}, {"size": "M"}]}, {"variants": []}]"#;
    let read = open("p.json", rows, &columns(&["variants.size"])).unwrap();
    assert_eq!(read.texts(), ["S M", ""]);
    assert!(
        !read.notes.iter().any(|note| note.contains("array")),
        "{:?}",
        read.notes
    );
}
