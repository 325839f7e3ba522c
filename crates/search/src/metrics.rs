//! Metrics of retrieval and of similarity, in `f64`.
//!
//! A ranking is the list of the relevance of its results, best first.
//!
//! The definitions are those of:
//! - sentence-transformers' `InformationRetrievalEvaluator`, for one query: [`accuracy`],
//!   [`precision`], [`recall`], [`reciprocal_rank`] (its MRR), [`average_precision`] (its MAP) and
//!   [`ndcg`] of relevance 0 or 1, for which both gains are the same. It leaves out queries without a
//!   relevant document; these functions give 0 for them, and [`ndcg`] gives `None`.
//! - `scipy.stats`: [`pearson`] and [`spearman`], with `None` instead of NaN.
//! - The papers that [`Gain`] names: [`ndcg`] of graded relevance, which sentence-transformers does
//!   not have.

/// Gain of a result of some relevance in [`ndcg`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gain {
    /// The relevance itself (Järvelin and Kekäläinen, 2002).
    Linear,
    /// `2^relevance - 1` (Burges et al., 2005), which gives more weight to high relevance.
    Exponential,
}

impl Gain {
    fn of(self, relevance: f64) -> f64 {
        match self {
            Self::Linear => relevance,
            Self::Exponential => relevance.exp2() - 1.0,
        }
    }
}

/// Normalised discounted cumulative gain of the first `k` results, in `[0, 1]`.
///
/// Sums `gain / log2(rank + 1)` over the results and divides by the sum for the best order of
/// `all_relevance`, the relevance of every document judged for the query. `None` if that best sum is
/// 0.
#[must_use]
pub fn ndcg(ranked_relevance: &[f64], all_relevance: &[f64], k: usize, gain: Gain) -> Option<f64> {
    let discounted = |relevance: &[f64]| -> f64 {
        relevance
            .iter()
            .take(k)
            .zip(1u32..)
            .map(|(&relevance, rank)| gain.of(relevance) / (f64::from(rank) + 1.0).log2())
            .sum()
    };
    let mut ideal = all_relevance.to_vec();
    ideal.sort_by(|a, b| b.total_cmp(a));
    let best = discounted(&ideal);
    (best > 0.0).then(|| discounted(ranked_relevance) / best)
}

/// 1 / rank of the first relevant result among the first `k`, or 0.
#[must_use]
pub fn reciprocal_rank(ranked_relevant: &[bool], k: usize) -> f64 {
    let first = ranked_relevant
        .iter()
        .take(k)
        .position(|&relevant| relevant);
    first.map_or(0.0, |position| 1.0 / (position as f64 + 1.0))
}

/// 1 if one of the first `k` results is relevant, else 0.
#[must_use]
pub fn accuracy(ranked_relevant: &[bool], k: usize) -> f64 {
    if ranked_relevant.iter().take(k).any(|&relevant| relevant) {
        1.0
    } else {
        0.0
    }
}

/// Number of relevant results among the first `k`, divided by `k`; 0 for `k` = 0.
#[must_use]
pub fn precision(ranked_relevant: &[bool], k: usize) -> f64 {
    ratio(relevant_in(ranked_relevant, k), k)
}

/// Number of relevant results among the first `k`, divided by `total_relevant`; 0 if that is 0.
#[must_use]
pub fn recall(ranked_relevant: &[bool], total_relevant: usize, k: usize) -> f64 {
    ratio(relevant_in(ranked_relevant, k), total_relevant)
}

/// Sum of the precision at every relevant result among the first `k`, divided by
/// `min(k, total_relevant)`; 0 if that is 0.
#[must_use]
pub fn average_precision(ranked_relevant: &[bool], total_relevant: usize, k: usize) -> f64 {
    let mut found = 0;
    let mut sum = 0.0;
    for (position, &relevant) in ranked_relevant.iter().take(k).enumerate() {
        if relevant {
            found += 1;
            sum += ratio(found, position + 1);
        }
    }
    let possible = total_relevant.min(k);
    if possible == 0 {
        0.0
    } else {
        sum / possible as f64
    }
}

fn relevant_in(ranked_relevant: &[bool], k: usize) -> usize {
    ranked_relevant
        .iter()
        .take(k)
        .filter(|&&relevant| relevant)
        .count()
}

fn ratio(part: usize, whole: usize) -> f64 {
    if whole == 0 {
        0.0
    } else {
        part as f64 / whole as f64
    }
}

/// Pearson's correlation, in `[-1, 1]`. `None` if the lengths differ or are below 2, a value is not
/// finite, or one side is constant.
#[must_use]
pub fn pearson(x: &[f64], y: &[f64]) -> Option<f64> {
    if x.len() != y.len() {
        return None;
    }
    let (x, y) = (Deviations::of(x)?, Deviations::of(y)?);
    let product: f64 = x.values.iter().zip(&y.values).map(|(x, y)| x * y).sum();
    Some((product / (x.length * y.length)).clamp(-1.0, 1.0))
}

/// Deviations from the mean, in a unit whose squares neither overflow nor vanish in an `f64`.
struct Deviations {
    values: Vec<f64>,
    /// Above 0.
    length: f64,
}

impl Deviations {
    /// `None` if a value is not finite or all are equal. Both checks look at the values: the
    /// deviations of equal values may differ from 0, because their mean is rounded.
    fn of(values: &[f64]) -> Option<Self> {
        let varies = values.windows(2).any(|pair| pair[0] != pair[1]);
        if !varies || values.iter().any(|value| !value.is_finite()) {
            return None;
        }
        let largest = values
            .iter()
            .fold(0.0f64, |max, value| max.max(value.abs()));
        let unit = power_of_two(largest);
        let mut values: Vec<f64> = values.iter().map(|value| value / unit).collect();
        // Twice, because the error of the first mean may exceed small deviations.
        for _ in 0..2 {
            let mean = values.iter().sum::<f64>() / values.len() as f64;
            values.iter_mut().for_each(|value| *value -= mean);
        }
        let length = values.iter().map(|value| value * value).sum::<f64>().sqrt();
        Some(Self { values, length })
    }
}

/// The largest power of two not above a positive value, or the smallest normal number. Division by
/// it is exact.
fn power_of_two(value: f64) -> f64 {
    // The bits of infinity are those of the exponent.
    let exponent = value.to_bits() & f64::INFINITY.to_bits();
    f64::from_bits(exponent).max(f64::MIN_POSITIVE)
}

/// Spearman's rank correlation: Pearson's of the ranks, where equal values share their mean rank.
/// `None` if the lengths differ or are below 2, a value is NaN, or one side is constant. Infinite
/// values have a rank.
#[must_use]
pub fn spearman(x: &[f64], y: &[f64]) -> Option<f64> {
    if x.iter().chain(y).any(|value| value.is_nan()) {
        return None;
    }
    pearson(&ranks(x), &ranks(y))
}

/// Ranks from 1, the smallest value first; no value may be NaN.
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut ranks = vec![0.0; values.len()];
    let mut smaller = 0.0;
    for equal in order.chunk_by(|&a, &b| values[a] == values[b]) {
        let count = equal.len() as f64;
        for &index in equal {
            ranks[index] = smaller + (count + 1.0) / 2.0;
        }
        smaller += count;
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Sums of a few values in f64.
    const TOLERANCE: f64 = 1e-12;

    fn assert_close(actual: f64, expected: f64) {
        assert!(
            (actual - expected).abs() < TOLERANCE,
            "{actual} is not {expected}"
        );
    }

    #[test]
    fn ndcg_by_hand() {
        let log2 = f64::log2;
        let actual = ndcg(&[0.0, 3.0, 1.0], &[3.0, 1.0, 0.0], 3, Gain::Exponential).unwrap();
        assert_close(
            actual,
            (7.0 / log2(3.0) + 1.0 / 2.0) / (7.0 + 1.0 / log2(3.0)),
        );
        let actual = ndcg(&[0.0, 3.0, 1.0], &[3.0, 1.0, 0.0], 2, Gain::Linear).unwrap();
        assert_close(actual, (3.0 / log2(3.0)) / (3.0 + 1.0 / log2(3.0)));
        assert_eq!(ndcg(&[0.0], &[0.0], 10, Gain::Linear), None);
        assert_eq!(ndcg(&[1.0], &[1.0], 0, Gain::Linear), None);
        assert_eq!(ndcg(&[], &[1.0], 10, Gain::Linear), Some(0.0));
    }

    #[test]
    fn rankings_by_hand() {
        let ranked = [false, true, false, true];
        assert_close(reciprocal_rank(&ranked, 10), 0.5);
        assert_close(reciprocal_rank(&ranked, 1), 0.0);
        assert_close(accuracy(&ranked, 1), 0.0);
        assert_close(accuracy(&ranked, 2), 1.0);
        assert_close(precision(&ranked, 4), 0.5);
        assert_close(precision(&ranked, 10), 0.2);
        assert_close(precision(&ranked, 0), 0.0);
        assert_close(recall(&ranked, 4, 3), 0.25);
        assert_close(recall(&ranked, 0, 3), 0.0);
        assert_close(average_precision(&ranked, 2, 100), (0.5 + 0.5) / 2.0);
        assert_close(average_precision(&ranked, 8, 3), 0.5 / 3.0);
        assert_close(average_precision(&ranked, 0, 3), 0.0);
    }

    #[test]
    fn correlations_by_hand() {
        // scipy.stats.spearmanr([1, 2, 2, 5], [1, 3, 2, 2]) and pearsonr of the same.
        assert_close(
            spearman(&[1.0, 2.0, 2.0, 5.0], &[1.0, 3.0, 2.0, 2.0]).unwrap(),
            0.5,
        );
        let pearson_value = pearson(&[1.0, 2.0, 2.0, 5.0], &[1.0, 3.0, 2.0, 2.0]).unwrap();
        assert_close(pearson_value, 1.0 / 18f64.sqrt());
    }

    #[test]
    fn without_variation_there_is_no_correlation() {
        let varied = [1.0, 2.0, 4.0];
        // The mean of the first is not 0.1, so that its deviations are not 0.
        for constant in [[0.1; 3], [0.0, -0.0, 0.0], [f64::MAX; 3]] {
            for correlation in [pearson, spearman] {
                assert_eq!(correlation(&constant, &varied), None);
                assert_eq!(correlation(&varied, &constant), None);
            }
        }
        for correlation in [pearson, spearman] {
            assert_eq!(correlation(&[], &[]), None);
            assert_eq!(correlation(&[1.0], &[1.0]), None);
            assert_eq!(correlation(&[1.0, 2.0], &[1.0]), None);
        }
    }

    #[test]
    fn nan_has_no_correlation() {
        let varied = [1.0, 2.0, 3.0];
        for correlation in [pearson, spearman] {
            assert_eq!(correlation(&[1.0, f64::NAN, 3.0], &varied), None);
            assert_eq!(correlation(&varied, &[f64::NAN; 3]), None);
        }
        let infinite = [1.0, f64::INFINITY, 3.0];
        assert_eq!(pearson(&infinite, &varied), None);
        // scipy.stats.spearmanr([1, inf, 3], [1, 2, 3])
        assert_close(spearman(&infinite, &varied).unwrap(), 0.5);
    }

    #[test]
    fn the_smallest_and_largest_values_correlate_too() {
        let plain = pearson(&[1.0, 2.0, 4.0], &[3.0, 1.0, 2.0]).unwrap();
        for unit in [5e-324, 1e-200, 1e200, f64::MAX / 4.0] {
            let x = [1.0 * unit, 2.0 * unit, 4.0 * unit];
            assert_close(pearson(&x, &[3.0, 1.0, 2.0]).unwrap(), plain);
            assert_close(pearson(&x, &x).unwrap(), 1.0);
        }
        let opposite = [f64::MAX, -f64::MAX];
        assert_close(pearson(&opposite, &[1.0, 2.0]).unwrap(), -1.0);
        let next = 1f64.next_up();
        assert_close(pearson(&[1.0, next, next], &[0.0, 1.0, 1.0]).unwrap(), 1.0);
    }

    proptest! {
        #[test]
        fn ranks_as_counted(values in prop::collection::vec(-4i8..4, 0..40)) {
            let values: Vec<f64> = values.into_iter().map(f64::from).collect();
            for (rank, value) in ranks(&values).iter().zip(&values) {
                let smaller = values.iter().filter(|other| *other < value).count() as f64;
                let equal = values.iter().filter(|other| *other == value).count() as f64;
                prop_assert!((rank - (smaller + (equal + 1.0) / 2.0)).abs() < TOLERANCE);
            }
        }

        /// Sums of whole numbers are exact, and no mean is taken.
        #[test]
        fn pearson_as_in_whole_numbers(
            pairs in prop::collection::vec((-1000i64..1000, -9i64..9), 0..40),
            away in prop_oneof![Just(0i64), Just(1 << 40)],
        ) {
            let n = pairs.len() as i64;
            let sum = |of: fn(i64, i64) -> i64| -> i64 {
                pairs.iter().map(|&(x, y)| of(x, y)).sum()
            };
            let (sum_x, sum_y) = (sum(|x, _| x), sum(|_, y| y));
            let covariance = n * sum(|x, y| x * y) - sum_x * sum_y;
            let variance_x = n * sum(|x, _| x * x) - sum_x * sum_x;
            let variance_y = n * sum(|_, y| y * y) - sum_y * sum_y;
            // Values that are far from 0 vary as much as those near it.
            let x: Vec<f64> = pairs.iter().map(|&(x, _)| (x + away) as f64).collect();
            let y: Vec<f64> = pairs.iter().map(|&(_, y)| y as f64).collect();
            if variance_x == 0 || variance_y == 0 {
                prop_assert_eq!(pearson(&x, &y), None);
            } else {
                let scale = (variance_x as f64).sqrt() * (variance_y as f64).sqrt();
                let expected = covariance as f64 / scale;
                prop_assert!((pearson(&x, &y).unwrap() - expected).abs() < TOLERANCE);
            }
        }

        #[test]
        fn the_best_order_has_ndcg_one(mut relevance in prop::collection::vec(0u8..4, 1..30), k in 1usize..40) {
            relevance.sort_by(|a, b| b.cmp(a));
            let relevance: Vec<f64> = relevance.into_iter().map(f64::from).collect();
            for gain in [Gain::Linear, Gain::Exponential] {
                match ndcg(&relevance, &relevance, k, gain) {
                    Some(value) => prop_assert!((value - 1.0).abs() < TOLERANCE),
                    None => prop_assert!(relevance.iter().all(|value| *value == 0.0)),
                }
                let backwards: Vec<f64> = relevance.iter().rev().copied().collect();
                prop_assert!(ndcg(&backwards, &relevance, k, gain).is_none_or(|value| (0.0..=1.0 + TOLERANCE).contains(&value)));
            }
        }
    }
}
