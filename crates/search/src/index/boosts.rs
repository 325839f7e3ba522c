//! Boosts of a query, by segment, and the rows that only they bring to the hits.

use roaring::RoaringBitmap;

use crate::boost::Raised;
use crate::boosted_columns;
use crate::error::SearchError;
use crate::filter::{Column, Value};
use crate::index::error::IndexError;
use crate::index::place::Place;
use crate::index::question::{Question, depth};
use crate::index::reader::IndexReader;
use crate::index::recall::candidates;
use crate::query::{Boost, Mode, Query};
use crate::vectors::{SearchOptions, VectorsView};

impl IndexReader {
    /// The values of filter columns that a text names, for its [boosts](Query::boosts): of columns of texts, as
    /// [`named_values`](crate::filter::named_values) finds them. Values that only removed rows have count until their
    /// segment is merged.
    ///
    /// # Errors
    ///
    /// [`IndexError::NoSuchColumn`] and [`IndexError::NoTexts`].
    pub fn named_values(
        &self,
        text: &str,
        columns: &[String],
    ) -> Result<Vec<(String, Value)>, IndexError> {
        let segments = |number: usize| -> Vec<&Column> {
            let columns = self.segments.iter().map(|live| live.segment.rows.columns());
            columns.filter_map(|columns| columns.get(number)).collect()
        };
        boosted_columns::named_in(text, &self.settings().filter_columns, columns, segments)
    }

    /// By segment, the sets of rows that a query raises, among those that could be hits.
    pub(super) fn raised(
        &self,
        boosts: &[Boost],
        allowed: &[Option<RoaringBitmap>],
    ) -> Result<Vec<Vec<Raised>>, IndexError> {
        let columns = &self.settings().filter_columns;
        let segments = self.segments.iter().zip(allowed);
        let of_segment = segments.map(|(live, allowed)| {
            let values = live.segment.rows.columns();
            boosted_columns::raised(columns, values, live.rows(), boosts, allowed.as_ref())
        });
        of_segment.collect()
    }
}

impl Question<'_> {
    /// What is added to the score of a row.
    pub(super) fn boost(&self, place: Place) -> f32 {
        let sets = self.raised.get(place.segment);
        sets.map_or(0.0, |sets| Raised::of_row(sets, place.row))
    }

    /// The best rows of every set of raised rows, by each of the rankings: those that boosts may bring to the hits.
    ///
    /// Rows that are not raised need no such list: a boost only brings rows before them.
    pub(super) fn brought(&self, query: &Query) -> Result<Vec<Place>, IndexError> {
        let mut places = Vec::new();
        let k = depth(query);
        for (number, (live, sets)) in self.reader.segments.iter().zip(&self.raised).enumerate() {
            for set in sets {
                let mut add = |row| {
                    places.push(Place {
                        segment: number,
                        row,
                    })
                };
                if query.mode != Mode::Words {
                    let table = &live.segment.recall;
                    let options = SearchOptions {
                        k,
                        rows: Some(&set.rows),
                        // It is about the raised score.
                        min_score: None,
                        candidates: query.recall.and_then(|recall| candidates(table, recall, k)),
                    };
                    let vector = VectorsView::new(&query.vector, self.reader.settings().width)?;
                    let hits = live.segment.vectors.search_with(vector, &options)?;
                    // Rows of a segment are counted in 32 bits.
                    (hits.into_iter().flatten()).for_each(|hit| add(hit.index as u32));
                }
                if let Some(words) = &self.words {
                    let hits = live.segment.words.matches(words, k, Some(&set.rows))?;
                    hits.into_iter().for_each(|hit| add(hit.index as u32));
                }
            }
        }
        Ok(places)
    }

    /// By segment, the raised rows whose similarity and boost together reach a score.
    pub(super) fn raised_to(&self, least: f32) -> Result<Vec<RoaringBitmap>, SearchError> {
        let segments = self.reader.segments.iter().zip(&self.raised);
        let of_segment = segments.map(|(live, sets)| {
            let mut reached = RoaringBitmap::new();
            for set in sets {
                let rows: Vec<usize> = set.rows.iter().map(|row| row as usize).collect();
                let scores = live.segment.vectors.scores(&self.query.vector, &rows)?;
                let rows = set.rows.iter().zip(scores);
                reached.extend(
                    rows.filter(|(_, score)| score + set.by >= least)
                        .map(|(row, _)| row),
                );
            }
            Ok(reached)
        });
        of_segment.collect()
    }
}
