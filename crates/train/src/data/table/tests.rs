use super::*;

fn example(texts: &[&str], target: Option<f32>) -> Example {
    Example {
        texts: texts.iter().map(|&text| text.to_owned()).collect(),
        target,
    }
}

fn three() -> RowKind {
    RowKind::Tuples { negatives: 1 }
}

#[test]
fn rows_come_back_as_they_went_in() {
    let rows = [
        example(&["größe", "b", "ccc"], None),
        example(&[" d ", "日本", "f"], None),
    ];
    let table = TextTable::from_rows(three(), rows.clone()).unwrap();
    assert_eq!((table.len(), table.text_columns()), (2, 3));
    for (number, row) in rows.iter().enumerate() {
        assert_eq!(Dataset::get(&table, number).as_ref(), Some(row));
        let held = table.row(number);
        assert_eq!((held.number(), held.line()), (number, number as u64 + 1));
        assert_eq!(
            (held.target(), held.group(), held.file()),
            (None, None, None)
        );
    }
    assert_eq!(Dataset::get(&table, 2), None);
    assert_eq!(Dataset::len(&table), 2);
    assert_eq!(table.text(1, 1), "日本");
    assert_eq!(
        table.rows().flat_map(|row| row.texts()).collect::<String>(),
        "größebccc d 日本f"
    );
}

#[test]
fn rows_that_do_not_fit_their_kind_are_bad() {
    for (kind, row, message) in [
        (
            RowKind::Pairs,
            example(&["a"], None),
            "row 2: 1 texts instead of 2",
        ),
        (
            three(),
            example(&["a", "b", " \n"], None),
            "row 2: the negative is empty; fill it in, or skip bad rows with --skip-bad-rows",
        ),
        (
            RowKind::Pairs,
            example(&["a", "b"], Some(1.0)),
            "row 2: rows of pairs have no target, but this one has",
        ),
        (
            RowKind::Scored,
            example(&["a", "b"], None),
            "row 2: rows of pairs with a score need a target, but this one has none",
        ),
        (
            RowKind::Scored,
            example(&["a", "b"], Some(f32::NAN)),
            "row 2: the score is `NaN`, which is not finite",
        ),
    ] {
        let good = Example {
            texts: vec!["x".to_owned(); kind.text_columns()],
            target: kind.target().map(|_| 1.0),
        };
        let error = TextTable::from_rows(kind, [good, row]).unwrap_err();
        assert_eq!(error.to_string(), message);
    }
    let half = [example(&["a", "b"], Some(0.5))];
    let error = TextTable::from_rows(RowKind::Labelled, half).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("row 1: the label is `0.5`, neither 0 nor 1")
    );
}

#[test]
fn no_rows_are_no_table() {
    let error = TextTable::from_rows(RowKind::Pairs, []).unwrap_err();
    assert_eq!(error.to_string(), "no rows in the data");
}

/// Memory of the rows, without a share of the type itself.
pub(crate) fn bytes_held(table: &TextTable) -> usize {
    table.texts.capacity()
        + table.ends.capacity() * size_of::<usize>()
        + table.targets.capacity() * size_of::<f32>()
        + (table.groups.capacity() + table.lines.capacity()) * size_of::<u64>()
}

#[test]
fn a_million_rows_take_the_bytes_that_are_promised() {
    let rows = 1_000_000;
    let examples = (0..rows).map(|row| Example {
        texts: vec![format!("title {row:07}"), "d".repeat(50)],
        target: Some(0.5),
    });
    let table = TextTable::from_rows(RowKind::Scored, examples).unwrap();
    assert_eq!(table.len(), rows);
    assert_eq!(table.text(rows - 1, 0), "title 0999999");
    // Texts of 13 and 50 bytes, two ends, a line, a score.
    let promised = rows * (13 + 50 + 2 * 8 + 8 + 4);
    assert_eq!(bytes_held(&table), promised);
}
