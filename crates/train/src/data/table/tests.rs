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
