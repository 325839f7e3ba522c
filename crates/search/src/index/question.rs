//! One query against a snapshot.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use roaring::RoaringBitmap;

use crate::boost::{Raised, raised};
use crate::fusion::Candidate;
use crate::index::error::IndexError;
use crate::index::place::{Place, Ranked, best_first};
use crate::index::reader::IndexReader;
use crate::index::segment::LiveSegment;
use crate::query::{Answer, Explanation, Found, Mode, Query};
use crate::words::WordsQuery;

/// A query, the rows that could be hits, and what it finds.
pub(super) struct Question<'a> {
    pub(super) reader: &'a IndexReader,
    pub(super) query: &'a Query,
    /// By segment, the rows that could be hits; none for all.
    pub(super) allowed: Vec<Option<RoaringBitmap>>,
    /// Rows whose id or key the query is.
    named: Vec<Place>,
    pub(super) words: Option<WordsQuery>,
    /// By segment, the sets of rows that boosts raise.
    pub(super) raised: Vec<Vec<Raised>>,
}

/// A row with its score.
#[derive(Clone, Copy)]
pub(super) struct Scored {
    pub(super) place: Place,
    pub(super) score: f32,
    /// The score without boosts.
    unraised: f32,
    explanation: Explanation,
}

impl<'a> Question<'a> {
    /// Prepares a query for the rows that its filter allows.
    pub(super) fn new(
        reader: &'a IndexReader,
        query: &'a Query,
        allowed: &[Option<RoaringBitmap>],
    ) -> Result<Self, IndexError> {
        let mut question = Self {
            reader,
            query,
            allowed: allowed.to_vec(),
            named: Vec::new(),
            words: None,
            raised: Vec::new(),
        };
        for id in &query.without {
            if let Some(place) = reader.find(id)? {
                let rows = reader.segments[place.segment].rows();
                question.allowed[place.segment]
                    .get_or_insert_with(|| all(rows))
                    .remove(place.row);
            }
        }
        question.raised = reader.raised(&query.boosts, &question.allowed)?;
        if query.text.trim().is_empty() {
            return Ok(question);
        }
        for (number, segment) in reader.segments.iter().enumerate() {
            let rows = segment.segment.rows.named(&query.text)?;
            let places = rows.into_iter().map(|row| Place {
                segment: number,
                row,
            });
            let places: Vec<_> = places.filter(|place| question.allows(*place)).collect();
            question.named.extend(places);
        }
        if query.mode != Mode::Meaning {
            let segments: Vec<_> = reader.segments.iter().map(|s| &s.segment.words).collect();
            question.words = Some(WordsQuery::new(&query.text, &segments, query.typos)?);
        }
        Ok(question)
    }

    /// The answer, given the best rows by meaning.
    pub(super) fn answer(&self, similar: Vec<Ranked>) -> Result<Answer, IndexError> {
        let query = self.query;
        let similar: Vec<_> = similar
            .into_iter()
            .filter(|row| self.allows(row.place))
            .collect();
        let matching = self.matching(depth(query))?;
        let pool = self.pool(&similar, &matching)?;
        let hits = match (&query.sort, &pool) {
            (Some(sort), Some(pool)) => {
                let sorted = self.sorted(sort, pool)?;
                let mut scored: BTreeMap<Place, Scored> = self
                    .scored(&similar, &matching, &sorted)?
                    .into_iter()
                    .map(|row| (row.place, row))
                    .collect();
                sorted
                    .iter()
                    .filter_map(|place| scored.remove(place))
                    .collect()
            }
            _ => self.best(&similar, &matching)?,
        };
        Ok(Answer {
            hits: hits
                .into_iter()
                .skip(query.offset)
                .take(query.k)
                .map(|row| self.found(row))
                .collect::<Result<_, _>>()?,
            facets: self.facets(pool.as_deref())?,
            boosts: query.boosts.clone(),
            missing: Vec::new(),
        })
    }

    /// Rows whose id or key the query is.
    pub(super) fn named(&self) -> &[Place] {
        &self.named
    }

    /// Whether a row may be a hit.
    pub(super) fn allows(&self, place: Place) -> bool {
        self.allowed
            .get(place.segment)
            .is_some_and(|rows| rows.as_ref().is_none_or(|rows| rows.contains(place.row)))
    }

    /// The best rows by words.
    pub(super) fn matching(&self, k: usize) -> Result<Vec<Ranked>, IndexError> {
        let mut ranking = Vec::new();
        let Some(words) = &self.words else {
            return Ok(ranking);
        };
        for (number, (segment, allowed)) in self.segments().enumerate() {
            let hits = segment.segment.words.matches(words, k, allowed.as_ref())?;
            ranking.extend(hits.into_iter().map(|hit| Ranked::of(number, hit)));
        }
        best_first(&mut ranking);
        ranking.truncate(k);
        Ok(ranking)
    }

    pub(super) fn segments(&self) -> impl Iterator<Item = (&LiveSegment, &Option<RoaringBitmap>)> {
        self.reader.segments.iter().zip(&self.allowed)
    }

    /// The hits by score, best first: rows that the query names before all others.
    pub(super) fn best(
        &self,
        similar: &[Ranked],
        matching: &[Ranked],
    ) -> Result<Vec<Scored>, IndexError> {
        let mut scored = self.scored(similar, matching, &self.brought(self.query)?)?;
        if let Some(least) = self.query.min_score {
            scored.retain(|row| row.explanation.key || row.score >= least);
        }
        scored.sort_by(Scored::best_first);
        Ok(scored)
    }

    /// The scores of all rows in either ranking, of the rows that the query names and of others, in the
    /// order in which they were added.
    pub(super) fn scored(
        &self,
        similar: &[Ranked],
        matching: &[Ranked],
        others: &[Place],
    ) -> Result<Vec<Scored>, IndexError> {
        let mut rows: BTreeMap<Place, Explanation> = BTreeMap::new();
        for (rank, row) in (1..).zip(similar) {
            let explanation = rows.entry(row.place).or_default();
            explanation.similarity = Some(row.score);
            explanation.similarity_rank = Some(rank);
        }
        for (rank, row) in (1..).zip(matching) {
            let explanation = rows.entry(row.place).or_default();
            explanation.bm25 = Some(row.score);
            explanation.bm25_rank = Some(rank);
        }
        for place in &self.named {
            rows.entry(*place).or_default().key = true;
        }
        for place in others {
            rows.entry(*place).or_default();
        }
        self.complete(&mut rows)?;
        let scores = self.joint_scores(rows.values());
        let boosted = !self.query.boosts.is_empty();
        Ok(rows
            .into_iter()
            .zip(scores)
            .map(|((place, mut explanation), unraised)| {
                let boost = self.boost(place);
                explanation.boost = boosted.then_some(boost);
                Scored {
                    place,
                    score: raised(unraised, boost),
                    unraised,
                    explanation,
                }
            })
            .collect())
    }

    /// Computes the scores that a row of one ranking lacks of the other.
    fn complete(&self, rows: &mut BTreeMap<Place, Explanation>) -> Result<(), IndexError> {
        for (number, segment) in self.reader.segments.iter().enumerate() {
            let of_segment = Place {
                segment: number,
                row: 0,
            }..=Place {
                segment: number,
                row: u32::MAX,
            };
            let indexes = &segment.segment;
            if self.query.mode != Mode::Words {
                let lacking: Vec<_> = rows
                    .range(of_segment.clone())
                    .filter(|(_, explanation)| explanation.similarity.is_none())
                    .map(|(place, _)| place.row)
                    .collect();
                let wide: Vec<_> = lacking.iter().map(|row| *row as usize).collect();
                let scores = indexes.vectors.scores(&self.query.vector, &wide)?;
                for (row, score) in lacking.into_iter().zip(scores) {
                    let place = Place {
                        segment: number,
                        row,
                    };
                    rows.entry(place).or_default().similarity = Some(score);
                }
            }
            if let Some(words) = &self.words {
                let lacking: Vec<_> = rows
                    .range(of_segment)
                    .filter(|(_, explanation)| explanation.bm25.is_none())
                    .map(|(place, _)| place.row)
                    .collect();
                let scores = indexes.words.scores(words, &lacking)?;
                for (row, score) in lacking.into_iter().zip(scores) {
                    let place = Place {
                        segment: number,
                        row,
                    };
                    rows.entry(place).or_default().bm25 = score;
                }
            }
        }
        Ok(())
    }

    /// The scores by which hits are ordered, without boosts.
    fn joint_scores<'e>(&self, rows: impl Iterator<Item = &'e Explanation>) -> Vec<f32> {
        let fusion = self.query.fusion.unwrap_or(self.reader.settings().fusion);
        match self.query.mode {
            Mode::Meaning => rows.map(|row| row.similarity.unwrap_or(0.0)).collect(),
            Mode::Words => rows.map(|row| row.bm25.unwrap_or(0.0)).collect(),
            Mode::Hybrid => {
                let candidates: Vec<_> = rows
                    .map(|row| Candidate {
                        meaning: row.similarity,
                        words: row.bm25,
                    })
                    .collect();
                fusion.scores(self.reader.settings().similarity, &candidates)
            }
        }
    }

    fn found(&self, row: Scored) -> Result<Found, IndexError> {
        let segment = &self.reader.segments[row.place.segment].segment;
        let document = segment.rows.document(row.place.row)?;
        let highlight = |text: &String| {
            self.words
                .as_ref()
                .map_or_else(Vec::new, |words| words.highlights(text))
        };
        Ok(Found {
            id: document.id,
            score: row.score,
            highlights: document.texts.iter().map(highlight).collect(),
            texts: document.texts,
            values: document.values,
            explanation: row.explanation,
        })
    }
}

impl Scored {
    fn best_first(&self, other: &Self) -> Ordering {
        other
            .explanation
            .key
            .cmp(&self.explanation.key)
            .then(other.score.total_cmp(&self.score))
            // Equal where there are no boosts.
            .then(other.unraised.total_cmp(&self.unraised))
            .then(self.place.cmp(&other.place))
    }
}

/// How many rows of each ranking an answer needs. Rows that are no hits by their ids are left out afterwards, so that
/// queries that differ in them can share a scan.
pub(super) fn depth(query: &Query) -> usize {
    let hits = query.k.saturating_add(query.offset);
    let whole = query.sort.is_some() || !query.facets.is_empty();
    let joined = match query.mode {
        // All rows are scored where all that reach a score are asked for.
        Mode::Hybrid if whole && query.min_score.is_some() => usize::MAX,
        Mode::Hybrid => query.joined_rows(),
        Mode::Meaning | Mode::Words => hits,
    };
    joined.saturating_add(query.without.len())
}

/// All rows of a segment.
pub(super) fn all(rows: u32) -> RoaringBitmap {
    let mut all = RoaringBitmap::new();
    all.insert_range(0..rows);
    all
}
