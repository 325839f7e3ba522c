//! Filters, read, printed and applied, compared with the same conditions on single rows.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may")]

use std::cmp::Ordering;

use proptest::prelude::*;
use roaring::RoaringBitmap;
use search::filter::{
    Column, ColumnBuilder, ColumnError, ColumnKind, Comparison, FacetCounter, Filter, FilterColumn,
    FilterError, SortKey, Value, fold_case,
};

const NAMES: [(&str, ColumnKind); 5] = [
    ("brand", ColumnKind::Text),
    ("price", ColumnKind::Number),
    ("in stock", ColumnKind::Boolean),
    ("since", ColumnKind::Date),
    ("and", ColumnKind::Key),
];

fn declared() -> Vec<FilterColumn> {
    NAMES
        .iter()
        .map(|(name, kind)| FilterColumn {
            name: (*name).to_owned(),
            kind: *kind,
        })
        .collect()
}

fn parse(text: &str) -> Result<Filter, FilterError> {
    Filter::parse(text, &declared())
}

/// Few different values, so that rows are often equal.
fn value(kind: ColumnKind) -> BoxedStrategy<Value> {
    match kind {
        ColumnKind::Text | ColumnKind::Key => prop_oneof![
            "[abAB]{1,2}",
            r#"[a'"(),=<>! ß-]{1,4}"#,
            "and|NOT|in|straße|STRASSE|12,50|-",
        ]
        .prop_map(|text: String| text.trim().to_owned())
        .prop_filter("blank", |text| !text.is_empty())
        .prop_map(Value::Text)
        .boxed(),
        ColumnKind::Number => prop_oneof![
            (-3i32..3).prop_map(|n| Value::Number(f64::from(n) / 2.0)),
            Just(Value::Number(-0.0)),
            Just(Value::Number(1e-7))
        ]
        .boxed(),
        ColumnKind::Boolean => any::<bool>().prop_map(Value::Boolean).boxed(),
        ColumnKind::Date => (-2i64..3).prop_map(|n| Value::Date(n * 43_200)).boxed(),
    }
}

fn comparison(kind: ColumnKind) -> BoxedStrategy<Comparison> {
    let equality = prop_oneof![Just(Comparison::Equal), Just(Comparison::NotEqual)];
    let order = prop_oneof![
        Just(Comparison::Less),
        Just(Comparison::LessOrEqual),
        Just(Comparison::Greater),
        Just(Comparison::GreaterOrEqual)
    ];
    if kind == ColumnKind::Boolean {
        equality.boxed()
    } else {
        prop_oneof![equality, order].boxed()
    }
}

fn filter() -> impl Strategy<Value = Filter> {
    let leaf = (0..NAMES.len()).prop_flat_map(|place| {
        let (name, kind) = NAMES[place];
        let column = name.to_owned();
        let (one, many, none) = (column.clone(), column.clone(), column);
        prop_oneof![
            3 => (comparison(kind), value(kind)).prop_map(move |(comparison, value)| Filter::Compare {
                column: one.clone(),
                comparison,
                value,
            }),
            2 => prop::collection::vec(value(kind), 1..4).prop_map(move |values| Filter::In { column: many.clone(), values }),
            1 => Just(Filter::IsMissing { column: none }),
        ]
    });
    leaf.prop_recursive(4, 20, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 2..4).prop_map(Filter::And),
            prop::collection::vec(inner.clone(), 2..4).prop_map(Filter::Or),
            inner.prop_map(|inner| Filter::Not(Box::new(inner))),
        ]
    })
}

type Row = Vec<Option<Value>>;

fn table() -> impl Strategy<Value = Vec<Row>> {
    let row: Vec<_> = NAMES
        .iter()
        .map(|(_, kind)| prop::option::weighted(0.8, value(*kind)))
        .collect();
    prop::collection::vec(row, 0..40)
}

fn columns(rows: &[Row]) -> Vec<Column> {
    let column = |(place, (_, kind)): (usize, &(&str, ColumnKind))| {
        let mut builder = ColumnBuilder::new(*kind);
        for row in rows {
            builder.push(row[place].clone()).unwrap();
        }
        builder.finish()
    };
    NAMES.iter().enumerate().map(column).collect()
}

fn named(columns: &[Column]) -> Vec<(&'static str, &Column)> {
    NAMES.iter().map(|(name, _)| *name).zip(columns).collect()
}

fn order(left: &Value, right: &Value) -> Ordering {
    match (left, right) {
        (Value::Text(left), Value::Text(right)) => fold_case(left).cmp(&fold_case(right)),
        (Value::Number(left), Value::Number(right)) => left.partial_cmp(right).unwrap(),
        (Value::Boolean(left), Value::Boolean(right)) => left.cmp(right),
        (Value::Date(left), Value::Date(right)) => left.cmp(right),
        _ => panic!("{left:?} and {right:?} are of different kinds"),
    }
}

fn fulfils(filter: &Filter, row: &Row) -> bool {
    let of =
        |column: &str| row[NAMES.iter().position(|(name, _)| *name == column).unwrap()].as_ref();
    match filter {
        Filter::Compare {
            column,
            comparison,
            value,
        } => of(column).is_some_and(|found| {
            let order = order(found, value);
            match comparison {
                Comparison::Equal => order == Ordering::Equal,
                Comparison::NotEqual => order != Ordering::Equal,
                Comparison::Less => order == Ordering::Less,
                Comparison::LessOrEqual => order != Ordering::Greater,
                Comparison::Greater => order == Ordering::Greater,
                Comparison::GreaterOrEqual => order != Ordering::Less,
            }
        }),
        Filter::In { column, values } => of(column).is_some_and(|found| {
            values
                .iter()
                .any(|value| order(found, value) == Ordering::Equal)
        }),
        Filter::IsMissing { column } => of(column).is_none(),
        Filter::And(parts) => parts.iter().all(|part| fulfils(part, row)),
        Filter::Or(parts) => parts.iter().any(|part| fulfils(part, row)),
        Filter::Not(inner) => !fulfils(inner, row),
    }
}

proptest! {
    #[test]
    fn a_filter_is_read_as_it_is_printed(filter in filter()) {
        let text = filter.to_string();
        prop_assert_eq!(parse(&text).map_err(|error| TestCaseError::fail(format!("{text}: {error}")))?, filter);
    }

    #[test]
    fn the_rows_are_those_that_fulfil_it(filter in filter(), rows in table()) {
        let columns = columns(&rows);
        let found = filter.rows(&named(&columns), rows.len() as u32).unwrap();
        let expected: RoaringBitmap =
            (0u32..).zip(&rows).filter(|(_, row)| fulfils(&filter, row)).map(|(number, _)| number).collect();
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn a_column_is_read_as_it_is_written(rows in table()) {
        for (place, column) in columns(&rows).iter().enumerate() {
            let mut bytes = Vec::new();
            column.write(&mut bytes).unwrap();
            let again = Column::read(&bytes, column.kind(), rows.len()).unwrap();
            for (number, row) in (0u32..).zip(&rows) {
                prop_assert_eq!(&again.value(number), &row[place]);
            }
            prop_assert_eq!(again.value(rows.len() as u32), None);
            prop_assert!(Column::read(&bytes, column.kind(), rows.len() + 1).is_err());
        }
    }

    #[test]
    fn damaged_columns_do_not_panic(rows in table(), at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<bool>(), filter in filter()) {
        let mut columns = columns(&rows);
        for column in &mut columns {
            let mut bytes = Vec::new();
            column.write(&mut bytes).unwrap();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            if cut {
                bytes.truncate(at);
            }
            if let Ok(damaged) = Column::read(&bytes, column.kind(), rows.len()) {
                *column = damaged;
            }
        }
        let all = filter.rows(&named(&columns), rows.len() as u32).unwrap();
        let mut facets = FacetCounter::new();
        for column in &columns {
            prop_assert!(column.first_rows(&all, true, 3).len() <= 3);
            facets.add(column, &all);
        }
    }

    #[test]
    fn any_text_is_a_filter_or_an_error(text in r#"\PC{0,40}|(brand|price|and|OR|not|in|is|missing|between|[(),='"<>! ]|a|1){0,20}"#) {
        match parse(&text) {
            Ok(filter) => prop_assert_eq!(parse(&filter.to_string()).unwrap(), filter),
            Err(error) => prop_assert!(!error.to_string().contains('\n')),
        }
    }

    #[test]
    fn rows_are_ordered_by_a_column(rows in table(), k in 0usize..45, descending in any::<bool>()) {
        let all: RoaringBitmap = (0..rows.len() as u32).collect();
        for (place, column) in columns(&rows).iter().enumerate() {
            let mut expected: Vec<u32> = all.iter().collect();
            // Stable, and equal to what the keys say.
            expected.sort_by(|&left, &right| {
                let (left, right) = (&rows[left as usize][place], &rows[right as usize][place]);
                match (left, right) {
                    (Some(left), Some(right)) if descending => order(right, left),
                    (Some(left), Some(right)) => order(left, right),
                    _ => left.is_none().cmp(&right.is_none()),
                }
            });
            expected.truncate(k);
            prop_assert_eq!(column.first_rows(&all, descending, k), expected);
            for (left, right) in rows.iter().zip(rows.iter().skip(1)) {
                if let (Some(left), Some(right)) = (&left[place], &right[place]) {
                    prop_assert_eq!(SortKey::from(left).cmp(&SortKey::from(right)), order(left, right));
                }
            }
        }
    }
}

#[test]
fn filters_as_people_write_them() {
    let equal = |value: &str| Filter::Compare {
        column: "brand".to_owned(),
        comparison: Comparison::Equal,
        value: Value::Text(value.to_owned()),
    };
    let price = |comparison, number| Filter::Compare {
        column: "price".to_owned(),
        comparison,
        value: Value::Number(number),
    };
    let missing = || Filter::IsMissing {
        column: "brand".to_owned(),
    };
    let not = |filter| Filter::Not(Box::new(filter));
    let brands = || Filter::In {
        column: "brand".to_owned(),
        values: vec![
            Value::Text("black".to_owned()),
            Value::Text("dark grey".to_owned()),
        ],
    };
    for (text, filter) in [
        ("brand = Logitech", equal("Logitech")),
        (
            "Brand=\"Western \"\"Digital\"\"\"",
            equal("Western \"Digital\""),
        ),
        ("brand = O'Neill", equal("O'Neill")),
        ("brand = 17\"", equal("17\"")),
        ("brand = wow!", equal("wow!")),
        (
            "price<€50 or NOT brand is missing",
            Filter::Or(vec![price(Comparison::Less, 50.0), not(missing())]),
        ),
        (
            "price >= '1.299,00 €'",
            price(Comparison::GreaterOrEqual, 1299.0),
        ),
        ("brand IN (black, 'dark grey')", brands()),
        (
            "brand not in (black, 'dark grey')",
            Filter::And(vec![not(brands()), not(missing())]),
        ),
        (
            "price between 5 and 10 AND brand IS NOT MISSING",
            Filter::And(vec![
                Filter::And(vec![
                    price(Comparison::GreaterOrEqual, 5.0),
                    price(Comparison::LessOrEqual, 10.0),
                ]),
                not(missing()),
            ]),
        ),
        (
            "brand = a OR brand = b AND price != 1",
            Filter::Or(vec![
                equal("a"),
                Filter::And(vec![equal("b"), price(Comparison::NotEqual, 1.0)]),
            ]),
        ),
        (
            "'since' > 1970-01-02T00:00:00Z AND 'in stock' = yes",
            Filter::And(vec![
                Filter::Compare {
                    column: "since".to_owned(),
                    comparison: Comparison::Greater,
                    value: Value::Date(86_400),
                },
                Filter::Compare {
                    column: "in stock".to_owned(),
                    comparison: Comparison::Equal,
                    value: Value::Boolean(true),
                },
            ]),
        ),
    ] {
        assert_eq!(parse(text), Ok(filter), "{text}");
    }
}

#[test]
fn errors_say_where_and_what() {
    for (text, message) in [
        (
            "",
            "the filter has its end at character 1; write a condition, which begins with a column (brand, price, in stock, since, and)",
        ),
        (
            "colour = red",
            "the filter names the column 'colour' at character 1; the filter columns are brand, price, in stock, since, and",
        ),
        (
            "brand Logitech",
            "the filter has 'Logitech' at character 7; write =, !=, <, <=, >, >=, IN, NOT IN, BETWEEN or IS after the column brand",
        ),
        (
            "brand = ",
            "the filter has its end at character 9; write a text for the column brand",
        ),
        (
            "brand = or",
            "the filter has 'or' at character 9; write a text for the column brand, in quotation marks if it is a keyword",
        ),
        (
            "brand = ' '",
            "the filter has the value ' ' at character 9; write a text for the column brand, or IS MISSING for rows without one",
        ),
        (
            "brand = Western Digital",
            "the filter has 'Digital' at character 17; write AND or OR between conditions, and quotation marks around a value of several words",
        ),
        (
            "price < 12,50",
            "the filter has a comma at character 11; write AND or OR between conditions, and quotation marks around a value with a comma",
        ),
        (
            "price < cheap",
            "the filter's value for column 'price' at character 9 does not fit: 'cheap' is not a number; write 1234.5",
        ),
        (
            "'in stock' < yes",
            "the filter orders the values of column 'in stock' at character 12, which are true or false; write = or !=",
        ),
        (
            "(brand = a",
            "the filter has its end at character 11; write AND, OR or the closing parenthesis",
        ),
        (
            "brand = a)",
            "the filter has ')' at character 10; write AND or OR between conditions",
        ),
        (
            "brand = 'a",
            "the quotation mark at character 9 of the filter is never closed; double it if it belongs to the value",
        ),
        (
            "ß = 1",
            "the filter names the column 'ß' at character 1; the filter columns are brand, price, in stock, since, and",
        ),
        (
            "brand IN ()",
            "the filter has ')' at character 11; write a text for the column brand",
        ),
        (
            "brand IS red",
            "the filter has 'red' at character 10; write MISSING or NOT MISSING after IS",
        ),
    ] {
        assert_eq!(parse(text).unwrap_err().to_string(), message, "{text}");
    }
    let deep = "(".repeat(100_000);
    assert_eq!(
        parse(&deep),
        Err(FilterError::TooDeep {
            position: 102,
            limit: 100
        })
    );
    let deep = "NOT ".repeat(100_000);
    assert!(matches!(parse(&deep), Err(FilterError::TooDeep { .. })));
    assert_eq!(
        Filter::parse("a = 1", &[]).unwrap_err().to_string(),
        "the filter names the column 'a' at character 1; no filter columns were declared"
    );
}

#[test]
fn columns_that_differ_only_in_case() {
    let columns = ["Brand", "brand", "Size"].map(|name| FilterColumn {
        name: name.to_owned(),
        kind: ColumnKind::Text,
    });
    for (text, found) in [
        ("Brand = a", Some("Brand")),
        ("brand = a", Some("brand")),
        ("BRAND = a", None),
        ("size = a", Some("Size")),
    ] {
        match Filter::parse(text, &columns) {
            Ok(Filter::Compare { column, .. }) => {
                assert_eq!(Some(column.as_str()), found, "{text}")
            }
            Ok(other) => panic!("{other}"),
            Err(error) => {
                assert!(matches!(error, FilterError::UnknownColumn { .. }));
                assert_eq!(found, None, "{text}");
            }
        }
    }
}

#[test]
fn a_filter_for_other_columns_is_refused() {
    let columns = columns(&[]);
    let other = Filter::IsMissing {
        column: "colour".to_owned(),
    };
    assert!(matches!(
        other.rows(&named(&columns), 0),
        Err(FilterError::NoColumn { .. })
    ));
    let number = Filter::Compare {
        column: "brand".to_owned(),
        comparison: Comparison::Less,
        value: Value::Number(1.0),
    };
    assert_eq!(
        number.rows(&named(&columns), 0),
        Err(FilterError::Kind {
            column: "brand".to_owned(),
            kind: ColumnKind::Text
        })
    );
    let mut builder = ColumnBuilder::new(ColumnKind::Number);
    builder.push(None).unwrap();
    for value in [
        Value::Number(f64::NAN),
        Value::Number(f64::INFINITY),
        Value::Text("1".to_owned()),
    ] {
        assert_eq!(
            builder.push(Some(value)),
            Err(ColumnError::Value {
                row: 1,
                kind: ColumnKind::Number
            })
        );
    }
    assert_eq!(builder.len(), 1);
}

#[test]
fn facets_count_spellings_together() {
    let text = |text: &str| Some(Value::Text(text.to_owned()));
    let brands = [
        text("LOGITECH"),
        text("Logitech"),
        None,
        text("Acer"),
        text("acer"),
        text("Logitech"),
        text("Bose"),
    ];
    let mut facets = FacetCounter::new();
    let mut first = ColumnBuilder::new(ColumnKind::Text);
    let mut second = ColumnBuilder::new(ColumnKind::Text);
    for (place, brand) in brands.into_iter().enumerate() {
        if place < 4 { &mut first } else { &mut second }
            .push(brand)
            .unwrap();
    }
    let (first, second) = (first.finish(), second.finish());
    facets.add(&first, &(0..4).collect());
    facets.add(&second, &(0..3).collect());
    let counted: Vec<(String, usize)> = facets
        .finish()
        .into_iter()
        .map(|facet| (facet.value.to_string(), facet.rows))
        .collect();
    let expected =
        [("Logitech", 3), ("Acer", 2), ("Bose", 1)].map(|(text, rows)| (text.to_owned(), rows));
    assert_eq!(counted, expected);
    assert_eq!(
        first.rows_with_text(" logitech "),
        RoaringBitmap::from_iter([0, 1])
    );
    assert_eq!(first.rows_with_text("log"), RoaringBitmap::new());
}

#[test]
fn conditions_on_one_column_are_taken_out() {
    for (filter, column, left) in [
        ("brand = a", "brand", None),
        ("brand = a", "price", Some("brand = a")),
        ("brand = a AND price < 5", "brand", Some("price < 5")),
        (
            "brand = a AND price < 5 AND since > 2020-01-01",
            "price",
            Some("brand = a AND since > 2020-01-01"),
        ),
        ("brand = a AND brand IN (b, c)", "brand", None),
        ("NOT (brand = a OR brand IS MISSING)", "brand", None),
        (
            "(brand = a OR price < 5) AND NOT brand = b",
            "brand",
            Some("brand = a OR price < 5"),
        ),
    ] {
        let found = parse(filter).unwrap().without_column(column);
        assert_eq!(found, left.map(|left| parse(left).unwrap()), "{filter}");
    }
}
