//! The candidates of all shards as one ranking.

use std::cmp::Ordering;

use search::Mode;

use super::candidates::{Candidate, Plan};
use super::facets::compare;
use super::fuse::fuse;

/// A candidate with its places in both rankings.
#[derive(Clone, Debug)]
pub(super) struct Ranked {
    pub(super) candidate: Candidate,
    pub(super) similarity_rank: Option<usize>,
    pub(super) bm25_rank: Option<usize>,
    pub(super) score: f32,
}

/// The hits of a question, in their order.
pub(super) fn rank(plan: &Plan<'_>, candidates: Vec<Candidate>) -> Vec<Ranked> {
    let query = plan.query;
    let mut hits: Vec<Ranked> = candidates
        .into_iter()
        .map(|candidate| Ranked {
            candidate,
            similarity_rank: None,
            bm25_rank: None,
            score: 0.0,
        })
        .collect();
    // The same order whatever the order of the shards' answers.
    hits.sort_by(|left, right| left.candidate.id.cmp(&right.candidate.id));
    for (place, index) in best(&hits, plan.depth, |hit| hit.candidate.similarity) {
        hits[index].similarity_rank = Some(place);
    }
    for (place, index) in best(&hits, plan.depth, |hit| hit.candidate.bm25) {
        hits[index].bm25_rank = Some(place);
    }
    // What a shard ranks among its first may be behind those of all shards.
    hits.retain(|hit| {
        let ranked = match query.mode {
            Mode::Meaning => hit.similarity_rank.is_some(),
            Mode::Words => hit.bm25_rank.is_some(),
            Mode::Hybrid => hit.similarity_rank.is_some() || hit.bm25_rank.is_some(),
        };
        ranked || hit.candidate.key || query.sort.is_some()
    });
    match query.mode {
        Mode::Meaning => {
            for hit in &mut hits {
                hit.score = hit.candidate.similarity.unwrap_or(0.0);
            }
        }
        Mode::Words => {
            for hit in &mut hits {
                hit.score = hit.candidate.bm25.unwrap_or(0.0);
            }
        }
        Mode::Hybrid => fuse(
            query.fusion.unwrap_or(plan.store.settings.fusion),
            &mut hits,
        ),
    }
    if let Some(least) = query.min_score {
        hits.retain(|hit| hit.score >= least);
    }
    hits.sort_by(|left, right| {
        let order = match &query.sort {
            Some(sort) => by_value(left, right, sort.descending),
            // A question that names a row wants this row.
            None => right.candidate.key.cmp(&left.candidate.key),
        };
        order
            .then_with(|| right.score.total_cmp(&left.score))
            .then_with(|| left.candidate.id.cmp(&right.candidate.id))
    });
    hits.into_iter().skip(query.offset).take(query.k).collect()
}

/// The rows of the highest scores with their places from 1: of rows with equal scores the lower id first.
fn best(
    hits: &[Ranked],
    depth: usize,
    score: impl Fn(&Ranked) -> Option<f32>,
) -> Vec<(usize, usize)> {
    let mut scores: Vec<(f32, usize)> = hits
        .iter()
        .enumerate()
        .filter_map(|(index, hit)| Some((score(hit)?, index)))
        .collect();
    // Stable, and the rows are in the order of ids.
    scores.sort_by(|left, right| right.0.total_cmp(&left.0));
    let places = scores.into_iter().take(depth).enumerate();
    places
        .map(|(place, (_, index))| (place + 1, index))
        .collect()
}

/// Rows without a value come last whatever the direction.
fn by_value(left: &Ranked, right: &Ranked, descending: bool) -> Ordering {
    match (&left.candidate.sort, &right.candidate.sort) {
        (Some(left), Some(right)) if descending => compare(right, left),
        (Some(left), Some(right)) => compare(left, right),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => Ordering::Equal,
    }
}
