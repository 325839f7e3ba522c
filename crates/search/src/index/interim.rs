//! What stands in for columns, codes and words until they are there: brute force, and no words.

use std::io::{self, Write};

use roaring::RoaringBitmap;

use crate::error::SearchError;
use crate::filter::{Comparison, Filter, Value};
use crate::vectors::{Hit, Similarity, VectorIndex, VectorsView};

/// Collects the values of a column.
#[derive(Default)]
pub(super) struct ColumnBuilder {
    values: Vec<Option<Value>>,
}

impl ColumnBuilder {
    pub(super) fn push(&mut self, value: Option<Value>) {
        self.values.push(value);
    }

    pub(super) fn write(&self, writer: &mut impl Write) -> io::Result<()> {
        for value in &self.values {
            let line = match value {
                None => serde_json::Value::Null,
                Some(Value::Text(text)) => serde_json::json!({ "text": text }),
                Some(Value::Number(number)) => serde_json::json!({ "number": number }),
                Some(Value::Boolean(boolean)) => serde_json::json!({ "boolean": boolean }),
                Some(Value::Date(date)) => serde_json::json!({ "date": date }),
            };
            writeln!(writer, "{line}")?;
        }
        Ok(())
    }
}

/// The values of a column.
pub(super) struct Column {
    values: Vec<Option<Value>>,
}

impl Column {
    pub(super) fn read(bytes: &[u8]) -> Result<Self, &'static str> {
        let read = |line: serde_json::Value| {
            let (kind, value) = line.as_object()?.iter().next()?;
            match kind.as_str() {
                "text" => Some(Value::Text(value.as_str()?.to_owned())),
                "number" => Some(Value::Number(value.as_f64()?)),
                "boolean" => Some(Value::Boolean(value.as_bool()?)),
                _ => Some(Value::Date(value.as_i64()?)),
            }
        };
        serde_json::Deserializer::from_slice(bytes)
            .into_iter()
            .map(|line| line.map(read).map_err(|_| "a value is not whole"))
            .collect::<Result<_, _>>()
            .map(|values| Self { values })
    }

    pub(super) fn len(&self) -> usize {
        self.values.len()
    }

    pub(super) fn value(&self, row: u32) -> Option<Value> {
        self.values.get(row as usize)?.clone()
    }
}

pub(super) fn filter_rows(
    filter: &Filter,
    columns: &[(&str, &Column)],
    rows: u32,
) -> RoaringBitmap {
    (0..rows)
        .filter(|row| holds(filter, columns, *row))
        .collect()
}

fn holds(filter: &Filter, columns: &[(&str, &Column)], row: u32) -> bool {
    let value = |name: &str| {
        let (_, column) = columns.iter().find(|(column, _)| *column == name)?;
        column.value(row)
    };
    match filter {
        Filter::Compare {
            column,
            comparison,
            value: wanted,
        } => value(column).is_some_and(|value| {
            use std::cmp::Ordering::{Equal, Greater, Less};
            let Some(order) = compare(&value, wanted) else {
                return false;
            };
            match comparison {
                Comparison::Equal => order == Equal,
                Comparison::NotEqual => order != Equal,
                Comparison::Less => order == Less,
                Comparison::LessOrEqual => order != Greater,
                Comparison::Greater => order == Greater,
                Comparison::GreaterOrEqual => order != Less,
            }
        }),
        Filter::In { column, values } => value(column).is_some_and(|value| {
            values
                .iter()
                .any(|wanted| compare(&value, wanted).is_some_and(|order| order.is_eq()))
        }),
        Filter::IsMissing { column } => value(column).is_none(),
        Filter::And(all) => all.iter().all(|filter| holds(filter, columns, row)),
        Filter::Or(any) => any.iter().any(|filter| holds(filter, columns, row)),
        Filter::Not(filter) => !holds(filter, columns, row),
    }
}

/// The order of two values of the same kind.
pub(super) fn compare(left: &Value, right: &Value) -> Option<std::cmp::Ordering> {
    match (left, right) {
        (Value::Text(left), Value::Text(right)) => {
            Some(left.to_lowercase().cmp(&right.to_lowercase()))
        }
        (Value::Number(left), Value::Number(right)) => left.partial_cmp(right),
        (Value::Boolean(left), Value::Boolean(right)) => Some(left.cmp(right)),
        (Value::Date(left), Value::Date(right)) => Some(left.cmp(right)),
        _ => None,
    }
}

pub(super) struct SearchOptions<'a> {
    pub(super) k: usize,
    pub(super) rows: Option<&'a RoaringBitmap>,
    pub(super) min_score: Option<f32>,
}

pub(super) fn search_with(
    index: &VectorIndex,
    queries: VectorsView<'_>,
    options: &SearchOptions<'_>,
) -> Result<Vec<Vec<Hit>>, SearchError> {
    let mut answers = index.search(queries, index.len())?;
    for hits in &mut answers {
        hits.retain(|hit| {
            options
                .rows
                .is_none_or(|rows| rows.contains(hit.index as u32))
                && options.min_score.is_none_or(|least| hit.score >= least)
        });
        hits.truncate(options.k);
    }
    Ok(answers)
}

pub(super) fn from_parts(
    rows: &memmap2::Mmap,
    width: usize,
    similarity: Similarity,
) -> Result<VectorIndex, SearchError> {
    let values = bytemuck::try_cast_slice(rows).unwrap_or_default().to_vec();
    VectorIndex::new(values, width, similarity)
}
