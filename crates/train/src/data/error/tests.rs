use super::*;

#[test]
fn a_place_is_a_line_of_a_file_or_a_row() {
    let row = |numbering, column: &str| DataError::Row {
        file: Source::File("pairs.csv".into()),
        numbering,
        line: 7,
        source: BadCell {
            cell: Cell {
                role: Role::Anchor,
                column: column.to_owned(),
            },
            fault: Fault::Empty,
        },
    };
    assert_eq!(
        row(Numbering::Lines, "title").to_string(),
        "pairs.csv, line 7: the anchor (column `title`) is empty; fill it in, or leave the row out (`train fit` does with --skip-bad-rows)"
    );
    assert_eq!(
        row(Numbering::Rows, "Anchor").to_string(),
        "pairs.csv, row 7: the anchor is empty; fill it in, or leave the row out (`train fit` does with --skip-bad-rows)"
    );
    assert!(row(Numbering::Rows, "a").is_row());
}

#[test]
fn a_source_is_kept() {
    let error = DataError::Columns {
        file: Source::Stdin,
        source: ColumnMapError::Missing { role: Role::Anchor },
    };
    let source = std::error::Error::source(&error).unwrap();
    assert_eq!(
        source.downcast_ref(),
        Some(&ColumnMapError::Missing { role: Role::Anchor })
    );
}
