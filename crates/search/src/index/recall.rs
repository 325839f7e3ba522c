//! How many candidates a search by 1-bit codes needs.

use std::path::Path;

use crate::error::SearchError;
use crate::index::error::IndexError;
use crate::vectors::{Recall, VectorIndex, VectorsView};

/// Rows of a segment whose neighbours are searched, evenly spaced.
const SAMPLE: usize = 64;

/// The neighbours of each.
const HITS: usize = 10;

/// Measures how many of the ten nearest neighbours of some rows are found, for more and more candidates.
/// Empty where there are no 1-bit codes.
pub(super) fn measure(index: &VectorIndex) -> Result<Vec<Recall>, SearchError> {
    let step = (index.len() / SAMPLE).max(1);
    let rows = (0..index.len()).step_by(step).take(SAMPLE);
    let queries: Vec<f32> = rows
        .filter_map(|row| index.row(row))
        .flatten()
        .copied()
        .collect();
    let queries = VectorsView::new(&queries, index.width())?;
    // A row always finds itself, which is left out of the count.
    let mut table = index.recall_table(queries, HITS + 1)?;
    for row in &mut table {
        let found = row.recall * (HITS + 1) as f32 - 1.0;
        row.recall = (found / HITS as f32).max(0.0);
    }
    Ok(table)
}

/// The candidates for `k` hits of which that share is to be found; none where the search must be exact.
pub(super) fn candidates(table: &[Recall], recall: f32, k: usize) -> Option<usize> {
    let enough = table.iter().find(|row| row.recall >= recall)?;
    // More hits have more neighbours that look alike; fewer hits need no fewer candidates.
    let times = k.div_ceil(HITS).max(1);
    (recall < 1.0).then(|| enough.candidates.saturating_mul(times))
}

/// The table of an index: that of its segments, each counted by its rows.
pub(super) fn joined<'a>(tables: impl Iterator<Item = (&'a [Recall], u64)>) -> Vec<Recall> {
    let (mut joined, mut total): (Vec<Recall>, u64) = (Vec::new(), 0);
    for (table, rows) in tables.filter(|(table, rows)| !table.is_empty() && *rows > 0) {
        total += rows;
        let share = rows as f32 / total as f32;
        if joined.is_empty() {
            joined = table.to_vec();
        }
        for (mean, row) in joined.iter_mut().zip(table) {
            mean.recall += (row.recall - mean.recall) * share;
        }
    }
    joined
}

/// A table as the bytes of its file.
pub(super) fn to_bytes(table: &[Recall]) -> Vec<u8> {
    let rows: Vec<_> = table
        .iter()
        .map(|row| serde_json::json!([row.candidates, row.recall]))
        .collect();
    serde_json::Value::from(rows).to_string().into_bytes()
}

/// The table in the bytes of a file.
pub(super) fn from_bytes(path: &Path, bytes: &[u8]) -> Result<Vec<Recall>, IndexError> {
    let rows: Vec<(usize, f32)> = serde_json::from_slice(bytes)
        .map_err(|_| IndexError::damaged(path, "it holds no table of recalls"))?;
    let row = |(candidates, recall)| Recall { candidates, recall };
    Ok(rows.into_iter().map(row).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(recalls: [f32; 3]) -> Vec<Recall> {
        let row = |(power, recall)| Recall {
            candidates: 11_usize << power,
            recall,
        };
        recalls.into_iter().enumerate().map(row).collect()
    }

    #[test]
    fn the_fewest_candidates_that_reach_a_recall() {
        let table = table([0.5, 0.9, 0.99]);
        assert_eq!(candidates(&table, 0.9, 10), Some(22));
        assert_eq!(candidates(&table, 0.91, 3), Some(44));
        assert_eq!(candidates(&table, 0.5, 100), Some(110));
        assert_eq!(candidates(&table, 0.999, 10), None);
        assert_eq!(candidates(&table, 1.0, 10), None);
        assert_eq!(candidates(&[], 0.5, 10), None);
    }

    #[test]
    fn segments_count_by_their_rows() {
        let (left, right) = (table([0.5, 0.75, 1.0]), table([1.0, 1.0, 1.0]));
        let tables = [(&left[..], 300), (&[][..], 1000), (&right[..], 100)];
        let joined = joined(tables.into_iter());
        let recalls: Vec<f32> = joined.iter().map(|row| row.recall).collect();
        assert_eq!(recalls, [0.625, 0.8125, 1.0]);
    }

    #[test]
    fn a_table_is_read_as_it_was_written() {
        let table = table([0.1, 0.123_456_79, 1.0]);
        let path = Path::new("recall.json");
        assert_eq!(from_bytes(path, &to_bytes(&table)).unwrap(), table);
        assert!(from_bytes(path, b"[[1]]").is_err());
    }
}
