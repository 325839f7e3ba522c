//! Answers of a snapshot: several queries share a scan of the vectors.

use rayon::prelude::*;
use roaring::RoaringBitmap;

use crate::boosted_columns::{self, named};
use crate::error::SearchError;
use crate::filter::{Column, ColumnBuilder, Filter, FilterColumn};
use crate::index::error::IndexError;
use crate::index::place::{Ranked, best_first};
use crate::index::question::{Question, all, depth};
use crate::index::reader::IndexReader;
use crate::index::recall::candidates;
use crate::index::segment::LiveSegment;
use crate::query::{Answer, Mode, Query};
use crate::vectors::{SearchOptions, VectorsView};

impl IndexReader {
    /// Answers a query.
    ///
    /// A row whose id equals the query's text, or whose value in a column of kind
    /// [`Key`](crate::filter::ColumnKind::Key) does, comes first, whatever its score and
    /// [`min_score`](Query::min_score); case and the space around do not count.
    ///
    /// Facets and [`sort`](Query::sort) are about all rows that could be hits: with
    /// [`Mode::Meaning`], those that the filter keeps and that reach [`min_score`](Query::min_score);
    /// with [`Mode::Words`], those of them that have one of the words. With [`Mode::Hybrid`] and a
    /// `min_score`, those whose joint score reaches it; without one, those that the filter keeps, but
    /// where rows are sorted, those of them that have one of the words, if any has. A facet passes over
    /// the conditions of the filter on its own column ([`Query::facet_filter`]).
    ///
    /// [`boosts`](Query::boosts) are added to the score of each mode, and `min_score` is about the sum. With
    /// [`Mode::Meaning`] and [`Mode::Words`] the hits are those of adding them to the scores of all rows; hits of
    /// equal score are ordered by the score without boosts. [`Mode::Hybrid`] ranks the rows that it ranks without
    /// boosts, and of all rows that are raised by the same number the best of both rankings, as many as it ranks of all.
    ///
    /// # Errors
    ///
    /// [`IndexError::Query`], [`IndexError::Filter`], [`IndexError::NoSuchColumn`],
    /// [`IndexError::BoostWeight`], [`IndexError::TooManyBoosts`] and [`IndexError::Damaged`].
    pub fn answer(&self, query: &Query) -> Result<Answer, IndexError> {
        let answers = self.answers(std::slice::from_ref(query))?;
        Ok(answers.into_iter().next().unwrap_or_default())
    }

    /// Answers queries, in their order. Neighbours with equal filters, numbers of hits and
    /// [`min_score`](Query::min_score) are compared with the vectors in one pass, which is many times
    /// faster than one after the other.
    ///
    /// # Errors
    ///
    /// As [`answer`](Self::answer).
    pub fn answers(&self, queries: &[Query]) -> Result<Vec<Answer>, IndexError> {
        for query in queries {
            self.check(query)?;
        }
        let mut answers = Vec::with_capacity(queries.len());
        for queries in queries.chunk_by(share_a_scan) {
            let Some(first) = queries.first() else {
                continue;
            };
            let allowed = self.allowed(first.filter.as_ref(), &first.only)?;
            let similar = self.similar(queries, &allowed)?;
            let of_block = queries.par_iter().zip(similar).map(|(query, similar)| {
                let mut answer = Question::new(self, query, &allowed)?.answer(similar)?;
                self.count_chosen_facets(query, &mut answer)?;
                Ok(answer)
            });
            answers.extend(of_block.collect::<Result<Vec<_>, IndexError>>()?);
        }
        Ok(answers)
    }

    /// Counts the facets of columns on which the filter has conditions again, without these.
    fn count_chosen_facets(&self, query: &Query, answer: &mut Answer) -> Result<(), IndexError> {
        for (name, counts) in query.facets.iter().zip(&mut answer.facets) {
            let column = self.column_number(name)?;
            let column = &self.settings().filter_columns[column].name;
            if let Some(query) = query.of_facet(column) {
                let counted = self.answer(&query)?.facets;
                *counts = counted.into_iter().next().unwrap_or_default();
            }
        }
        Ok(())
    }

    /// Fails where a query does not fit the index, whether or not that has rows.
    fn check(&self, query: &Query) -> Result<(), IndexError> {
        let width = self.settings().width;
        if query.mode != Mode::Words && query.vector.len() != width {
            return Err(IndexError::Query(SearchError::Width {
                left: query.vector.len(),
                right: width,
            }));
        }
        let columns = &self.settings().filter_columns;
        let empty = |column: &FilterColumn| ColumnBuilder::new(column.kind).finish();
        let empty: Vec<Column> = columns.iter().map(empty).collect();
        let empty = named(columns, &empty);
        if let Some(filter) = &query.filter {
            filter.rows(&empty, 0)?;
        }
        boosted_columns::check(columns, &empty, &query.boosts)?;
        let sort = query.sort.iter().map(|sort| &sort.column);
        for column in query.facets.iter().chain(sort) {
            self.column_number(column)?;
        }
        Ok(())
    }

    /// The number of a filter column, whose name may be in another case.
    pub(super) fn column_number(&self, name: &str) -> Result<usize, IndexError> {
        boosted_columns::column_number(&self.settings().filter_columns, name)
    }

    /// By segment, the rows that are not deleted, that a filter keeps and that have one of the ids, if
    /// there are any; none for all rows.
    fn allowed(
        &self,
        filter: Option<&Filter>,
        only: &[String],
    ) -> Result<Vec<Option<RoaringBitmap>>, IndexError> {
        let columns = &self.settings().filter_columns;
        let of_segment = |segment: &LiveSegment| {
            if filter.is_none() && only.is_empty() && segment.deleted.is_empty() {
                return Ok(None);
            }
            let rows = segment.rows();
            let mut allowed = match filter {
                None => all(rows),
                Some(filter) => {
                    filter.rows(&named(columns, segment.segment.rows.columns()), rows)?
                }
            };
            allowed -= &segment.deleted;
            if !only.is_empty() {
                let mut with_ids = RoaringBitmap::new();
                for id in only {
                    with_ids.extend(segment.segment.rows.find(id, &segment.deleted)?);
                }
                allowed &= with_ids;
            }
            Ok(Some(allowed))
        };
        self.segments.iter().map(of_segment).collect()
    }

    /// For every query, the best rows by meaning; none with [`Mode::Words`].
    fn similar(
        &self,
        queries: &[Query],
        allowed: &[Option<RoaringBitmap>],
    ) -> Result<Vec<Vec<Ranked>>, IndexError> {
        let mut rankings = vec![Vec::new(); queries.len()];
        let Some(first) = queries.first().filter(|query| query.mode != Mode::Words) else {
            return Ok(rankings);
        };
        let vectors: Vec<f32> = queries
            .iter()
            .flat_map(|query| &query.vector)
            .copied()
            .collect();
        let vectors = VectorsView::new(&vectors, self.settings().width)?;
        let depth = depth(first);
        for (number, (segment, allowed)) in self.segments.iter().zip(allowed).enumerate() {
            let options = SearchOptions {
                k: depth,
                rows: allowed.as_ref(),
                min_score: first.min_score.filter(|_| first.mode == Mode::Meaning),
                candidates: first
                    .recall
                    .and_then(|recall| candidates(&segment.segment.recall, recall, depth)),
            };
            let found = segment.segment.vectors.search_with(vectors, &options)?;
            for (ranking, hits) in rankings.iter_mut().zip(found) {
                ranking.extend(hits.into_iter().map(|hit| Ranked::of(number, hit)));
            }
        }
        for ranking in &mut rankings {
            best_first(ranking);
            ranking.truncate(depth);
        }
        Ok(rankings)
    }
}

fn share_a_scan(left: &Query, right: &Query) -> bool {
    left.mode == right.mode
        && depth(left) == depth(right)
        && left.min_score == right.min_score
        && left.recall == right.recall
        && left.only == right.only
        && left.filter == right.filter
}
