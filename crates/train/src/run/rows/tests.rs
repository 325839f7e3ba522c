use super::*;

/// The error of validation rows in a file, where training rows have the columns `title` and `maker`.
fn refused(name: &str, content: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, content).unwrap();
    let options = TaggedOptions {
        labels: vec!["brand=maker".parse().unwrap()],
        ..TaggedOptions::default()
    };
    let error = read_validation(options, &[path]).unwrap_err();
    error.to_string()
}

#[test]
fn validation_rows_without_the_columns_are_rows_with_spans() {
    let bad = concat!(
        r#"{"text": "acme", "spans": []}"#,
        "\n",
        r#"{"text": "acme", "spans": [{"start": 0, "end": 9, "label": "brand"}]}"#
    );
    let error = refused("valid.jsonl", bad);
    assert!(error.contains("line 2: the span 0 to 9"), "{error}");
    let conll = "acme\tB-brand\n\npot\tI-brand\n";
    let error = refused("valid.conll", conll);
    assert!(error.contains("line 3: the tag `I-brand`"), "{error}");
    // A product file without the column.
    for (name, content) in [
        ("valid.csv", "title,brand\nacme pot,acme\n"),
        ("valid.tsv", "title\tbrand\nacme pot\tacme\n"),
        (
            "valid.jsonl",
            "{\"title\": \"acme pot\", \"brand\": \"acme\"}\n",
        ),
    ] {
        let error = refused(name, content);
        assert!(error.contains("`maker`"), "{error}");
    }
    // One with a bad row.
    let error = refused("valid.csv", "title,maker\nacme pot,acme\npot\n");
    assert!(error.contains("line 3"), "{error}");
}

#[test]
fn there_are_five_demo_pairs() {
    let table = demo_pairs().unwrap();
    assert_eq!((table.len(), table.text_columns()), (5, 2));
    assert_eq!(table.text(0, 0), "high end water bottle");
}
