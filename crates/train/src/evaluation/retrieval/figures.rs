//! Metrics of a ranking.

use search::metrics::{self, Gain};

use super::super::scores::Scores;
use super::judgements::Query;
use super::{Ranking, RetrievalOptions};

/// A ranking in the form that the metrics need.
struct Ranked<'a> {
    /// Relevance of the results, best match first.
    relevances: &'a [f64],
    /// Relevance of all judged documents.
    all_relevances: &'a [f64],
    /// Which results are relevant.
    relevant: Vec<bool>,
    /// The same as relevance 0 or 1.
    binary: Vec<f64>,
    /// A 1 per relevant document.
    all_binary: Vec<f64>,
}

impl<'a> Ranked<'a> {
    fn new(query: &'a Query, relevances: &'a [f64]) -> Self {
        let relevant: Vec<bool> = relevances
            .iter()
            .map(|&relevance| relevance > 0.0)
            .collect();
        Self {
            relevances,
            all_relevances: &query.relevances,
            binary: relevant
                .iter()
                .map(|&relevant| f64::from(u8::from(relevant)))
                .collect(),
            relevant,
            all_binary: vec![1.0; query.relevant()],
        }
    }

    fn total_relevant(&self) -> usize {
        self.all_binary.len()
    }
}

/// A metric at a cut-off, the second argument.
type Value = fn(&Ranked<'_>, usize) -> f64;

/// nDCG of relevance 0 or 1.
fn ndcg(ranked: &Ranked<'_>, k: usize) -> f64 {
    metrics::ndcg(&ranked.binary, &ranked.all_binary, k, Gain::Linear).unwrap_or(0.0)
}

/// nDCG of the relevance.
fn graded_ndcg(ranked: &Ranked<'_>, k: usize) -> f64 {
    metrics::ndcg(
        ranked.relevances,
        ranked.all_relevances,
        k,
        Gain::Exponential,
    )
    .unwrap_or(0.0)
}

/// Means over all queries, of which there must be at least one. Their names begin with `prefix`.
pub(super) fn scores(
    queries: &[Query],
    rankings: &[Vec<f64>],
    options: &RetrievalOptions,
    prefix: &str,
) -> Scores {
    let ranked: Vec<Ranked<'_>> = queries
        .iter()
        .zip(rankings)
        .map(|(query, relevances)| Ranked::new(query, relevances))
        .collect();
    let mean = |value: Value, cutoff: usize| {
        let sum: f64 = ranked.iter().map(|ranked| value(ranked, cutoff)).sum();
        sum / ranked.len() as f64
    };
    let label = |metric: &str, cutoff: usize| format!("{prefix}_{metric}@{cutoff}");
    let cutoffs = &options.cutoffs;
    let all: [(&str, &[usize], Value); 7] = [
        ("accuracy", &cutoffs.accuracy, |ranked, k| {
            metrics::accuracy(&ranked.relevant, k)
        }),
        ("precision", &cutoffs.precision_recall, |ranked, k| {
            metrics::precision(&ranked.relevant, k)
        }),
        ("recall", &cutoffs.precision_recall, |ranked, k| {
            metrics::recall(&ranked.relevant, ranked.total_relevant(), k)
        }),
        ("ndcg", &cutoffs.ndcg, ndcg),
        ("mrr", &cutoffs.mrr, |ranked, k| {
            metrics::reciprocal_rank(&ranked.relevant, k)
        }),
        ("map", &cutoffs.map, |ranked, k| {
            metrics::average_precision(&ranked.relevant, ranked.total_relevant(), k)
        }),
        ("graded_ndcg", &cutoffs.ndcg, graded_ndcg),
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
