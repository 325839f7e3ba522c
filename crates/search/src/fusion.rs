//! Joins the rankings by meaning and by words.

use std::cmp::Ordering;

use crate::query::Fusion;
use crate::vectors::Similarity;

/// Added to every rank by [`Fusion::ReciprocalRank`] (Cormack, Clarke and Buettcher, SIGIR 2009).
const RANK_OFFSET: f32 = 60.0;

/// A row that may be a hit: both its scores, as exact as they would be alone.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Candidate {
    /// The similarity of the vectors; none where it is unknown.
    pub meaning: Option<f32>,
    /// BM25 of the words; none where no word matches.
    pub words: Option<f32>,
}

impl Fusion {
    /// The score of every candidate of a query, in the order of the candidates.
    ///
    /// The candidates must hold the best rows of both rankings, for scores are relative to them:
    ///
    /// - [`Fusion::WeightedSum`]: `(1 - weight) * meaning + weight * words`. `words` is BM25 divided by the highest
    ///   BM25, to the power of 1.5. `meaning` is the cosine itself; of other similarities it is in `[0, 1]`, too: a dot
    ///   product is divided by the largest one in absolute value, and a distance `d` becomes `1 / (1 + d)`. So both parts
    ///   depend on the extreme rows alone and not on how many candidates there are. No word is 0, an unknown similarity the
    ///   lowest known one.
    /// - [`Fusion::ReciprocalRank`]: `1 / (60 + rank)` of both ranks, from 1; nothing for a ranking that the candidate is
    ///   not in. Of equal scores the first candidate has the better rank.
    #[must_use]
    pub fn scores(self, similarity: Similarity, candidates: &[Candidate]) -> Vec<f32> {
        match self {
            Self::WeightedSum { weight } => weighted_sum(weight, similarity, candidates),
            Self::ReciprocalRank => {
                let meaning = reciprocal_ranks(candidates, |candidate| candidate.meaning);
                let words = reciprocal_ranks(candidates, |candidate| candidate.words);
                meaning
                    .iter()
                    .zip(words)
                    .map(|(meaning, words)| meaning + words)
                    .collect()
            }
        }
    }
}

fn weighted_sum(weight: f32, similarity: Similarity, candidates: &[Candidate]) -> Vec<f32> {
    let known = || candidates.iter().filter_map(|candidate| candidate.meaning);
    let lowest = known().reduce(f32::min).unwrap_or(0.0);
    let largest = known().map(f32::abs).fold(0.0, f32::max);
    let most_words = candidates
        .iter()
        .filter_map(|candidate| candidate.words)
        .fold(0.0, f32::max);
    let scaled = |meaning: f32| match similarity {
        Similarity::Cosine => meaning,
        Similarity::DotProduct => share(meaning, largest),
        // Scores are negated distances.
        Similarity::Euclidean | Similarity::Manhattan => 1.0 / (1.0 - meaning),
    };
    let score = |candidate: &Candidate| {
        let meaning = scaled(candidate.meaning.unwrap_or(lowest));
        let words = scaled_words(candidate.words.unwrap_or(0.0), most_words);
        (1.0 - weight) * meaning + weight * words
    };
    candidates.iter().map(score).collect()
}

/// From 0 to 1. The power keeps rows far behind that have only some of a query's words: without it they pass rows that
/// mean the same. 1.5 was the best of 1, 1.5, 2, 2.5, 3 and 4 on the half of Chorus's queries that also chose the weight.
fn scaled_words(words: f32, most: f32) -> f32 {
    let share = share(words, most);
    // The square root rounds alike on every processor, a power does not.
    share * share.sqrt()
}

/// Of nothing, nothing.
fn share(part: f32, whole: f32) -> f32 {
    if whole > 0.0 { part / whole } else { 0.0 }
}

fn reciprocal_ranks(
    candidates: &[Candidate],
    score: impl Fn(&Candidate) -> Option<f32>,
) -> Vec<f32> {
    let mut ranked: Vec<(usize, f32)> = candidates
        .iter()
        .enumerate()
        .filter_map(|(place, candidate)| Some((place, score(candidate)?)))
        .collect();
    let best_first =
        |left: &(usize, f32), right: &(usize, f32)| -> Ordering { right.1.total_cmp(&left.1) };
    // Stable: of equal scores the first candidate comes first.
    ranked.sort_by(best_first);
    let mut reciprocals = vec![0.0; candidates.len()];
    for (rank, (place, _)) in ranked.into_iter().enumerate() {
        reciprocals[place] = 1.0 / (RANK_OFFSET + 1.0 + rank as f32);
    }
    reciprocals
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn candidates(scores: &[(Option<f32>, Option<f32>)]) -> Vec<Candidate> {
        scores
            .iter()
            .map(|&(meaning, words)| Candidate { meaning, words })
            .collect()
    }

    #[test]
    fn sums_by_hand() {
        let three = candidates(&[
            (Some(0.75), None),
            (Some(0.5), Some(16.0)),
            (None, Some(4.0)),
        ]);
        let fusion = Fusion::WeightedSum { weight: 0.25 };
        assert_eq!(
            fusion.scores(Similarity::Cosine, &three),
            [0.5625, 0.625, 0.40625]
        );
        assert_eq!(
            fusion.scores(Similarity::DotProduct, &three),
            [0.75, 0.75, 0.53125]
        );
        let far = candidates(&[(Some(0.0), None), (Some(-3.0), Some(2.0))]);
        for similarity in [Similarity::Euclidean, Similarity::Manhattan] {
            assert_eq!(fusion.scores(similarity, &far), [0.75, 0.4375]);
        }
        let zeros = candidates(&[(Some(0.0), None), (None, None)]);
        assert_eq!(fusion.scores(Similarity::DotProduct, &zeros), [0.0, 0.0]);
        assert_eq!(fusion.scores(Similarity::Cosine, &[]), [0.0; 0]);
    }

    #[test]
    fn ranks_by_hand() {
        let four = candidates(&[
            (Some(0.1), Some(1.0)),
            (Some(0.9), None),
            (Some(0.1), Some(3.0)),
            (None, None),
        ]);
        let scores = Fusion::ReciprocalRank.scores(Similarity::Cosine, &four);
        let rank = |rank: f32| 1.0 / (60.0 + rank);
        assert_eq!(
            scores,
            [rank(2.0) + rank(2.0), rank(1.0), rank(3.0) + rank(1.0), 0.0]
        );
    }

    proptest! {
        /// Without weight on words the order is that of meaning, with all weight that of words.
        #[test]
        fn the_ends_of_the_weight_are_the_rankings_alone(
            scores in prop::collection::vec((-1.0f32..1.0, prop::option::of(0.1f32..20.0)), 0..30),
            distances in any::<bool>(),
        ) {
            let (similarity, shift) = if distances { (Similarity::Euclidean, -1.0) } else { (Similarity::Cosine, 0.0) };
            let all: Vec<Candidate> =
                scores.iter().map(|&(meaning, words)| Candidate { meaning: Some(meaning + shift), words }).collect();
            let meaning = Fusion::WeightedSum { weight: 0.0 }.scores(similarity, &all);
            let words = Fusion::WeightedSum { weight: 1.0 }.scores(similarity, &all);
            for left in 0..all.len() {
                for right in 0..all.len() {
                    if all[left].meaning > all[right].meaning {
                        prop_assert!(meaning[left] >= meaning[right]);
                    }
                    if all[left].words > all[right].words {
                        prop_assert!(words[left] >= words[right]);
                    }
                }
            }
        }

        /// A row that is better in both rankings is better in both fusions.
        #[test]
        fn better_in_both_is_better(
            scores in prop::collection::vec((-1.0f32..1.0, 0.0f32..20.0), 2..30),
            weight in 0.0f32..=1.0,
        ) {
            let all: Vec<Candidate> =
                scores.iter().map(|&(meaning, words)| Candidate { meaning: Some(meaning), words: Some(words) }).collect();
            for fusion in [Fusion::WeightedSum { weight }, Fusion::ReciprocalRank] {
                let fused = fusion.scores(Similarity::Cosine, &all);
                for left in 0..all.len() {
                    for right in 0..all.len() {
                        if scores[left].0 > scores[right].0 && scores[left].1 > scores[right].1 {
                            prop_assert!(fused[left] >= fused[right]);
                        }
                    }
                }
            }
        }
    }
}
