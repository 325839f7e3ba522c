//! Boosts and the filter columns that they are about.

use roaring::RoaringBitmap;

use crate::boost::Raised;
use crate::filter::{Column, ColumnKind, Comparison, Filter, FilterColumn, Value, named_values};
use crate::index::IndexError;
use crate::query::Boost;

/// Columns that a query may boost: every combination of them is searched.
const MOST_COLUMNS: usize = 8;

/// The number of a filter column, whose name may be in another case.
pub(crate) fn column_number(columns: &[FilterColumn], name: &str) -> Result<usize, IndexError> {
    FilterColumn::position(columns, name).ok_or_else(|| IndexError::NoSuchColumn {
        column: name.to_owned(),
        columns: columns.iter().map(|column| column.name.clone()).collect(),
    })
}

/// Values of columns by their names, as filters take them.
pub(crate) fn named<'a>(
    columns: &'a [FilterColumn],
    values: &'a [Column],
) -> Vec<(&'a str, &'a Column)> {
    let names = columns.iter().map(|column| column.name.as_str());
    names.zip(values).collect()
}

/// Fails where boosts do not fit the columns. `empty` are the columns without rows.
pub(crate) fn check(
    columns: &[FilterColumn],
    empty: &[(&str, &Column)],
    boosts: &[Boost],
) -> Result<(), IndexError> {
    let mut boosted = Vec::new();
    for boost in boosts {
        let number = column_number(columns, &boost.column)?;
        if !boosted.contains(&number) {
            boosted.push(number);
        }
        if !(boost.weight >= 0.0 && boost.weight.is_finite()) {
            return Err(IndexError::BoostWeight {
                column: boost.column.clone(),
                weight: boost.weight,
            });
        }
        equals(columns, boost)?.rows(empty, 0)?;
    }
    if boosted.len() > MOST_COLUMNS {
        return Err(IndexError::TooManyBoosts {
            found: boosted.len(),
            most: MOST_COLUMNS,
        });
    }
    Ok(())
}

/// The sets of rows that boosts raise, among the allowed ones.
pub(crate) fn raised(
    columns: &[FilterColumn],
    values: &[Column],
    rows: u32,
    boosts: &[Boost],
    allowed: Option<&RoaringBitmap>,
) -> Result<Vec<Raised>, IndexError> {
    let values = named(columns, values);
    let mut raised = Vec::with_capacity(boosts.len());
    for boost in boosts {
        let mut equal = equals(columns, boost)?.rows(&values, rows)?;
        if let Some(allowed) = allowed {
            equal &= allowed;
        }
        raised.push((equal, boost.weight));
    }
    Ok(Raised::sets(raised))
}

/// The rows with the value of a boost.
fn equals(columns: &[FilterColumn], boost: &Boost) -> Result<Filter, IndexError> {
    let number = column_number(columns, &boost.column)?;
    Ok(Filter::Compare {
        column: columns[number].name.clone(),
        comparison: Comparison::Equal,
        value: boost.value.clone(),
    })
}

/// The values of columns of texts that a text names, by the names of the columns. `segments` are the values of the
/// column with a number.
pub(crate) fn named_in<'a>(
    text: &str,
    columns: &[FilterColumn],
    names: &[String],
    segments: impl Fn(usize) -> Vec<&'a Column>,
) -> Result<Vec<(String, Value)>, IndexError> {
    let mut numbers = Vec::with_capacity(names.len());
    for name in names {
        let number = column_number(columns, name)?;
        let FilterColumn { name, kind } = &columns[number];
        if !matches!(kind, ColumnKind::Text | ColumnKind::Key) {
            return Err(IndexError::NoTexts {
                column: name.clone(),
                kind: kind.name(),
            });
        }
        numbers.push(number);
    }
    let values: Vec<Vec<&Column>> = numbers.iter().map(|number| segments(*number)).collect();
    let found = named_values(text, &values).into_iter();
    let found = found.map(|(place, value)| {
        let column = columns[numbers[place]].name.clone();
        (column, Value::Text(value))
    });
    Ok(found.collect())
}
