//! The candidates of all shards as one ranking.

use std::cmp::Ordering;

use search::filter::SortKey;
use search::{Mode, Query};

use super::candidates::Candidate;
use super::plan::Plan;
use super::pool::Pool;

/// A candidate with its places in both rankings.
#[derive(Clone, Debug)]
pub(super) struct Ranked {
    pub(super) candidate: Candidate,
    pub(super) similarity_rank: Option<usize>,
    pub(super) bm25_rank: Option<usize>,
    pub(super) score: f32,
}

/// The hits of a question in their order, with those before its first and behind its last.
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
        ranked || hit.candidate.key || hit.candidate.sorted
    });
    score(plan, &mut hits);
    match (&query.sort, query.min_score) {
        (Some(_), _) if plan.pool != Pool::Ranked => hits.retain(|hit| hit.candidate.sorted),
        (_, Some(least)) => hits.retain(|hit| hit.candidate.key || hit.score >= least),
        _ => {}
    }
    hits.sort_by(|left, right| in_order(query, left, right));
    hits
}

/// Sets the scores by which hits are ordered.
fn score(plan: &Plan<'_>, hits: &mut [Ranked]) {
    let settings = &plan.store.settings;
    let scores: Vec<f32> = match plan.query.mode {
        Mode::Meaning => hits
            .iter()
            .map(|hit| hit.candidate.similarity.unwrap_or(0.0))
            .collect(),
        Mode::Words => hits
            .iter()
            .map(|hit| hit.candidate.bm25.unwrap_or(0.0))
            .collect(),
        Mode::Hybrid => {
            let candidates: Vec<search::Candidate> = hits
                .iter()
                .map(|hit| search::Candidate {
                    meaning: hit.candidate.similarity,
                    words: hit.candidate.bm25,
                })
                .collect();
            let fusion = plan.query.fusion.unwrap_or(settings.fusion);
            fusion.scores(settings.similarity, &candidates)
        }
    };
    for (hit, score) in hits.iter_mut().zip(scores) {
        hit.score = score;
    }
}

fn in_order(query: &Query, left: &Ranked, right: &Ranked) -> Ordering {
    let order = match &query.sort {
        Some(sort) => by_value(left, right, sort.descending),
        // A question that names a row wants this row.
        None => (right.candidate.key.cmp(&left.candidate.key))
            .then_with(|| right.score.total_cmp(&left.score)),
    };
    order.then_with(|| left.candidate.id.cmp(&right.candidate.id))
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
    let key = |hit: &Ranked| hit.candidate.sort.as_ref().map(SortKey::from);
    let (left, right) = (key(left), key(right));
    let values = if descending {
        right.cmp(&left)
    } else {
        left.cmp(&right)
    };
    left.is_none().cmp(&right.is_none()).then(values)
}
