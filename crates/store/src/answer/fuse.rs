//! One score of two.

use search::Fusion;

use super::rank::Ranked;

/// The constant of reciprocal ranks.
const RANK: f32 = 60.0;

/// Sets the score of every row.
pub(super) fn fuse(fusion: Fusion, hits: &mut [Ranked]) {
    let similarities = || hits.iter().filter_map(|hit| hit.candidate.similarity);
    let lowest = similarities().fold(f32::INFINITY, f32::min);
    let highest = similarities().fold(f32::NEG_INFINITY, f32::max);
    let most = hits
        .iter()
        .filter_map(|hit| hit.candidate.bm25)
        .fold(0.0, f32::max);
    for hit in hits {
        hit.score = match fusion {
            Fusion::WeightedSum { weight } => {
                let meaning = hit.candidate.similarity.map_or(0.0, |similarity| {
                    (similarity - lowest) / (highest - lowest).max(f32::MIN_POSITIVE)
                });
                let words = hit.candidate.bm25.unwrap_or(0.0) / most.max(f32::MIN_POSITIVE);
                (1.0 - weight) * meaning + weight * words
            }
            Fusion::ReciprocalRank => {
                let share =
                    |rank: Option<usize>| rank.map_or(0.0, |rank| 1.0 / (RANK + rank as f32));
                share(hit.similarity_rank) + share(hit.bm25_rank)
            }
        };
    }
}
