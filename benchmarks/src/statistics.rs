//! The statistics of all figures: medians, because a machine's speed drifts and outliers are slow.

/// The middle value, or the mean of the two in the middle; NaN without values.
#[must_use]
pub fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    if values.is_empty() {
        return f64::NAN;
    }
    values.sort_by(f64::total_cmp);
    let upper = values.len() / 2;
    let lower = (values.len() - 1) / 2;
    f64::midpoint(values[lower], values[upper])
}

/// The mean; NaN without values.
#[must_use]
pub fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// The smallest value; NaN where one is NaN (`f64::min` would skip it) or without values.
#[must_use]
pub fn smallest(values: &[f64]) -> f64 {
    let smaller = |smallest: f64, value: &f64| {
        if smallest.is_nan() || smallest < *value {
            smallest
        } else {
            *value
        }
    };
    let mut rest = values.iter();
    let first = rest.next().copied().unwrap_or(f64::NAN);
    rest.fold(first, smaller)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert!(median([]).is_nan());
        assert_eq!(median([3.0]), 3.0);
        assert_eq!(median([2.0, 1.0]), 1.5);
        assert_eq!(median([7.0, 1.0, 2.0]), 2.0);
        assert_eq!(median([9.0, 7.0, 1.0, 2.0]), 4.5);
    }

    #[test]
    fn the_mean_of_nothing_is_nan() {
        assert!(mean(&[]).is_nan());
        assert_eq!(mean(&[1.0, 2.0, 6.0]), 3.0);
    }

    #[test]
    fn a_nan_is_not_skipped() {
        assert!(smallest(&[]).is_nan());
        assert_eq!(smallest(&[0.9, 0.5, 0.7]), 0.5);
        for values in [[f64::NAN, 0.5], [0.5, f64::NAN]] {
            assert!(smallest(&values).is_nan());
        }
    }
}
