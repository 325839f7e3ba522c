//! The length of a row, in float64.

/// 2^40.
pub(crate) const LARGEST_LENGTH: f64 = (1u64 << 40) as f64;

/// The lengths for which no product of two rows leaves the range of float32. Codes of other rows say nothing, except those
/// of zero rows.
pub(crate) const LENGTHS: std::ops::RangeInclusive<f64> = 1.0 / LARGEST_LENGTH..=LARGEST_LENGTH;

/// Independent parts of a sum, so that an addition does not wait for the one before it.
pub(crate) const PARTS: usize = 16;

/// The length of a row; NaN or infinite where a value is.
#[inline(always)]
pub(crate) fn length(row: &[f32]) -> f64 {
    root_of_squares(row, f64::from)
}

/// The root of the sum of the squares of some numbers.
#[inline(always)]
pub(crate) fn root_of_squares<T: Copy>(row: &[T], number: impl Fn(T) -> f64) -> f64 {
    let (chunks, rest) = row.as_chunks::<PARTS>();
    let mut sums = [0.0; PARTS];
    for chunk in chunks {
        for (sum, value) in sums.iter_mut().zip(chunk) {
            let value = number(*value);
            *sum += value * value;
        }
    }
    let rest: f64 = rest.iter().map(|value| number(*value).powi(2)).sum();
    (sums.iter().sum::<f64>() + rest).sqrt()
}
