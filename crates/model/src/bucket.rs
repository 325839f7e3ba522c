//! The lengths to which batches are padded on a graphics processor.
//!
//! burn's kernels are compiled when they are first needed, for the vector widths and the tiles that fit the
//! dimensions of their tensors. The length of a text is rows and columns of its scores: the 382 lengths from 3 to
//! 384 would meet new ones in the middle of the work. Rounded up as here they are 20 lengths, each a multiple of the 8
//! numbers of sixteen bits that a kernel reads at once, and the position biases of all 20 stay in memory.
//!
//! The number of texts is not rounded: it is a batch dimension of the scores, and a factor of the rows of dense
//! layers.

/// The places that a batch has for each text when its longest has `length` tokens: short texts waste
/// the more by each place, so steps are small there. No text of the encoder is longer than `longest`,
/// so nothing is padded beyond.
pub(crate) fn padded_length(length: usize, longest: usize) -> usize {
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
                // A bucket is its own.
                assert_eq!(padded_length(bucket, longest), bucket);
                before = bucket;
            }
        }
        // What is longer than anything should be stays as it is.
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
