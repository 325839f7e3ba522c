//! Which columns are read.

use parquet::basic::Compression;
use records::{ColumnErrorKind, ReadError, ReaderOptions, RowReader};

use crate::writer::{Values, Written, options, write, write_texts};

/// Two texts, a number, a boolean, and columns that cannot become texts.
fn mixed() -> Written {
    write(
        "required int32 sku; required binary title (UTF8); optional boolean good; \
         required binary raw; required int32 day (DATE); \
         required int64 at (TIMESTAMP(NANOS,true)); optional int32 none (UNKNOWN); \
         required binary brand (UTF8); required group of { required int32 a; }",
        Compression::UNCOMPRESSED,
        &[vec![
            Values::Int32(vec![Some(1)]),
            Values::texts(&[Some("kettle")]),
            Values::Bool(vec![Some(true)]),
            Values::texts(&[Some("x")]),
            Values::Int32(vec![Some(19_000)]),
            Values::Int64(vec![Some(1)]),
            Values::Int32(vec![None]),
            Values::texts(&[Some("Acme")]),
            Values::Int32(vec![Some(1)]),
        ]],
    )
}

fn error(reader: Result<RowReader, ReadError>) -> ReadError {
    reader.err().unwrap()
}

fn fields(reader: &mut RowReader) -> Vec<String> {
    reader.next().unwrap().unwrap().fields
}

#[test]
fn texts_numbers_and_booleans_are_read_in_the_order_of_the_file() {
    let file = mixed();
    let mut reader = RowReader::open_every_scalar(&file.source, &options(&[], None)).unwrap();
    assert_eq!(reader.columns(), ["sku", "title", "good", "brand"]);
    assert_eq!(fields(&mut reader), ["1", "kettle", "true", "Acme"]);
    assert!(reader.next().is_none());

    let options = options(&[], Some("sku"));
    let mut reader = RowReader::open_every_scalar(&file.source, &options).unwrap();
    assert_eq!(reader.columns(), ["title", "good", "brand"]);
    let record = reader.next().unwrap().unwrap();
    assert_eq!(record.id.as_deref(), Some("1"));
    assert_eq!(record.fields, ["kettle", "true", "Acme"]);
}

#[test]
fn texts_alone_are_read_where_only_texts_are_asked_for() {
    let file = mixed();
    let mut reader =
        RowReader::open_every_column(std::slice::from_ref(&file.source), &options(&[], None))
            .unwrap();
    assert_eq!(reader.columns(), ["title", "brand"]);
    assert_eq!(fields(&mut reader), ["kettle", "Acme"]);
}

#[test]
fn named_columns_are_read_in_the_order_of_their_names_also_twice() {
    let file = mixed();
    let options = options(&["brand", "sku", "title", "sku"], Some("sku"));
    let mut reader = RowReader::open(&file.source, &options).unwrap();
    assert_eq!(reader.columns(), ["brand", "sku", "title", "sku"]);
    let record = reader.next().unwrap().unwrap();
    assert_eq!(record.id.as_deref(), Some("1"));
    assert_eq!(record.fields, ["Acme", "1", "kettle", "1"]);
}

#[test]
fn the_only_column_of_texts_or_the_one_named_text_is_the_text() {
    let text = |schema: &str, columns: Vec<Values>, id| {
        let file = write(schema, Compression::UNCOMPRESSED, &[columns]);
        let reader = RowReader::open(&file.source, &options(&[], id));
        reader
            .map(|reader| reader.columns().to_vec())
            .map_err(|error| file.message(&error))
    };
    let two = || {
        vec![
            Values::texts(&[Some("a")]),
            Values::texts(&[Some("b")]),
            Values::Int32(vec![Some(1)]),
        ]
    };
    let schema = "required binary sku (UTF8); required binary title (UTF8); required int32 n;";
    assert_eq!(
        text(schema, two(), Some("sku")),
        Ok(vec!["title".to_owned()])
    );
    assert_eq!(
        text(schema, two(), None),
        Err(
            "rows.parquet: which column is the text? None is named `text`; choose one by \
             --column: sku, title, n"
                .to_owned()
        )
    );
    let schema = "required binary sku (UTF8); required binary text (UTF8); required int32 n;";
    assert_eq!(text(schema, two(), None), Ok(vec!["text".to_owned()]));
}

#[test]
fn dates_times_and_bytes_that_are_texts_can_be_named() {
    let file = mixed();
    let named = options(&["raw", "day", "at", "of.a"], None);
    let mut reader = RowReader::open(&file.source, &named).unwrap();
    assert_eq!(
        fields(&mut reader),
        ["x", "2022-01-08", "1970-01-01T00:00:00.000000001Z", "1"]
    );
    // A column without a value is one of missing texts.
    let mut reader = RowReader::open(&file.source, &options(&["none"], None)).unwrap();
    assert_eq!(fields(&mut reader), [""]);
}

#[test]
fn nested_columns_have_paths() {
    let file = mixed();
    let error = |column: &str| {
        let named = options(&[column], None);
        file.message(&error(RowReader::open(&file.source, &named)))
    };
    assert_eq!(
        error("of"),
        "rows.parquet: column `of` holds nested values, whose names are such as `product.title`, \
         where texts, numbers, dates or lists of them are needed"
    );
    let present = "there are: sku, title, good, raw, day, at, none, brand, of";
    for column in ["a", "of.b", "title.x"] {
        assert_eq!(
            error(column),
            format!("rows.parquet: no column `{column}`; {present}")
        );
    }
}

#[test]
fn a_file_without_a_column_that_could_be_read_says_so() {
    let bytes = vec![Values::texts(&[Some("x")])];
    let file = write("required binary raw;", Compression::UNCOMPRESSED, &[bytes]);
    let error = error(RowReader::open_every_scalar(
        &file.source,
        &ReaderOptions::default(),
    ));
    assert!(
        matches!(
            &error,
            ReadError::Columns { source: ColumnErrorKind::NoneFits { present }, .. }
                if present == &["raw"]
        ),
        "{error}"
    );
}

#[test]
fn spaces_around_a_name_do_not_count_unless_two_names_differ_in_them() {
    let file = write_texts(&[
        (" title ", "kettle"),
        ("brand", "Acme"),
        ("brand ", "Other"),
        ("a", "x"),
    ]);
    for (name, expected) in [
        ("title", "kettle"),
        (" title ", "kettle"),
        ("brand", "Acme"),
        ("brand ", "Other"),
        (" a", "x"),
    ] {
        let mut reader = RowReader::open(&file.source, &options(&[name], None)).unwrap();
        assert_eq!(fields(&mut reader), [expected], "{name}");
    }
    let error = error(RowReader::open(&file.source, &options(&[" brand"], None)));
    assert!(error.to_string().contains("more than once"), "{error}");
    // Also where nobody names a column.
    let mut reader = RowReader::open_every_scalar(&file.source, &options(&[], None)).unwrap();
    assert_eq!(fields(&mut reader), ["kettle", "Acme", "Other", "x"]);
}
