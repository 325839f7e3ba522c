//! Vectors with filter columns, in memory: what an index answers by meaning, without an index.

use roaring::RoaringBitmap;

use crate::boost::BoostedHit;
use crate::boosted_columns::{self, column_number, named};
use crate::error::SearchError;
use crate::filter::{Column, ColumnBuilder, FacetCounter, FilterColumn, Value};
use crate::index::IndexError;
use crate::query::{FacetCount, Query};
use crate::vectors::{SearchOptions, VectorIndex};

/// Vectors and the filter columns of their rows.
#[derive(Clone, Copy, Debug)]
pub struct Table<'a> {
    vectors: &'a VectorIndex,
    columns: &'a [FilterColumn],
    values: &'a [Column],
}

/// The answer of a [`Table`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TableAnswer {
    /// Best first.
    pub hits: Vec<BoostedHit>,
    /// For every facet asked for, the values, most frequent first.
    pub facets: Vec<Vec<FacetCount>>,
}

impl<'a> Table<'a> {
    /// A table of vectors and their values, a [`Column`] for each of `columns`.
    ///
    /// # Errors
    ///
    /// [`SearchError::Pairs`] if a column has another number of rows than there are vectors, or no values.
    pub fn new(
        vectors: &'a VectorIndex,
        columns: &'a [FilterColumn],
        values: &'a [Column],
    ) -> Result<Self, SearchError> {
        let pairs = |right| SearchError::Pairs {
            left: vectors.len(),
            right,
        };
        if columns.len() != values.len() {
            return Err(pairs(0));
        }
        if let Some(column) = values.iter().find(|column| column.len() != vectors.len()) {
            return Err(pairs(column.len()));
        }
        Ok(Self {
            vectors,
            columns,
            values,
        })
    }

    /// Answers a query by the similarity of vectors, whatever its [mode](Query::mode). Its words, ids, order and recall
    /// do not count; its filter, facets, boosts, `min_score`, `k` and `offset` have the meaning that
    /// [`IndexReader::answer`](crate::index::IndexReader::answer) gives them.
    ///
    /// # Errors
    ///
    /// [`IndexError::Query`], [`IndexError::Filter`], [`IndexError::NoSuchColumn`], [`IndexError::BoostWeight`] and
    /// [`IndexError::TooManyBoosts`].
    pub fn answer(&self, query: &Query) -> Result<TableAnswer, IndexError> {
        let empty = |column: &FilterColumn| ColumnBuilder::new(column.kind).finish();
        let empty: Vec<Column> = self.columns.iter().map(empty).collect();
        boosted_columns::check(self.columns, &named(self.columns, &empty), &query.boosts)?;
        let mut hits = self.hits(query, query.k.saturating_add(query.offset))?;
        hits.drain(..query.offset.min(hits.len()));
        let facets = query.facets.iter().map(|name| self.facet(query, name));
        Ok(TableAnswer {
            hits,
            facets: facets.collect::<Result<_, _>>()?,
        })
    }

    /// The values of columns that a text names, as
    /// [`IndexReader::named_values`](crate::index::IndexReader::named_values) finds them.
    ///
    /// # Errors
    ///
    /// [`IndexError::NoSuchColumn`] and [`IndexError::NoTexts`].
    pub fn named_values(
        &self,
        text: &str,
        columns: &[String],
    ) -> Result<Vec<(String, Value)>, IndexError> {
        boosted_columns::named_in(text, self.columns, columns, |number| {
            self.values.get(number).into_iter().collect()
        })
    }

    fn hits(&self, query: &Query, k: usize) -> Result<Vec<BoostedHit>, IndexError> {
        let rows = self.kept(query)?;
        let sets = boosted_columns::raised(
            self.columns,
            self.values,
            self.rows(),
            &query.boosts,
            rows.as_ref(),
        )?;
        let options = SearchOptions {
            k,
            rows: rows.as_ref(),
            min_score: query.min_score,
            candidates: None,
        };
        Ok(self.vectors.search_raised(&query.vector, &options, &sets)?)
    }

    /// The values of the rows that could be hits, without the conditions on the column itself.
    fn facet(&self, query: &Query, name: &str) -> Result<Vec<FacetCount>, IndexError> {
        let number = column_number(self.columns, name)?;
        let of_facet = query.of_facet(&self.columns[number].name);
        let query = of_facet.as_ref().unwrap_or(query);
        let rows = if query.min_score.is_some() {
            let hits = self.hits(query, self.vectors.len())?;
            // As many as a column can have.
            hits.iter().map(|hit| hit.index as u32).collect()
        } else {
            let all = || (0..self.rows()).collect();
            self.kept(query)?.unwrap_or_else(all)
        };
        let mut counter = FacetCounter::new();
        counter.add(&self.values[number], &rows);
        Ok(counter.finish())
    }

    /// The rows that the filter keeps; none for all.
    fn kept(&self, query: &Query) -> Result<Option<RoaringBitmap>, IndexError> {
        let values = named(self.columns, self.values);
        let filter = query.filter.as_ref();
        let kept = filter.map(|filter| filter.rows(&values, self.rows()));
        Ok(kept.transpose()?)
    }

    /// Fewer than 2^32, as a column has; without columns nothing asks for them.
    fn rows(&self) -> u32 {
        u32::try_from(self.vectors.len()).unwrap_or(u32::MAX)
    }
}
