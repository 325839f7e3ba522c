//! Boosts: the scores of rows that have what a query names are raised.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use roaring::RoaringBitmap;

use crate::error::SearchError;
use crate::vectors::{SearchOptions, VectorIndex, VectorsView};

/// Rows whose scores are raised by the same number.
#[derive(Clone, Debug, PartialEq)]
pub struct Raised {
    /// The rows.
    pub rows: RoaringBitmap,
    /// What is added to their scores: above 0.
    pub by: f32,
}

impl Raised {
    /// Divides the rows of boosts into sets: a row is raised by the sum of the weights of all boosts that it is in, added
    /// in their order. Every row is in at most one set, no set is empty, and no two sets are raised by the same number.
    /// Weights are finite and not below 0.
    #[must_use]
    pub fn sets(boosts: impl IntoIterator<Item = (RoaringBitmap, f32)>) -> Vec<Self> {
        let mut sets: Vec<Self> = Vec::new();
        for (rows, weight) in boosts {
            if weight == 0.0 {
                continue;
            }
            let mut divided = Vec::with_capacity(2 * sets.len() + 1);
            let mut alone = rows.clone();
            for set in sets {
                alone -= &set.rows;
                push(&mut divided, &set.rows & &rows, set.by + weight);
                push(&mut divided, set.rows - &rows, set.by);
            }
            push(&mut divided, alone, weight);
            sets = divided;
        }
        sets
    }

    /// What is added to the score of a row.
    #[must_use]
    pub fn of_row(sets: &[Self], row: u32) -> f32 {
        let set = sets.iter().find(|set| set.rows.contains(row));
        set.map_or(0.0, |set| set.by)
    }
}

/// A score with a boost; without one to the bit as it was.
pub(crate) fn raised(score: f32, boost: f32) -> f32 {
    if boost == 0.0 { score } else { score + boost }
}

fn push(sets: &mut Vec<Raised>, rows: RoaringBitmap, by: f32) {
    if rows.is_empty() {
        return;
    }
    match sets.iter_mut().find(|set| set.by == by) {
        Some(set) => set.rows |= rows,
        None => sets.push(Raised { rows, by }),
    }
}

/// A vector found for a query whose hits are boosted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BoostedHit {
    /// Position of the vector in the index, from 0.
    pub index: usize,
    /// The similarity and the boost together.
    pub score: f32,
    /// Similarity of the vector to the query.
    pub similarity: f32,
    /// What was added to it.
    pub boost: f32,
}

impl BoostedHit {
    /// Better hits first. Two similarities can have the same sum with a boost, where it is rounded: the order is then
    /// theirs, so that rows that are raised alike keep their order.
    fn best_first(&self, other: &Self) -> Ordering {
        (other.score.total_cmp(&self.score))
            .then(other.similarity.total_cmp(&self.similarity))
            .then(self.index.cmp(&other.index))
    }
}

impl VectorIndex {
    /// The hits of a query, `[width]`, with raised scores, best first: those of adding what a row is raised by to each of
    /// all similarities. Hits of equal score are ordered by similarity, then by index. `options` are about raised scores.
    ///
    /// A row that is not raised and is a hit is among the best `k` of a search without boosts, because a boost only brings
    /// rows before it. A row that is raised is among the best `k` of its set.
    ///
    /// # Errors
    ///
    /// As [`search`](Self::search).
    pub fn search_raised(
        &self,
        query: &[f32],
        options: &SearchOptions<'_>,
        sets: &[Raised],
    ) -> Result<Vec<BoostedHit>, SearchError> {
        if query.len() != self.width() {
            return Err(SearchError::Width {
                left: query.len(),
                right: self.width(),
            });
        }
        let query = VectorsView::new(query, self.width())?;
        let mut similarities = BTreeMap::new();
        let mut add = |options: &SearchOptions<'_>| {
            let hits = self.search_with(query, options)?;
            similarities.extend(hits.into_iter().flatten().map(|hit| (hit.index, hit.score)));
            Ok::<(), SearchError>(())
        };
        add(options)?;
        for set in sets {
            let rows = match options.rows {
                Some(rows) => rows & &set.rows,
                None => set.rows.clone(),
            };
            add(&SearchOptions {
                rows: Some(&rows),
                // It is about the raised score.
                min_score: None,
                ..*options
            })?;
        }
        let mut hits: Vec<BoostedHit> = similarities
            .into_iter()
            .map(|(index, similarity)| {
                let boost = u32::try_from(index).map_or(0.0, |row| Raised::of_row(sets, row));
                BoostedHit {
                    index,
                    score: raised(similarity, boost),
                    similarity,
                    boost,
                }
            })
            .filter(|hit| options.min_score.is_none_or(|least| hit.score >= least))
            .collect();
        hits.sort_unstable_by(BoostedHit::best_first);
        hits.truncate(options.k);
        Ok(hits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sets_by_hand() {
        let rows = |rows: &[u32]| rows.iter().copied().collect::<RoaringBitmap>();
        let set = |of: &[u32], by| Raised { rows: rows(of), by };
        assert_eq!(Raised::sets([]), []);
        assert_eq!(Raised::sets([(rows(&[1, 2]), 0.0), (rows(&[]), 1.0)]), []);
        let sets = Raised::sets([
            (rows(&[1, 2, 3]), 0.25),
            (rows(&[3, 4]), 0.25),
            (rows(&[4, 5]), 1.0),
        ]);
        assert_eq!(
            sets,
            [
                set(&[3], 0.5),
                set(&[4], 1.25),
                set(&[1, 2], 0.25),
                set(&[5], 1.0),
            ]
        );
        assert_eq!(Raised::of_row(&sets, 4), 1.25);
        assert_eq!(Raised::of_row(&sets, 6), 0.0);
    }

    proptest! {
        #[test]
        fn every_row_has_the_sum_of_its_boosts(
            boosts in prop::collection::vec((prop::collection::btree_set(0u32..40, 0..20), 0.0f32..1.0), 0..6),
        ) {
            let bitmaps = boosts.iter().map(|(rows, weight)| (rows.iter().copied().collect(), *weight));
            let sets = Raised::sets(bitmaps);
            for row in 0..40 {
                let weights = boosts.iter().filter(|(rows, _)| rows.contains(&row));
                let expected = weights.fold(0.0, |sum, (_, weight)| sum + weight);
                prop_assert_eq!(Raised::of_row(&sets, row), expected);
                let of_row = sets.iter().filter(|set| set.rows.contains(row));
                prop_assert!(of_row.count() <= 1);
            }
        }
    }
}
