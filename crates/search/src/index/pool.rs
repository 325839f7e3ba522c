//! The rows that could be hits: their facets, and their order by a column.

use roaring::RoaringBitmap;

use crate::filter::FacetCounter;
use crate::index::error::IndexError;
use crate::index::place::{Place, Ranked};
use crate::index::question::Question;
use crate::index::question::all;
use crate::query::{FacetCount, Mode, Sort};
use crate::vectors::{SearchOptions, VectorsView};

impl Question<'_> {
    /// By segment, the rows that facets count and that a column sorts; none where neither is asked for.
    pub(super) fn pool(
        &self,
        similar: &[Ranked],
        matching: &[Ranked],
    ) -> Result<Option<Vec<RoaringBitmap>>, IndexError> {
        let query = self.query;
        if query.facets.is_empty() && query.sort.is_none() {
            return Ok(None);
        }
        let mut pool = match (query.mode, query.min_score) {
            (Mode::Meaning, None) => self.all_allowed(),
            (Mode::Meaning, Some(least)) => self.similar_from(least)?,
            (Mode::Words, least) => self.matching_from(least)?,
            (Mode::Hybrid, Some(_)) => {
                let mut pool = self.empty();
                for row in self.best(similar, matching)? {
                    pool[row.place.segment].insert(row.place.row);
                }
                pool
            }
            (Mode::Hybrid, None) if query.sort.is_some() && !matching.is_empty() => {
                self.matching_from(None)?
            }
            (Mode::Hybrid, None) => self.all_allowed(),
        };
        for place in self.named() {
            pool[place.segment].insert(place.row);
        }
        Ok(Some(pool))
    }

    fn empty(&self) -> Vec<RoaringBitmap> {
        vec![RoaringBitmap::new(); self.allowed.len()]
    }

    fn all_allowed(&self) -> Vec<RoaringBitmap> {
        self.segments()
            .map(|(segment, allowed)| allowed.clone().unwrap_or_else(|| all(segment.rows())))
            .collect()
    }

    fn similar_from(&self, least: f32) -> Result<Vec<RoaringBitmap>, IndexError> {
        let vector = VectorsView::new(&self.query.vector, self.reader.settings().width)?;
        self.segments()
            .zip(self.raised_to(least)?)
            .map(|((segment, allowed), raised)| {
                let options = SearchOptions {
                    k: segment.rows() as usize,
                    rows: allowed.as_ref(),
                    min_score: Some(least),
                    candidates: None,
                };
                let hits = segment.segment.vectors.search_with(vector, &options)?;
                let reached = hits.into_iter().flatten().map(|hit| hit.index as u32);
                // A boost only adds: these rows reach the score in any case.
                Ok(raised | reached.collect::<RoaringBitmap>())
            })
            .collect()
    }

    fn matching_from(&self, least: Option<f32>) -> Result<Vec<RoaringBitmap>, IndexError> {
        let mut pool = self.empty();
        for row in self.matching(usize::MAX)? {
            if least.is_none_or(|least| row.score + self.boost(row.place) >= least) {
                pool[row.place.segment].insert(row.place.row);
            }
        }
        Ok(pool)
    }

    /// The first rows of the pool in the order of a column, as many as an answer needs.
    pub(super) fn sorted(
        &self,
        sort: &Sort,
        pool: &[RoaringBitmap],
    ) -> Result<Vec<Place>, IndexError> {
        let number = self.reader.column_number(&sort.column)?;
        let hits = self.query.k.saturating_add(self.query.offset);
        let mut rows = Vec::new();
        for (segment, (live, pool)) in self.reader.segments.iter().zip(pool).enumerate() {
            if let Some(column) = live.segment.rows.columns().get(number) {
                for row in column.first_rows(pool, sort.descending, hits) {
                    rows.push((column.sort_key(row), Place { segment, row }));
                }
            }
        }
        // Stable, and rows without a value come last either way.
        rows.sort_by(|(left, _), (right, _)| {
            let values = match sort.descending {
                true => right.cmp(left),
                false => left.cmp(right),
            };
            left.is_none().cmp(&right.is_none()).then(values)
        });
        rows.truncate(hits);
        Ok(rows.into_iter().map(|(_, place)| place).collect())
    }

    /// For every facet, the values of the pool.
    pub(super) fn facets(
        &self,
        pool: Option<&[RoaringBitmap]>,
    ) -> Result<Vec<Vec<FacetCount>>, IndexError> {
        let Some(pool) = pool else {
            return Ok(Vec::new());
        };
        let count = |name: &String| {
            let number = self.reader.column_number(name)?;
            let mut counter = FacetCounter::new();
            for (segment, rows) in self.reader.segments.iter().zip(pool) {
                if let Some(column) = segment.segment.rows.columns().get(number) {
                    counter.add(column, rows);
                }
            }
            Ok(counter.finish())
        };
        self.query.facets.iter().map(count).collect()
    }
}
