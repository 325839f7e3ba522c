//! The rows of a segment that have words of a query.

use roaring::RoaringBitmap;
use tantivy::postings::Postings;
use tantivy::query::Bm25Weight;
use tantivy::schema::IndexRecordOption;
use tantivy::{DocSet, TERMINATED, Term};

use super::error::WordsError;
use super::segment::{OpenField, Words};
use super::words_query::WordsQuery;
use crate::vectors::{Hit, TopK};

impl Words {
    /// The best `k` rows with a word of the query, among `rows` if given: by BM25, summed over the columns with their
    /// weights; of equal scores the lower row first. The query must have been prepared for this segment, too.
    ///
    /// # Errors
    ///
    /// [`WordsError::Read`] if the segment is damaged.
    pub fn matches(
        &self,
        query: &WordsQuery,
        k: usize,
        rows: Option<&RoaringBitmap>,
    ) -> Result<Vec<Hit>, WordsError> {
        if k == 0 || query.terms.is_empty() {
            return Ok(Vec::new());
        }
        // The words one after the other, and not the rows: a row's sum is made in the same order as in `scores`, and an
        // array of all rows costs less than to merge lists.
        let mut scores = vec![0.0f32; self.rows() as usize];
        self.guarded(|| {
            for (field, term, weight) in self.weighted_terms(query) {
                let Some(mut postings) = field
                    .terms
                    .read_postings(&term, IndexRecordOption::WithFreqs)?
                else {
                    continue;
                };
                let mut row = postings.doc();
                while row != TERMINATED {
                    let score = scores
                        .get_mut(row as usize)
                        .ok_or("a row is not in the segment")?;
                    *score += weight.score(field.lengths.fieldnorm_id(row), postings.term_freq());
                    row = postings.advance();
                }
            }
            Ok(())
        })?;
        let mut best = TopK::new(k);
        for (index, &score) in scores.iter().enumerate() {
            if score > 0.0 && rows.is_none_or(|rows| rows.contains(index as u32)) {
                best.push(Hit { index, score });
            }
        }
        Ok(best.into_hits())
    }

    /// The score of each row, as [`matches`](Self::matches) has it; `None` for a row without a word of the query.
    ///
    /// # Errors
    ///
    /// [`WordsError::Read`] if the segment is damaged.
    pub fn scores(&self, query: &WordsQuery, rows: &[u32]) -> Result<Vec<Option<f32>>, WordsError> {
        let mut order: Vec<usize> = (0..rows.len()).collect();
        order.sort_unstable_by_key(|&place| rows[place]);
        let mut scores = vec![None; rows.len()];
        self.guarded(|| {
            for (field, term, weight) in self.weighted_terms(query) {
                let Some(mut postings) = field
                    .terms
                    .read_postings(&term, IndexRecordOption::WithFreqs)?
                else {
                    continue;
                };
                for &place in &order {
                    let row = rows[place];
                    if postings.doc() < row {
                        postings.seek(row);
                    }
                    if postings.doc() == TERMINATED {
                        break;
                    }
                    if postings.doc() == row {
                        let score =
                            weight.score(field.lengths.fieldnorm_id(row), postings.term_freq());
                        *scores[place].get_or_insert(0.0) += score;
                    }
                }
            }
            Ok(())
        })?;
        Ok(scores)
    }

    /// Every word with every field in which it counts, always in the same order.
    fn weighted_terms<'a>(
        &'a self,
        query: &'a WordsQuery,
    ) -> impl Iterator<Item = (&'a OpenField, Term, &'a Bm25Weight)> + 'a {
        query.terms.iter().flat_map(move |term| {
            let fields = self.fields.iter().zip(&term.weights);
            fields.filter_map(move |(field, weight)| {
                Some((
                    field,
                    Term::from_field_text(field.field, &term.text),
                    weight.as_ref()?,
                ))
            })
        })
    }
}
