use super::*;

#[test]
fn a_place_is_a_line_of_a_file_or_a_row() {
    let row = |file: Option<&str>| DataError::Row {
        file: file.map(|path| Source::File(path.into())),
        numbering: if file.is_some() {
            Numbering::Lines
        } else {
            Numbering::Rows
        },
        line: 7,
        source: ExampleProblem::Empty {
            cell: Cell {
                role: Role::Anchor,
                column: file.map(|_| "title".to_owned()),
            },
        },
    };
    assert_eq!(
        row(Some("pairs.csv")).to_string(),
        "pairs.csv, line 7: the anchor (column `title`) is empty; fill it in, or skip bad rows with --skip-bad-rows"
    );
    assert_eq!(
        row(None).to_string(),
        "row 7: the anchor is empty; fill it in, or skip bad rows with --skip-bad-rows"
    );
    assert!(row(None).is_row());
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
