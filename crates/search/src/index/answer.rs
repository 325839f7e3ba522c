//! Answers of a snapshot.

use roaring::RoaringBitmap;

use crate::error::SearchError;
use crate::filter::{Filter, FilterColumn};
use crate::index::error::IndexError;
use crate::index::interim::{SearchOptions, filter_rows, search_with};
use crate::index::reader::IndexReader;
use crate::index::segment::LiveSegment;
use crate::query::{Answer, Explanation, Found, Query};
use crate::vectors::VectorsView;

impl IndexReader {
    /// Answers a query.
    ///
    /// # Errors
    ///
    /// [`IndexError::NoSuchColumn`], [`IndexError::Query`] and [`IndexError::Damaged`].
    pub fn answer(&self, query: &Query) -> Result<Answer, IndexError> {
        let mut ranked = Vec::new();
        let width = self.settings().width;
        if query.vector.len() != width {
            return Err(IndexError::Query(SearchError::Width {
                left: query.vector.len(),
                right: width,
            }));
        }
        for (number, segment) in self.segments.iter().enumerate() {
            let allowed = self.allowed(segment, query)?;
            let options = SearchOptions {
                k: query.k.saturating_add(query.offset),
                rows: Some(&allowed),
                min_score: query.min_score,
            };
            let view = VectorsView::new(&query.vector, width)?;
            for hit in search_with(&segment.segment.vectors, view, &options)?.swap_remove(0) {
                ranked.push((hit.score, number, hit.index as u32));
            }
        }
        ranked.sort_by(|left, right| right.0.total_cmp(&left.0));
        self.named_first(query, &mut ranked)?;
        let hits = ranked
            .into_iter()
            .skip(query.offset)
            .take(query.k)
            .map(|(score, number, row)| self.found(score, &self.segments[number], row))
            .collect::<Result<_, IndexError>>()?;
        Ok(Answer {
            hits,
            ..Answer::default()
        })
    }

    /// Moves rows that the query names to the front.
    fn named_first(
        &self,
        query: &Query,
        ranked: &mut [(f32, usize, u32)],
    ) -> Result<(), IndexError> {
        let mut named = Vec::new();
        for (number, segment) in self.segments.iter().enumerate() {
            for row in segment.segment.rows.named(&query.text)? {
                named.push((number, row));
            }
        }
        ranked.sort_by_key(|(_, number, row)| !named.contains(&(*number, *row)));
        Ok(())
    }

    fn found(&self, score: f32, segment: &LiveSegment, row: u32) -> Result<Found, IndexError> {
        let document = segment.segment.rows.document(row)?;
        Ok(Found {
            id: document.id,
            score,
            highlights: vec![Vec::new(); document.texts.len()],
            texts: document.texts,
            values: document.values,
            explanation: Explanation {
                similarity: Some(score),
                ..Explanation::default()
            },
        })
    }

    /// Rows of a segment that may be hits.
    fn allowed(&self, segment: &LiveSegment, query: &Query) -> Result<RoaringBitmap, IndexError> {
        let names = &self.settings().filter_columns;
        let mut allowed = match &query.filter {
            None => (0..segment.rows()).collect(),
            Some(filter) => {
                check_filter(filter, names)?;
                let columns: Vec<_> = names
                    .iter()
                    .enumerate()
                    .filter_map(|(number, column)| {
                        Some((column.name.as_str(), segment.segment.rows.column(number)?))
                    })
                    .collect();
                filter_rows(filter, &columns, segment.rows())
            }
        };
        allowed -= &segment.deleted;
        for id in &query.without {
            if let Some(row) = segment.segment.rows.find(id, &segment.deleted)? {
                allowed.remove(row);
            }
        }
        Ok(allowed)
    }
}

/// Fails where a filter names a column that is not there.
fn check_filter(filter: &Filter, columns: &[FilterColumn]) -> Result<(), IndexError> {
    match filter {
        Filter::Compare { column, .. }
        | Filter::In { column, .. }
        | Filter::IsMissing { column } => column_number(column, columns).map(|_| ()),
        Filter::And(filters) | Filter::Or(filters) => filters
            .iter()
            .try_for_each(|filter| check_filter(filter, columns)),
        Filter::Not(filter) => check_filter(filter, columns),
    }
}

/// The number of a filter column.
fn column_number(name: &str, columns: &[FilterColumn]) -> Result<usize, IndexError> {
    columns
        .iter()
        .position(|column| column.name == name)
        .ok_or_else(|| IndexError::NoSuchColumn {
            column: name.to_owned(),
            columns: columns.iter().map(|column| column.name.clone()).collect(),
        })
}
