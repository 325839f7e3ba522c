//! Counts of values over the rows that could be hits.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use search::FacetCount;
use search::filter::{SortKey, Value};

use super::parameters::{Parameters, column_number};
use super::plan::Plan;
use super::session::Session;
use crate::error::StoreError;
use crate::rows::value_of;

/// The values of a column with their rows.
type Counts = Vec<(Value, usize)>;

impl Plan<'_> {
    /// For every facet, the values in a shard with their rows: of the rows of the pool, and of those that are named.
    pub(super) async fn facets(
        &self,
        session: &Session<'_>,
        named: &[String],
    ) -> Result<Vec<Counts>, StoreError> {
        let mut facets = Vec::with_capacity(self.query.facets.len());
        for name in &self.query.facets {
            let settings = &self.store.settings;
            let number = column_number(settings, name)?;
            let mut parameters = Parameters::default();
            let statement = format!(
                "SELECT f{number}, count(*) FROM {} WHERE ({}) AND f{number} IS NOT NULL GROUP BY f{number}",
                self.store.schema.table("documents"),
                self.in_pool(named, &mut parameters)?,
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
    let mut merged: Vec<BTreeMap<SortKey, Counts>> = vec![BTreeMap::new(); facets];
    for shard in shards {
        for (all, counts) in merged.iter_mut().zip(shard) {
            for (value, rows) in counts {
                let spellings = all.entry(SortKey::from(&value)).or_default();
                match spellings
                    .iter_mut()
                    .find(|(spelling, _)| *spelling == value)
                {
                    Some((_, all)) => *all += rows,
                    None => spellings.push((value, rows)),
                }
            }
        }
    }
    merged.into_iter().map(finish).collect()
}

fn finish(counts: BTreeMap<SortKey, Counts>) -> Vec<FacetCount> {
    let mut counts: Vec<FacetCount> = counts
        .into_values()
        .filter_map(|mut spellings| {
            let rows = spellings.iter().map(|(_, rows)| rows).sum();
            spellings.sort_by_cached_key(|(spelling, rows)| (Reverse(*rows), spelling.to_string()));
            let (value, _) = spellings.into_iter().next()?;
            Some(FacetCount { value, rows })
        })
        .collect();
    // Stable: the values are in order already.
    counts.sort_by_key(|count| Reverse(count.rows));
    counts
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
