//! Counts of values over the rows that could be hits.

use std::cmp::{Ordering, Reverse};

use search::FacetCount;
use search::filter::{Value, fold_case};

use super::candidates::Plan;
use super::parameters::{Parameters, column_number};
use super::session::Session;
use crate::error::StoreError;
use crate::rows::value_of;

/// The values of a column with their rows.
type Counts = Vec<(Value, usize)>;

impl Plan<'_> {
    /// For every facet, the values in a shard with their rows.
    pub(super) async fn facets(&self, session: &Session<'_>) -> Result<Vec<Counts>, StoreError> {
        let mut facets = Vec::with_capacity(self.query.facets.len());
        for name in &self.query.facets {
            let settings = &self.store.settings;
            let number = column_number(settings, name)?;
            let mut parameters = Parameters::default();
            let statement = format!(
                "SELECT f{number}, count(*) FROM {} WHERE ({}) AND f{number} IS NOT NULL GROUP BY f{number}",
                self.store.schema.table("documents"),
                self.hits(&mut parameters)?,
            );
            let rows = session.query(&statement, &parameters).await?;
            let counts = rows.iter().map(|row| {
                let value = value_of(row, 0, &settings.filter_columns[number])?;
                let rows: i64 = row.try_get(1)?;
                Ok(value.map(|value| (value, usize::try_from(rows).unwrap_or(usize::MAX))))
            });
            let counts: Result<Vec<Option<(Value, usize)>>, _> = counts.collect();
            let counts = counts.map_err(session.server.error("counting values"))?;
            facets.push(counts.into_iter().flatten().collect());
        }
        Ok(facets)
    }
}

/// Adds the counts of all shards: most frequent first, and of equal counts the lower value. Texts that differ only in
/// case are one value, in its most frequent spelling.
pub(super) fn merge(facets: usize, shards: Vec<Vec<Counts>>) -> Vec<Vec<FacetCount>> {
    let mut merged: Vec<Counts> = vec![Vec::new(); facets];
    for shard in shards {
        for (all, counts) in merged.iter_mut().zip(shard) {
            all.extend(counts);
        }
    }
    merged.into_iter().map(join).collect()
}

fn join(mut counts: Counts) -> Vec<FacetCount> {
    // Equal spellings of several shards become one.
    counts.sort_by(|left, right| {
        compare(&left.0, &right.0).then_with(|| spelling(&left.0).cmp(spelling(&right.0)))
    });
    counts.dedup_by(|next, kept| {
        let equal = next.0 == kept.0;
        if equal {
            kept.1 += next.1;
        }
        equal
    });
    // Then spellings that differ in case.
    let mut joined: Vec<(Value, usize, usize)> = Vec::new();
    for (value, rows) in counts {
        match joined.last_mut() {
            Some((kept, most, all)) if compare(kept, &value) == Ordering::Equal => {
                *all += rows;
                if rows > *most {
                    (*kept, *most) = (value, rows);
                }
            }
            _ => joined.push((value, rows, rows)),
        }
    }
    // Stable: the values are in order already.
    joined.sort_by_key(|(_, _, rows)| Reverse(*rows));
    joined
        .into_iter()
        .map(|(value, _, rows)| FacetCount { value, rows })
        .collect()
}

fn spelling(value: &Value) -> &str {
    match value {
        Value::Text(text) => text,
        _ => "",
    }
}

/// The order of values: texts without regard to case.
pub(super) fn compare(left: &Value, right: &Value) -> Ordering {
    match (left, right) {
        (Value::Text(left), Value::Text(right)) => fold_case(left).cmp(&fold_case(right)),
        (Value::Number(left), Value::Number(right)) => (left + 0.0).total_cmp(&(right + 0.0)),
        (Value::Boolean(left), Value::Boolean(right)) => left.cmp(right),
        (Value::Date(left), Value::Date(right)) => left.cmp(right),
        // A column has one kind.
        _ => Ordering::Equal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_of_shards_are_added() {
        let text = |text: &str| Value::Text(text.to_owned());
        let shards = vec![
            vec![vec![(text("Black"), 2), (text("red"), 3)]],
            vec![vec![
                (text("black"), 3),
                (text("Black"), 2),
                (text("blue"), 3),
            ]],
        ];
        let found = merge(1, shards);
        let expected = [("Black", 7), ("blue", 3), ("red", 3)];
        let expected: Vec<FacetCount> = expected
            .iter()
            .map(|(value, rows)| FacetCount {
                value: text(value),
                rows: *rows,
            })
            .collect();
        assert_eq!(found, [expected]);
    }
}
