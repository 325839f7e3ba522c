//! Metrics of a ranking, as means over all orders of documents of equal score.
//!
//! Without ties they are those of [`search::metrics`]. With ties they are exact expectations over
//! random orders (McSherry and Najork, *Computing Information Retrieval Performance Measures
//! Efficiently in the Presence of Tied Scores*, 2008), so a model that gives all texts one vector has
//! the metrics of chance.

use super::super::scores::Scores;
use super::judgements::Query;
use super::ranking::Ties;
use super::{Ranking, RetrievalOptions};

/// A query's judgements, and the places of its relevant documents.
struct Ranked<'a> {
    query: &'a Query,
    ties: &'a [Ties],
}

impl Ties {
    /// Number of tied documents that are among the first `k` of the ranking.
    fn within(&self, k: usize) -> usize {
        k.saturating_sub(self.higher).min(self.equal)
    }

    fn relevant(&self) -> f64 {
        self.relevances.len() as f64
    }

    /// Probability that a tied document is relevant.
    fn share(&self) -> f64 {
        self.relevant() / self.equal as f64
    }

    /// Probability that none of the first `places` tied documents is relevant (hypergeometric).
    fn miss(&self, places: usize) -> f64 {
        (0..self.relevances.len())
            .map(|taken| self.equal - taken)
            .map(|left| left.saturating_sub(places) as f64 / left as f64)
            .product()
    }

    /// The ranks, from 1, of the tied documents among the first `k`.
    fn ranks(&self, k: usize) -> impl Iterator<Item = (usize, f64)> {
        let higher = self.higher;
        (0..self.within(k)).map(move |place| (place, (higher + place + 1) as f64))
    }
}

impl Ranked<'_> {
    fn relevant_within(&self, k: usize) -> f64 {
        let ties = self.ties.iter();
        ties.map(|ties| ties.share() * ties.within(k) as f64).sum()
    }

    fn accuracy(&self, k: usize) -> f64 {
        let first = self.ties.first();
        first.map_or(0.0, |ties| 1.0 - ties.miss(ties.within(k)))
    }

    fn precision(&self, k: usize) -> f64 {
        self.relevant_within(k) / k as f64
    }

    fn recall(&self, k: usize) -> f64 {
        self.relevant_within(k) / self.query.relevant() as f64
    }

    fn reciprocal_rank(&self, k: usize) -> f64 {
        let Some(ties) = self.ties.first() else {
            return 0.0;
        };
        // The probability that the first relevant document has the place, by its rank.
        let parts = ties.ranks(k).map(|(place, rank)| {
            ties.miss(place) * ties.relevant() / (ties.equal - place) as f64 / rank
        });
        parts.sum()
    }

    fn average_precision(&self, k: usize) -> f64 {
        let (mut sum, mut found) = (0.0, 0.0);
        for ties in self.ties {
            let others = (ties.equal - 1).max(1) as f64;
            for (place, rank) in ties.ranks(k) {
                let before = found + place as f64 * (ties.relevant() - 1.0) / others;
                sum += ties.share() * (before + 1.0) / rank;
            }
            found += ties.relevant();
        }
        sum / self.query.relevant().min(k) as f64
    }

    /// nDCG with the gain of each relevance. 0 if all relevances are 0.
    fn ndcg(&self, k: usize, gain: fn(f64) -> f64) -> f64 {
        let discounted = |gain: f64, rank: f64| gain / (rank + 1.0).log2();
        let mut ideal: Vec<f64> = self.query.relevances.iter().copied().map(gain).collect();
        ideal.sort_by(|a, b| b.total_cmp(a));
        let ideal = ideal.into_iter().take(k).zip(1_u32..);
        let best: f64 = ideal
            .map(|(gain, rank)| discounted(gain, rank.into()))
            .sum();
        let ties = self.ties.iter().flat_map(|ties| {
            let sum: f64 = ties.relevances.iter().copied().map(gain).sum();
            let mean = sum / ties.equal as f64;
            ties.ranks(k).map(move |(_, rank)| discounted(mean, rank))
        });
        let found: f64 = ties.sum();
        if best > 0.0 { found / best } else { 0.0 }
    }
}

/// A metric at a cut-off, the second argument.
type Value = fn(&Ranked<'_>, usize) -> f64;

/// nDCG of relevance 0 or 1.
fn ndcg(ranked: &Ranked<'_>, k: usize) -> f64 {
    ranked.ndcg(k, |relevance| f64::from(u8::from(relevance > 0.0)))
}

/// nDCG of the relevance, with the gain `2^relevance - 1`.
fn graded_ndcg(ranked: &Ranked<'_>, k: usize) -> f64 {
    ranked.ndcg(k, |relevance| relevance.exp2() - 1.0)
}

/// Means over all queries, of which there must be at least one. Names begin with the prefix; without
/// one there is no graded nDCG.
pub(super) fn scores(
    queries: &[Query],
    rankings: &[Vec<Ties>],
    options: &RetrievalOptions,
    prefix: Option<&str>,
) -> Scores {
    let ranked: Vec<Ranked<'_>> = queries
        .iter()
        .zip(rankings)
        .map(|(query, ties)| Ranked { query, ties })
        .collect();
    let mean = |value: Value, cutoff: usize| {
        let sum: f64 = ranked.iter().map(|ranked| value(ranked, cutoff)).sum();
        sum / ranked.len() as f64
    };
    let label = |metric: &str, cutoff: usize| match prefix {
        Some(prefix) => format!("{prefix}_{metric}@{cutoff}"),
        None => format!("{metric}@{cutoff}"),
    };
    let cutoffs = &options.cutoffs;
    let graded: &[usize] = match prefix {
        Some(_) => &cutoffs.ndcg,
        None => &[],
    };
    let all: [(&str, &[usize], Value); 7] = [
        ("accuracy", &cutoffs.accuracy, |ranked, k| {
            ranked.accuracy(k)
        }),
        ("precision", &cutoffs.precision_recall, |ranked, k| {
            ranked.precision(k)
        }),
        ("recall", &cutoffs.precision_recall, |ranked, k| {
            ranked.recall(k)
        }),
        ("ndcg", &cutoffs.ndcg, ndcg),
        ("mrr", &cutoffs.mrr, |ranked, k| ranked.reciprocal_rank(k)),
        ("map", &cutoffs.map, |ranked, k| ranked.average_precision(k)),
        ("graded_ndcg", graded, graded_ndcg),
    ];
    let (name, value): (&str, Value) = match options.ranking {
        Ranking::All => ("ndcg", ndcg),
        Ranking::Judged => ("graded_ndcg", graded_ndcg),
    };
    let cutoff = cutoffs.ndcg.iter().copied().max().unwrap_or(0);
    let primary = label(name, cutoff);
    let metrics = all.into_iter().flat_map(|(name, cutoffs, value)| {
        cutoffs
            .iter()
            .map(move |&cutoff| (label(name, cutoff), mean(value, cutoff)))
    });
    let others: Vec<(String, f64)> = metrics.filter(|(name, _)| *name != primary).collect();
    let mut scores = Scores::new(primary, mean(value, cutoff));
    scores.extend(others);
    scores
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use search::metrics;

    use super::*;

    /// All orders of `places`.
    fn orders(places: &[usize]) -> Vec<Vec<usize>> {
        if places.is_empty() {
            return vec![Vec::new()];
        }
        let with_first = |first: usize| {
            let mut rest = places.to_vec();
            let first = rest.remove(first);
            let rest = orders(&rest).into_iter();
            rest.map(move |rest| [vec![first], rest].concat())
        };
        (0..places.len()).flat_map(with_first).collect()
    }

    /// Ties by counting: every pair of documents.
    fn ties(scores: &[u8], relevances: &[f64]) -> Vec<Ties> {
        let mut distinct = scores.to_vec();
        distinct.sort_unstable_by(|a, b| b.cmp(a));
        distinct.dedup();
        let of = |score: u8| {
            let count = |is: fn(&u8, &u8) -> bool| scores.iter().filter(|s| is(s, &score)).count();
            let tied = scores.iter().zip(relevances);
            let tied = tied.filter(|&(s, r)| *s == score && *r > 0.0);
            Ties {
                higher: count(|s, score| s > score),
                equal: count(|s, score| s == score),
                relevances: tied.map(|(_, &relevance)| relevance).collect(),
            }
        };
        let all = distinct.into_iter().map(of);
        all.filter(|ties| !ties.relevances.is_empty()).collect()
    }

    proptest! {
        /// The mean of `search::metrics` over all orders in which equal scores can come.
        #[test]
        fn metrics_are_means_over_all_orders_of_equal_scores(
            documents in prop::collection::vec((0_u8..3, 0_u8..3), 1..7),
            k in 1_usize..8,
        ) {
            let scores: Vec<u8> = documents.iter().map(|document| document.0).collect();
            let relevances: Vec<f64> = documents.iter().map(|document| document.1.into()).collect();
            let query = Query {
                text: String::new(),
                documents: (0..documents.len()).collect(),
                relevances: relevances.clone(),
            };
            prop_assume!(query.relevant() > 0);
            let ties = ties(&scores, &relevances);
            let ranked = Ranked { query: &query, ties: &ties };

            let orders: Vec<Vec<usize>> = orders(&query.documents)
                .into_iter()
                .filter(|order| order.is_sorted_by(|&a, &b| scores[a] >= scores[b]))
                .collect();
            let mean = |of: &dyn Fn(&[f64], &[bool]) -> f64| {
                let sum: f64 = orders.iter().map(|order| {
                    let graded: Vec<f64> = order.iter().map(|&place| relevances[place]).collect();
                    let binary: Vec<bool> = graded.iter().map(|&relevance| relevance > 0.0).collect();
                    of(&graded, &binary)
                }).sum();
                sum / orders.len() as f64
            };
            let total = query.relevant();
            let binary = |all: &[bool]| all.iter().map(|&relevant| f64::from(u8::from(relevant))).collect::<Vec<_>>();
            let all: Vec<bool> = relevances.iter().map(|&relevance| relevance > 0.0).collect();
            let expected = [
                (ranked.accuracy(k), mean(&|_, found| metrics::accuracy(found, k))),
                (ranked.precision(k), mean(&|_, found| metrics::precision(found, k))),
                (ranked.recall(k), mean(&|_, found| metrics::recall(found, total, k))),
                (ranked.reciprocal_rank(k), mean(&|_, found| metrics::reciprocal_rank(found, k))),
                (ranked.average_precision(k), mean(&|_, found| metrics::average_precision(found, total, k))),
                (ndcg(&ranked, k), mean(&|_, found| {
                    metrics::ndcg(&binary(found), &binary(&all), k, metrics::Gain::Linear).unwrap()
                })),
                (graded_ndcg(&ranked, k), mean(&|graded, _| {
                    metrics::ndcg(graded, &relevances, k, metrics::Gain::Exponential).unwrap()
                })),
            ];
            for (metric, (actual, expected)) in expected.into_iter().enumerate() {
                prop_assert!((actual - expected).abs() < 1e-12, "{}: {} {}", metric, actual, expected);
            }
        }
    }
}
