//! The inner loop.

/// Independent sums of a product: enough for two AVX-512 registers, so that an addition need not
/// wait for the last.
const LANES: usize = 32;

/// Dot product in `f32`, in one fixed order of additions: value `i` goes to sum `i % 32`, and the
/// sums are added in halves. The result is therefore the same on every processor and wherever the
/// rows stand.
///
/// Inlined into callers that [`pulp`] compiles for the processor's vector instructions;
/// multiplication and addition stay separate there too, since a fused one would round differently.
#[inline(always)]
pub(crate) fn dot(left: &[f32], right: &[f32]) -> f32 {
    let mut sums = [0.0f32; LANES];
    let (left_blocks, left_rest) = left.as_chunks::<LANES>();
    let (right_blocks, right_rest) = right.as_chunks::<LANES>();
    for (left, right) in left_blocks.iter().zip(right_blocks) {
        for lane in 0..LANES {
            sums[lane] += left[lane] * right[lane];
        }
    }
    for ((sum, left), right) in sums.iter_mut().zip(left_rest).zip(right_rest) {
        *sum += left * right;
    }
    let mut half = LANES / 2;
    while half > 0 {
        for lane in 0..half {
            sums[lane] += sums[lane + half];
        }
        half /= 2;
    }
    sums[0]
}

/// Scales a row to length 1, with the length in `f64`; a zero row stays zero.
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
        fn as_a_sum_in_f64(pairs in prop::collection::vec((-1.0f32..1.0, -1.0f32..1.0), 0..900)) {
            let (left, right): (Vec<f32>, Vec<f32>) = pairs.into_iter().unzip();
            let exact: f64 = left.iter().zip(&right).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
            // At most 900 / 32 + 5 roundings on the way of a value, each below 2^-24 of sums below 900.
            prop_assert!((f64::from(dot(&left, &right)) - exact).abs() < 1e-3);
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
