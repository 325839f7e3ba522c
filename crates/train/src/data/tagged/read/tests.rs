use super::*;

fn read(files: &[(&str, &str)], options: &TaggedOptions) -> Result<TextTable, DataError> {
    let folder = tempfile::tempdir().unwrap();
    let paths = files.iter().map(|(name, content)| {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    });
    TextTable::read_tagged(&paths.collect::<Vec<_>>(), options)
}

const SPANS: &str =
    "{\"text\": \"Acme red\", \"spans\": [{\"start\": 0, \"end\": 4, \"label\": \"brand\"}]}\n\n";

#[test]
fn forms_are_told_by_the_first_line() {
    let conll = "\nred\tB-colour\nlamp\tO\n";
    let table = read(
        &[("a.jsonl", SPANS), ("b.txt", conll)],
        &TaggedOptions::default(),
    )
    .unwrap();
    assert_eq!((table.kind(), table.len()), (RowKind::Tagged, 2));
    assert_eq!(table.annotations.labels, ["brand", "colour"]);
    assert_eq!((table.text(1, 0), table.row(1).line()), ("red lamp", 2));
    let span = LabelledSpan {
        start: 0,
        end: 3,
        label: 1,
    };
    assert_eq!(table.annotations.rows[1].spans, [span]);
    let annotations = &table.annotations;
    let mut rows = annotations.rows.iter();
    assert!(rows.all(|row| annotations.open_labels(row).next().is_none()));
}

#[test]
fn labels_of_columns_that_a_row_does_not_state_are_open() {
    let csv =
        "title,brand,color,kind\nAcme red lamp,ACME,red,lamps\nAcme pot,Acme,,\nNord pot,,,\n,,,\n";
    let options = TaggedOptions {
        labels: ["brand", "colour=color"]
            .map(|word| word.parse().unwrap())
            .into(),
        category_column: Some("kind".to_owned()),
        skip_bad_rows: true,
        ..TaggedOptions::default()
    };
    let table = read(&[("a.csv", csv)], &options).unwrap();
    assert_eq!((table.len(), table.skipped()), (2, 1));
    let rows = &table.annotations.rows;
    let open = |row: usize| -> Vec<&str> { table.annotations.open_labels(&rows[row]).collect() };
    assert_eq!(
        (rows[0].category.as_deref(), open(0)),
        (Some("lamps"), vec![])
    );
    assert_eq!(
        (rows[1].category.as_deref(), open(1)),
        (None, vec!["colour"])
    );
    assert_eq!(
        table.annotations.notes.len(),
        1,
        "{:?}",
        table.annotations.notes
    );
    let brand = TaggedOptions {
        labels: vec!["brand".parse().unwrap()],
        ..TaggedOptions::default()
    };
    let elsewhere = read(&[("a.csv", "title,brand\npot,Acme\n")], &brand);
    let error = elsewhere.unwrap_err().to_string();
    assert!(error.contains("no text of the 1 rows"), "{error}");
    let missing = TaggedOptions {
        labels: vec!["maker".parse().unwrap()],
        ..options
    };
    let error = read(&[("a.csv", csv)], &missing).unwrap_err().to_string();
    assert!(error.contains("maker"), "{error}");
}

#[test]
fn a_label_can_be_open_without_a_span() {
    let jsonl = concat!(
        r#"{"text": "acme red kettle", "attributes": {"brand": "acme", "scent": null}}"#,
        "\n",
        r#"{"text": "pot", "spans": [], "open": ["size"]}"#,
        "\n"
    );
    let table = read(&[("a.jsonl", jsonl)], &TaggedOptions::default()).unwrap();
    let annotations = &table.annotations;
    assert_eq!(annotations.labels, ["brand"]);
    assert_eq!(annotations.without_spans, ["scent", "size"]);
    let open =
        |row: usize| -> Vec<&str> { annotations.open_labels(&annotations.rows[row]).collect() };
    assert_eq!((open(0), open(1)), (vec!["scent", "size"], vec!["size"]));
    // Nothing says that the first text has no colour, which no row of the file has.
    assert!(annotations.rows[0].known.is_open("colour"));
    assert!(!annotations.rows[1].known.is_open("colour"));
}

#[test]
fn a_text_with_a_bad_line_is_skipped_as_a_whole() {
    let skipping = TaggedOptions {
        skip_bad_rows: true,
        ..TaggedOptions::default()
    };
    let conll = "acme B-brand\nred\nkettle O\n\npot O\n";
    let table = read(&[("a.txt", conll)], &skipping).unwrap();
    assert_eq!((table.len(), table.skipped()), (1, 1));
    assert_eq!(table.text(0, 0), "pot");
    let error = read(&[("a.txt", conll)], &TaggedOptions::default());
    let error = error.unwrap_err().to_string();
    assert!(error.contains("a.txt, line 2: "), "{error}");
}

#[test]
fn bad_rows_name_their_line() {
    let bad = format!(
        "{SPANS}{{\"text\": \"red\", \"spans\": [{{\"start\": 1, \"end\": 4, \"label\": \"colour\"}}]}}\n"
    );
    let error = read(&[("a.jsonl", &bad)], &TaggedOptions::default())
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("a.jsonl, line 3: the span 1 to 4 of `colour`"),
        "{error}"
    );
    let skipping = TaggedOptions {
        skip_bad_rows: true,
        ..TaggedOptions::default()
    };
    let table = read(&[("a.jsonl", &bad)], &skipping).unwrap();
    assert_eq!((table.len(), table.skipped()), (1, 1));
    for content in [
        "a B-x\nb I-y\n",
        "{\"text\": \"\", \"spans\": []}\n",
        "{\"text\": \"a\"}\n",
    ] {
        let error = read(&[("a.jsonl", content)], &TaggedOptions::default())
            .unwrap_err()
            .to_string();
        assert!(error.contains("line 1: "), "{error}");
    }
}
