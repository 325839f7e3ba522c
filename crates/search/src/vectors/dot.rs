//! Dot product and distances of two rows, and L2 normalisation of one.

/// Independent accumulators of a sum. 32 fill two AVX-512 registers, so an addition does not wait
/// for the previous one.
const ACCUMULATORS: usize = 32;

/// Dot product in `f32`.
#[inline(always)]
pub(crate) fn dot(left: &[f32], right: &[f32]) -> f32 {
    sum(left, right, |left, right| left * right)
}

/// What rounding can add to a [`dot`] product of rows of this width, as a part of the product of their lengths.
///
/// A product is rounded once, then by at most `width / 32` additions into its accumulator and the 5 that join the
/// accumulators, each by at most 2^-24. The sum of the absolute products is at most the product of the lengths. Twice
/// that bound covers the terms of higher order, and subnormal products of rows that are 2^-40 long or longer.
pub(crate) fn error(width: usize) -> f64 {
    let roundings = (1 + width.div_ceil(ACCUMULATORS) + 5) as f64;
    2.0 * roundings / f64::from(1 << 24)
}

/// Euclidean distance in `f32`; infinite where a square overflows.
#[inline(always)]
pub(crate) fn euclidean_distance(left: &[f32], right: &[f32]) -> f32 {
    sum(left, right, |left, right| (left - right) * (left - right)).sqrt()
}

/// Manhattan distance in `f32`; infinite where a sum overflows.
#[inline(always)]
pub(crate) fn manhattan_distance(left: &[f32], right: &[f32]) -> f32 {
    sum(left, right, |left, right| (left - right).abs())
}

/// Sums a term for every two values, in one fixed order of additions: term `i` goes to accumulator
/// `i % 32`, and the accumulators are added in halves. The result is therefore the same on every
/// processor and at every position of the rows.
///
/// Inlined into callers that [`pulp`] compiles for the processor's vector instructions. Multiply and
/// add stay separate instructions, because a fused one would round differently.
#[inline(always)]
fn sum(left: &[f32], right: &[f32], term: impl Fn(f32, f32) -> f32) -> f32 {
    let mut sums = [0.0f32; ACCUMULATORS];
    let (left_blocks, left_rest) = left.as_chunks::<ACCUMULATORS>();
    let (right_blocks, right_rest) = right.as_chunks::<ACCUMULATORS>();
    for (left, right) in left_blocks.iter().zip(right_blocks) {
        for accumulator in 0..ACCUMULATORS {
            sums[accumulator] += term(left[accumulator], right[accumulator]);
        }
    }
    for ((sum, left), right) in sums.iter_mut().zip(left_rest).zip(right_rest) {
        *sum += term(*left, *right);
    }
    let mut half = ACCUMULATORS / 2;
    while half > 0 {
        for accumulator in 0..half {
            sums[accumulator] += sums[accumulator + half];
        }
        half /= 2;
    }
    sums[0]
}

/// Scales a row to L2 norm 1, computing the norm in `f64`. A zero row stays zero.
pub(crate) fn normalize(row: &mut [f32]) {
    let squares: f64 = row
        .iter()
        .map(|&value| f64::from(value) * f64::from(value))
        .sum();
    let length = squares.sqrt();
    if length > 0.0 {
        for value in row {
            *value = (f64::from(*value) / length) as f32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn equals_a_sum_in_f64_within_the_rounding_bound(pairs in prop::collection::vec((-1.0f32..1.0, -1.0f32..1.0), 0..900)) {
            let (left, right): (Vec<f32>, Vec<f32>) = pairs.into_iter().unzip();
            let exact: f64 = left.iter().zip(&right).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
            // Each product is rounded once, then by at most `len / 32` additions into its
            // accumulator and the 5 additions that join the accumulators: each rounding is at most
            // 2^-24 relative (2^-150 absolute where a product is subnormal). 1.01 covers the
            // higher-order terms.
            let roundings = (1 + left.len().div_ceil(ACCUMULATORS) + 5) as f64;
            let magnitudes: f64 =
                left.iter().zip(&right).map(|(a, b)| (f64::from(*a) * f64::from(*b)).abs()).sum();
            let bound = 1.01 * roundings * magnitudes / f64::from(1 << 24)
                + left.len() as f64 * 2f64.powi(-150);
            prop_assert!((f64::from(dot(&left, &right)) - exact).abs() <= bound);
        }

        #[test]
        fn scaled_rows_have_length_one(row in prop::collection::vec(-1e30f32..1e30, 1..900)) {
            let mut scaled = row.clone();
            normalize(&mut scaled);
            let length: f64 = scaled.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
            prop_assert!(row.iter().all(|v| *v == 0.0) || (length - 1.0).abs() < 1e-6);
        }
    }

    #[test]
    fn the_smallest_and_largest_rows_are_scaled_too() {
        for value in [f32::MAX, f32::MIN_POSITIVE, 1e-45] {
            let mut row = [value, 0.0];
            normalize(&mut row);
            assert_eq!(row, [1.0, 0.0]);
        }
    }
}
