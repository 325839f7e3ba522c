//! A scan of rows of bits: the sum of a query's numbers where a row has ones.
//!
//! # Strategy
//!
//! The numbers of a query have four bits, -8 to 7, and are cut into four planes of one bit each. The sum for a row is then
//! four counts of bits that the row and a plane share, times 1, 2, 4 and -8. Eight rows are side by side, a word of each
//! after a word of each, so that one register of AVX-512 holds a word of eight rows.
//!
//! The loop is plain Rust, compiled for three sets of instructions: AVX-512 with `vpopcntq`, AVX2, where the compiler counts
//! bits by looking up halves of bytes, and any other processor.

use std::ops::Range;
use std::sync::atomic::{AtomicU32, Ordering};

use rayon::prelude::*;

use crate::pages::Pages;

/// Rows side by side.
pub(crate) const BLOCK: usize = 8;

/// Bits of a number of a query.
const PLANES: usize = 4;

/// Rows of bits, with two numbers for each.
#[derive(Debug)]
pub struct BitRows {
    /// Block after block, each `[word][row]`.
    words: Pages<u64>,
    rows: Vec<BitRow>,
    words_of_row: usize,
}

/// The score of a row is `factor * sum + offset`, of the sum of the query's numbers where the row has ones, less that where
/// it has none.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BitRow {
    /// The factor of the sum.
    pub factor: f32,
    /// Added to the product.
    pub offset: f32,
}

impl BitRows {
    /// Rows of a block, which is scanned whole.
    pub const BLOCK: usize = BLOCK;

    /// Packs rows of `words_of_row` words, row-major.
    ///
    /// # Panics
    ///
    /// When `words` does not hold as many rows.
    #[must_use]
    pub fn pack(words: &[u64], words_of_row: usize, rows: Vec<BitRow>) -> Self {
        assert_eq!(
            Some(words.len()),
            rows.len().checked_mul(words_of_row),
            "whole rows"
        );
        let in_block = BLOCK * words_of_row;
        let mut packed = Pages::zeroed(rows.len().div_ceil(BLOCK) * in_block);
        packed
            .par_chunks_exact_mut(in_block.max(1))
            .zip(words.par_chunks(in_block.max(1)))
            .for_each(|(block, words)| {
                for (place, row) in words.chunks_exact(words_of_row).enumerate() {
                    for (word, value) in row.iter().enumerate() {
                        block[word * BLOCK + place] = *value;
                    }
                }
            });
        Self {
            words: packed,
            rows,
            words_of_row,
        }
    }

    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Number of blocks; block `i` has the rows from `i * BLOCK` on.
    #[must_use]
    pub fn blocks(&self) -> usize {
        self.rows.len().div_ceil(BLOCK)
    }

    /// The numbers of every row.
    #[must_use]
    pub fn rows(&self) -> &[BitRow] {
        &self.rows
    }

    /// Writes the words of row `index` to `words`.
    ///
    /// # Panics
    ///
    /// When there is no such row, or `words` is longer than a row.
    pub fn unpack(&self, index: usize, words: &mut [u64]) {
        assert!(
            index < self.len() && words.len() <= self.words_of_row,
            "a row"
        );
        let start = index / BLOCK * BLOCK * self.words_of_row + index % BLOCK;
        for (word, place) in words.iter_mut().enumerate() {
            *place = self.words[start + word * BLOCK];
        }
    }

    /// Memory, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        size_of_val(&*self.words) + size_of_val(self.rows.as_slice())
    }

    /// Calls `found` with the row and the score of every row of some blocks whose score reaches `threshold`, the bits
    /// of a float32, which may rise meanwhile.
    ///
    /// # Panics
    ///
    /// When `blocks` has others than [`blocks`](Self::blocks), or the query is of another number of words.
    pub fn scan(
        &self,
        query: &BitQuery,
        threshold: &AtomicU32,
        blocks: Range<usize>,
        found: &mut dyn FnMut(usize, f32),
    ) {
        assert!(blocks.end <= self.blocks(), "blocks");
        assert_eq!(query.planes.len(), self.words_of_row, "words");
        let scan = Scan {
            rows: self,
            query,
            threshold,
            blocks,
            found,
        };
        #[cfg(target_arch = "x86_64")]
        {
            if x86::has_avx512() {
                return x86::avx512(scan);
            }
            if x86::has_avx2() {
                return x86::avx2(scan);
            }
        }
        scan.run();
    }
}

/// A query for a scan of bits.
#[derive(Clone, Debug)]
pub struct BitQuery {
    /// The planes of each word, the lowest bit first.
    planes: Vec<[u64; PLANES]>,
    /// The value of 1.
    scale: f32,
    /// The sum of all numbers.
    total: i32,
}

impl BitQuery {
    /// Quantizes a query to steps of its largest magnitude / 7.5, from -8 to 7, for rows of `words_of_row` words.
    ///
    /// Value `i` belongs to bit `i % 64` of word `i / 64`. Values behind the last word are left out.
    #[must_use]
    pub fn quantize(values: &[f32], words_of_row: usize) -> Self {
        let largest = values
            .iter()
            .fold(0.0f32, |largest, value| largest.max(value.abs()));
        let scale = largest / 7.5;
        let inverse = if largest > 0.0 { 7.5 / largest } else { 0.0 };
        let mut planes = vec![[0; PLANES]; words_of_row];
        let mut total = 0;
        for (planes, values) in planes.iter_mut().zip(values.chunks(64)) {
            for (bit, value) in values.iter().enumerate() {
                let number = (value * inverse).round().clamp(-8.0, 7.0) as i32;
                total += number;
                for (plane, word) in planes.iter_mut().enumerate() {
                    *word |= ((number >> plane & 1) as u64) << bit;
                }
            }
        }
        Self {
            planes,
            scale,
            total,
        }
    }
}

struct Scan<'a> {
    rows: &'a BitRows,
    query: &'a BitQuery,
    threshold: &'a AtomicU32,
    blocks: Range<usize>,
    found: &'a mut dyn FnMut(usize, f32),
}

impl Scan<'_> {
    #[inline(always)]
    fn run(self) {
        let in_block = BLOCK * self.rows.words_of_row;
        let words = &self.rows.words[self.blocks.start * in_block..self.blocks.end * in_block];
        for (block, words) in self.blocks.zip(words.chunks_exact(in_block.max(1))) {
            let sums = sums(words.as_chunks().0, &self.query.planes);
            let first = block * BLOCK;
            let rows = &self.rows.rows[first..self.rows.rows.len().min(first + BLOCK)];
            let threshold = f32::from_bits(self.threshold.load(Ordering::Relaxed));
            let mut scores = [f32::NEG_INFINITY; BLOCK];
            for ((score, sum), row) in scores.iter_mut().zip(sums).zip(rows) {
                // Ones count once, and zeros count less once: twice the sum of ones less the total.
                let sum = (2 * sum as i32 - self.query.total) as f32 * self.query.scale;
                *score = row.factor * sum + row.offset;
            }
            if scores
                .iter()
                .fold(false, |any, score| any | (*score >= threshold))
            {
                report(self.found, first, &scores[..rows.len()], threshold);
            }
        }
    }
}

/// Out of line: the registers of the loop are not for the rare case.
#[cold]
#[inline(never)]
fn report(found: &mut dyn FnMut(usize, f32), first: usize, scores: &[f32], threshold: f32) {
    for (place, score) in scores.iter().enumerate() {
        if *score >= threshold {
            found(first + place, *score);
        }
    }
}

/// The sum of a query's numbers where a row has ones, for the rows of a block.
#[inline(always)]
fn sums(words: &[[u64; BLOCK]], planes: &[[u64; PLANES]]) -> [i64; BLOCK] {
    let mut counts = [[0u64; BLOCK]; PLANES];
    for (words, planes) in words.iter().zip(planes) {
        for (counts, plane) in counts.iter_mut().zip(planes) {
            for (count, word) in counts.iter_mut().zip(words) {
                *count += u64::from((word & plane).count_ones());
            }
        }
    }
    let [one, two, four, eight] = counts;
    std::array::from_fn(|row| {
        (one[row] + 2 * two[row] + 4 * four[row]).wrapping_sub(8 * eight[row]) as i64
    })
}

#[cfg(target_arch = "x86_64")]
#[allow(
    unsafe_code,
    reason = "functions that may use instructions which the processor was asked for"
)]
mod x86 {
    use super::Scan;

    pub(super) fn has_avx512() -> bool {
        is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512vpopcntdq")
    }

    pub(super) fn has_avx2() -> bool {
        is_x86_feature_detected!("avx2") && is_x86_feature_detected!("popcnt")
    }

    pub(super) fn avx512(scan: Scan<'_>) {
        #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vpopcntdq")]
        fn run(scan: Scan<'_>) {
            scan.run();
        }
        // SAFETY: only where `has_avx512` found these instructions.
        unsafe { run(scan) }
    }

    pub(super) fn avx2(scan: Scan<'_>) {
        #[target_feature(enable = "avx2,popcnt")]
        fn run(scan: Scan<'_>) {
            scan.run();
        }
        // SAFETY: only where `has_avx2` found these instructions.
        unsafe { run(scan) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::tests::numbers;

    proptest! {
        #[test]
        fn scores_are_signed_sums(width in 1usize..200, count in 0usize..30, seed in any::<u64>()) {
            let words_of_row = width.div_ceil(64);
            let values = numbers(width, seed, 2.0);
            let query = BitQuery::quantize(&values, words_of_row);
            let number = |value: f32| f64::from((value * (1.0 / query.scale)).round().clamp(-8.0, 7.0)) * f64::from(query.scale);
            let bit = |row: usize, place: usize| numbers(1, seed ^ ((row * 977 + place) as u64) << 8, 1.0)[0] > 0.0;
            let mut words = vec![0u64; count * words_of_row];
            for row in 0..count {
                for place in 0..width {
                    words[row * words_of_row + place / 64] |= u64::from(bit(row, place)) << (place % 64);
                }
            }
            let rows: Vec<BitRow> = (0..count).map(|row| BitRow { factor: 1.0 + row as f32, offset: row as f32 / 8.0 }).collect();
            let packed = BitRows::pack(&words, words_of_row, rows.clone());
            let mut found = vec![f32::NAN; count];
            let threshold = AtomicU32::new(f32::NEG_INFINITY.to_bits());
            packed.scan(&query, &threshold, 0..packed.blocks(), &mut |row, score| found[row] = score);
            for (index, row) in rows.iter().enumerate() {
                let sum: f64 = values.iter().enumerate().map(|(place, value)| {
                    // A value half way between two steps may be rounded to either.
                    if bit(index, place) { number(*value) } else { -number(*value) }
                }).sum();
                let expected = f64::from(row.factor) * sum + f64::from(row.offset);
                let step = f64::from(row.factor) * f64::from(query.scale);
                prop_assert!((f64::from(found[index]) - expected).abs() <= 1e-3 * step.max(1.0) + 0.01 * step);
                let mut unpacked = vec![0; words_of_row];
                packed.unpack(index, &mut unpacked);
                prop_assert_eq!(&unpacked[..], &words[index * words_of_row..][..words_of_row]);
            }
        }
    }

    #[test]
    fn only_scores_that_reach_the_threshold_are_found() {
        let rows: Vec<BitRow> = (0..20)
            .map(|row| BitRow {
                factor: 0.0,
                offset: row as f32,
            })
            .collect();
        let packed = BitRows::pack(&[0; 20], 1, rows);
        let query = BitQuery::quantize(&[1.0, 0.5], 1);
        let threshold = AtomicU32::new(16.0f32.to_bits());
        let mut found = Vec::new();
        packed.scan(&query, &threshold, 0..packed.blocks(), &mut |row, score| {
            found.push((row, score))
        });
        assert_eq!(found, [(16, 16.0), (17, 17.0), (18, 18.0), (19, 19.0)]);
        found.clear();
        packed.scan(&query, &threshold, 0..2, &mut |row, score| {
            found.push((row, score))
        });
        assert_eq!(found, []);
    }
}
