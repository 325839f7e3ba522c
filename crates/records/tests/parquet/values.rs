//! What values become.

use parquet::basic::Compression;
use records::{ReadError, RowReader};

use crate::writer::{Values, options, write};

/// The texts of a column of these values.
fn texts(field: &str, values: Values) -> Vec<Result<String, String>> {
    let file = write(field, Compression::UNCOMPRESSED, &[vec![values]]);
    let reader = RowReader::open(&file.source, &options(&["value"], None)).unwrap();
    reader
        .map(|record| {
            let text = |record: records::Row| record.fields.join("|");
            record.map(text).map_err(|error| file.message(&error))
        })
        .collect()
}

#[track_caller]
fn assert_texts(field: &str, values: Values, expected: &[&str]) {
    let expected: Vec<Result<String, String>> =
        expected.iter().map(|&text| Ok(text.to_owned())).collect();
    assert_eq!(texts(field, values), expected, "{field}");
}

#[test]
fn texts_stay_as_they_are() {
    for annotation in ["UTF8", "STRING", "ENUM", "JSON"] {
        assert_texts(
            &format!("required binary value ({annotation});"),
            Values::texts(&[Some("{\"a\": 1}"), Some(""), Some("é\n\t\"\u{feff}")]),
            &["{\"a\": 1}", "", "é\n\t\"\u{feff}"],
        );
    }
}

#[test]
fn integers_and_booleans_are_written_as_in_json() {
    assert_texts(
        "required boolean value;",
        Values::Bool(vec![Some(true), Some(false)]),
        &["true", "false"],
    );
    let small = || Values::Int32(vec![Some(-1), Some(i32::MAX)]);
    assert_texts("required int32 value;", small(), &["-1", "2147483647"]);
    assert_texts(
        "required int32 value (INTEGER(32,false));",
        small(),
        &["4294967295", "2147483647"],
    );
    assert_texts(
        "required int32 value (INTEGER(8,true));",
        Values::Int32(vec![Some(-128), Some(5)]),
        &["-128", "5"],
    );
    assert_texts(
        "required int32 value (INTEGER(16,false));",
        Values::Int32(vec![Some(65_535)]),
        &["65535"],
    );
    let large = || Values::Int64(vec![Some(-1), Some(i64::MAX)]);
    assert_texts(
        "required int64 value;",
        large(),
        &["-1", "9223372036854775807"],
    );
    assert_texts(
        "required int64 value (INTEGER(64,false));",
        large(),
        &["18446744073709551615", "9223372036854775807"],
    );
}

#[test]
fn numbers_are_written_as_in_json() {
    assert_texts(
        "required float value;",
        Values::Float(vec![Some(0.1), Some(-2.0), Some(1e-7), Some(f32::MAX)]),
        &["0.1", "-2.0", "1e-7", "3.4028235e+38"],
    );
    assert_texts(
        "required double value;",
        Values::Double(vec![Some(0.1), Some(5e-324), Some(1e300), Some(-0.0)]),
        &["0.1", "5e-324", "1e+300", "-0.0"],
    );
    assert_texts(
        "required fixed_len_byte_array (2) value (FLOAT16);",
        // 1.5 and -2 in half precision, the lower byte first.
        Values::Fixed(vec![Some(vec![0x00, 0x3e]), Some(vec![0x00, 0xc0])]),
        &["1.5", "-2.0"],
    );
}

#[test]
fn decimal_numbers_keep_their_digits() {
    assert_texts(
        "required int32 value (DECIMAL(9,2));",
        Values::Int32(vec![Some(150), Some(-5), Some(0)]),
        &["1.50", "-0.05", "0.00"],
    );
    assert_texts(
        "required int64 value (DECIMAL(18,0));",
        Values::Int64(vec![Some(12), Some(-3)]),
        &["12", "-3"],
    );
    assert_texts(
        "required fixed_len_byte_array (16) value (DECIMAL(38,1));",
        Values::Fixed(vec![Some((-15_i128).to_be_bytes().to_vec())]),
        &["-1.5"],
    );
}

#[test]
fn a_null_and_nan_are_missing_and_infinity_makes_a_bad_row() {
    let values = Values::Double(vec![
        Some(1.0),
        None,
        Some(f64::NAN),
        Some(f64::NEG_INFINITY),
        Some(2.0),
    ]);
    assert_eq!(
        texts("optional double value;", values),
        [
            Ok("1.0".to_owned()),
            Ok(String::new()),
            Ok(String::new()),
            Err(
                "rows.parquet, row 4: field `value` is not a finite number where a text is needed"
                    .to_owned()
            ),
            Ok("2.0".to_owned()),
        ]
    );
}

#[test]
fn bytes_are_texts_where_they_are_utf8_and_a_uuid_is_written_as_one() {
    let bytes = |bytes: &[u8]| Some(bytes.to_vec());
    let values = Values::Bytes(vec![bytes("é".as_bytes()), bytes(b"\xff"), bytes(b"b")]);
    let bad = "rows.parquet, row 2: not UTF-8";
    // Also where the column claims to be text: only the row is bad.
    for field in ["required binary value;", "required binary value (UTF8);"] {
        let expected = [Ok("é".to_owned()), Err(bad.to_owned()), Ok("b".to_owned())];
        assert_eq!(texts(field, values.clone()), expected, "{field}");
    }
    assert_texts(
        "required fixed_len_byte_array (16) value (UUID);",
        Values::Fixed(vec![
            bytes(&(0xf0..=0xff).collect::<Vec<u8>>()),
            bytes(&[0; 16]),
        ]),
        &[
            "f0f1f2f3-f4f5-f6f7-f8f9-fafbfcfdfeff",
            "00000000-0000-0000-0000-000000000000",
        ],
    );
}

#[test]
fn dates_and_times_are_written_as_iso_8601_has_them() {
    assert_texts(
        "required int32 value (DATE);",
        Values::Int32(vec![Some(19_000), Some(-1)]),
        &["2022-01-08", "1969-12-31"],
    );
    assert_texts(
        "required int64 value (TIMESTAMP(MILLIS,false));",
        Values::Int64(vec![Some(1_500)]),
        &["1970-01-01T00:00:01.500"],
    );
    assert_texts(
        "required int64 value (TIMESTAMP(MICROS,true));",
        Values::Int64(vec![Some(1_000_000)]),
        &["1970-01-01T00:00:01Z"],
    );
    assert_texts(
        "required int32 value (TIME_MILLIS);",
        Values::Int32(vec![Some(3_600_000)]),
        &["01:00:00"],
    );
}

#[test]
fn a_null_in_another_column_does_no_harm() {
    let file = write(
        "optional binary value (UTF8); optional binary other (UTF8);",
        Compression::UNCOMPRESSED,
        &[vec![
            Values::texts(&[Some("a"), Some("b")]),
            Values::texts(&[None, Some("c")]),
        ]],
    );
    let reader = RowReader::open(&file.source, &options(&["value"], None)).unwrap();
    let texts: Vec<String> = reader.map(|record| record.unwrap().text()).collect();
    assert_eq!(texts, ["a", "b"]);
}

#[test]
fn unusable_ids_make_bad_rows() {
    let file = write(
        "optional binary id (UTF8); required binary value (UTF8);",
        Compression::UNCOMPRESSED,
        &[vec![
            Values::texts(&[None, Some(""), Some("1\n2"), Some("4")]),
            Values::texts(&[Some("a"), Some("b"), Some("c"), Some("d")]),
        ]],
    );
    let reader = RowReader::open(&file.source, &options(&["value"], Some("id"))).unwrap();
    let results: Vec<_> = reader.collect();
    let errors: Vec<String> = results
        .iter()
        .filter_map(|result| result.as_ref().err())
        .inspect(|error| assert!(matches!(error, ReadError::Row { .. })))
        .map(|error| file.message(error))
        .collect();
    assert_eq!(
        errors,
        [
            "rows.parquet, row 1: no id: field `id` is empty",
            "rows.parquet, row 2: no id: field `id` is empty",
            "rows.parquet, row 3: the id in field `id` has a line break",
        ]
    );
    assert_eq!(
        results[3].as_ref().unwrap().id.as_deref(),
        Some("4"),
        "rows behind bad ones are read"
    );
}
