//! Length buckets: the padded lengths of batches on a GPU.
//!
//! burn compiles a kernel on first use, for the vector widths and blocks that fit the dimensions of its
//! tensors. The length of a text is a dimension of the attention scores, so each of the 382 lengths from 3 to
//! 384 could need new kernels during a run. There are 20 buckets, each a multiple of the 8 half-precision
//! values that a kernel reads at once. The position biases of all 20 stay in memory.
//!
//! The number of texts is not rounded: it is a batch dimension of the scores and a factor of the rows of
//! linear layers.

/// The bucket of a batch whose longest text has `length` tokens, at most `longest`, the maximum length of
/// the encoder. Padding costs short texts relatively more, so their buckets are closer.
#[must_use]
pub fn padded_length(length: usize, longest: usize) -> usize {
    let step = match length {
        0..=64 => 8,
        65..=128 => 16,
        _ => 32,
    };
    length.next_multiple_of(step).min(longest).max(length)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_length_fits_its_bucket_and_buckets_grow() {
        for longest in [0, 3, 62, 100, 384, 512] {
            let mut before = 0;
            for length in 0..=longest {
                let bucket = padded_length(length, longest);
                assert!(
                    (length..=longest).contains(&bucket),
                    "{length} of {longest}: {bucket}"
                );
                assert!(bucket >= before, "{length} of {longest}: {bucket}");
                // A bucket maps to itself.
                assert_eq!(padded_length(bucket, longest), bucket);
                before = bucket;
            }
        }
        // A length beyond the maximum stays as it is.
        assert_eq!(padded_length(70, 62), 70);
    }

    #[test]
    fn there_are_twenty_up_to_384() {
        let buckets: BTreeSet<usize> = (3..=384).map(|length| padded_length(length, 384)).collect();
        let expected = [
            8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 288, 320, 352, 384,
        ];
        assert!(buckets.into_iter().eq(expected));
    }
}
