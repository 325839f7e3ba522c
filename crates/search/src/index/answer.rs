//! Answers of a snapshot.

use roaring::RoaringBitmap;

use crate::error::SearchError;
use crate::filter::{Column, ColumnBuilder, FilterColumn};
use crate::index::error::IndexError;
use crate::index::reader::IndexReader;
use crate::index::segment::LiveSegment;
use crate::query::{Answer, Explanation, Found, Query};
use crate::vectors::{SearchOptions, VectorsView};

impl IndexReader {
    /// Answers a query.
    ///
    /// # Errors
    ///
    /// [`IndexError::NoSuchColumn`], [`IndexError::Query`] and [`IndexError::Damaged`].
    pub fn answer(&self, query: &Query) -> Result<Answer, IndexError> {
        check_filter(query, &self.settings().filter_columns)?;
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
                candidates: None,
            };
            let view = VectorsView::new(&query.vector, width)?;
            let found = segment.segment.vectors.search_with(view, &options)?;
            for hit in found.into_iter().flatten() {
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
                let columns: Vec<_> = names
                    .iter()
                    .enumerate()
                    .filter_map(|(number, column)| {
                        Some((column.name.as_str(), segment.segment.rows.column(number)?))
                    })
                    .collect();
                filter.rows(&columns, segment.rows())?
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

/// Fails where a filter does not fit the columns, whether or not there is a segment.
fn check_filter(query: &Query, columns: &[FilterColumn]) -> Result<(), IndexError> {
    if let Some(filter) = &query.filter {
        let empty = |column: &FilterColumn| ColumnBuilder::new(column.kind).finish();
        let empty: Vec<Column> = columns.iter().map(empty).collect();
        let names = columns.iter().map(|column| column.name.as_str());
        let named: Vec<_> = names.zip(&empty).collect();
        filter.rows(&named, 0)?;
    }
    Ok(())
}
