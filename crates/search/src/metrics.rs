//! The metrics of retrieval and of similarity, in `f64`.
//!
//! A ranking is given as the relevance of its results, best first. Definitions are those of
//! sentence-transformers' `InformationRetrievalEvaluator` and of `scipy.stats`.

/// What a relevance grade is worth in [`ndcg`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gain {
    /// The grade itself (Järvelin and Kekäläinen, 2002).
    Linear,
    /// `2^grade - 1` (Burges et al., 2005), which counts high grades more.
    Exponential,
}

impl Gain {
    fn of(self, grade: f64) -> f64 {
        match self {
            Self::Linear => grade,
            Self::Exponential => grade.exp2() - 1.0,
        }
    }
}

/// Normalised discounted cumulative gain of the first `k` results, in `[0, 1]`: the gain of each
/// result over the logarithm of its rank plus one, relative to the best order of `all_grades` (the
/// grades of everything judged for the query). `None` where nothing is relevant.
#[must_use]
pub fn ndcg(ranked_grades: &[f64], all_grades: &[f64], k: usize, gain: Gain) -> Option<f64> {
    let discounted = |grades: &[f64]| -> f64 {
        grades
            .iter()
            .take(k)
            .zip(1u32..)
            .map(|(&grade, rank)| gain.of(grade) / (f64::from(rank) + 1.0).log2())
            .sum()
    };
    let mut ideal = all_grades.to_vec();
    ideal.sort_by(|a, b| b.total_cmp(a));
    let best = discounted(&ideal);
    (best > 0.0).then(|| discounted(ranked_grades) / best)
}

/// 1 over the rank of the first relevant result among the first `k`, or 0.
#[must_use]
pub fn reciprocal_rank(ranked_relevant: &[bool], k: usize) -> f64 {
    let first = ranked_relevant
        .iter()
        .take(k)
        .position(|&relevant| relevant);
    first.map_or(0.0, |position| 1.0 / (position as f64 + 1.0))
}

/// 1 where one of the first `k` results is relevant, else 0.
#[must_use]
pub fn accuracy(ranked_relevant: &[bool], k: usize) -> f64 {
    if ranked_relevant.iter().take(k).any(|&relevant| relevant) {
        1.0
    } else {
        0.0
    }
}

/// Relevant results among the first `k`, over `k`; 0 for `k` = 0.
#[must_use]
pub fn precision(ranked_relevant: &[bool], k: usize) -> f64 {
    ratio(relevant_in(ranked_relevant, k), k)
}

/// Relevant results among the first `k`, over all relevant ones; 0 where there are none.
#[must_use]
pub fn recall(ranked_relevant: &[bool], total_relevant: usize, k: usize) -> f64 {
    ratio(relevant_in(ranked_relevant, k), total_relevant)
}

/// Mean of the precision at every relevant result among the first `k`, over the most that could be
/// there: the smaller of `k` and `total_relevant`.
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

/// Pearson's correlation, in `[-1, 1]`. `None` where lengths differ, fewer than two values are
/// given or one side does not vary.
#[must_use]
pub fn pearson(x: &[f64], y: &[f64]) -> Option<f64> {
    if x.len() != y.len() || x.len() < 2 {
        return None;
    }
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let (mean_x, mean_y) = (mean(x), mean(y));
    let (mut covariance, mut variance_x, mut variance_y) = (0.0, 0.0, 0.0);
    for (x, y) in x.iter().zip(y) {
        let (dx, dy) = (x - mean_x, y - mean_y);
        covariance += dx * dy;
        variance_x += dx * dx;
        variance_y += dy * dy;
    }
    let scale = (variance_x * variance_y).sqrt();
    (scale > 0.0).then(|| (covariance / scale).clamp(-1.0, 1.0))
}

/// Spearman's rank correlation: Pearson's of the ranks, equal values sharing the mean of theirs.
/// `None` as for [`pearson`].
#[must_use]
pub fn spearman(x: &[f64], y: &[f64]) -> Option<f64> {
    pearson(&ranks(x), &ranks(y))
}

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
        assert_eq!(pearson(&[1.0, 1.0], &[1.0, 2.0]), None);
        assert_eq!(pearson(&[1.0], &[1.0]), None);
        assert_eq!(spearman(&[1.0, 2.0], &[1.0]), None);
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

        #[test]
        fn the_best_order_has_ndcg_one(mut grades in prop::collection::vec(0u8..4, 1..30), k in 1usize..40) {
            grades.sort_by(|a, b| b.cmp(a));
            let grades: Vec<f64> = grades.into_iter().map(f64::from).collect();
            for gain in [Gain::Linear, Gain::Exponential] {
                match ndcg(&grades, &grades, k, gain) {
                    Some(value) => prop_assert!((value - 1.0).abs() < TOLERANCE),
                    None => prop_assert!(grades.iter().all(|grade| *grade == 0.0)),
                }
                let backwards: Vec<f64> = grades.iter().rev().copied().collect();
                prop_assert!(ndcg(&backwards, &grades, k, gain).is_none_or(|value| (0.0..=1.0 + TOLERANCE).contains(&value)));
            }
        }
    }
}
