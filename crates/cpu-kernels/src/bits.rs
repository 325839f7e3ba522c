//! A scan of rows of bits: the sum of a query's numbers where a row has ones.
//!
//! # Strategy
//!
//! The numbers of a query have four bits, -8 to 7, and are cut into four planes of one bit each. The sum for a row is then
//! four counts of bits that the row and a plane share, times 1, 2, 4 and -8. Eight rows are side by side, a word of each
//! after a word of each, so that one register of AVX-512 holds a word of eight rows.
//!
//! AVX-512 counts the bits of eight words in one instruction (`vpopcntq`). Elsewhere the loop is plain Rust; with AVX2 the
//! compiler counts bits by looking up halves of bytes.

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
    /// The numbers of the rows, filled up to whole blocks.
    factors: Vec<f32>,
    offsets: Vec<f32>,
    rows: usize,
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
    pub fn pack(words: &[u64], words_of_row: usize, rows: &[BitRow]) -> Self {
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
        let column = |number: fn(&BitRow) -> f32| {
            let mut numbers: Vec<f32> = rows.iter().map(number).collect();
            numbers.resize(rows.len().next_multiple_of(BLOCK), 0.0);
            numbers
        };
        Self {
            words: packed,
            factors: column(|row| row.factor),
            offsets: column(|row| row.offset),
            rows: rows.len(),
            words_of_row,
        }
    }

    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Number of blocks; block `i` has the rows from `i * BLOCK` on.
    #[must_use]
    pub fn blocks(&self) -> usize {
        self.rows.div_ceil(BLOCK)
    }

    /// The numbers of row `index`.
    #[must_use]
    pub fn row(&self, index: usize) -> Option<BitRow> {
        (index < self.rows).then(|| BitRow {
            factor: self.factors[index],
            offset: self.offsets[index],
        })
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
        size_of_val(&*self.words) + 2 * size_of_val(self.factors.as_slice())
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
        scan.run(sums);
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
    /// `sums` gives the sums of the query's numbers where a row has ones, for the rows of a block.
    #[inline(always)]
    fn run(self, sums: impl Fn(&[[u64; BLOCK]], &[[u64; PLANES]]) -> [i64; BLOCK]) {
        let in_block = BLOCK * self.rows.words_of_row;
        let words = &self.rows.words[self.blocks.start * in_block..self.blocks.end * in_block];
        let numbers = self.blocks.start * BLOCK..self.blocks.end * BLOCK;
        let factors = self.rows.factors[numbers.clone()].as_chunks::<BLOCK>().0;
        let offsets = self.rows.offsets[numbers].as_chunks::<BLOCK>().0;
        let (total, scale) = (self.query.total, self.query.scale);
        let blocks = words
            .chunks_exact(in_block.max(1))
            .zip(factors)
            .zip(offsets);
        for (block, ((words, factors), offsets)) in self.blocks.zip(blocks) {
            let sums = sums(words.as_chunks().0, &self.query.planes);
            let scores: [f32; BLOCK] = std::array::from_fn(|row| {
                // Ones count once, and zeros count less once: twice the sum of ones less the total.
                factors[row] * ((2 * sums[row] as i32 - total) as f32 * scale) + offsets[row]
            });
            let threshold = f32::from_bits(self.threshold.load(Ordering::Relaxed));
            let reached = scores.map(|score| score >= threshold);
            if reached.into_iter().fold(false, |any, one| any | one) {
                let count = BLOCK.min(self.rows.rows - block * BLOCK);
                report(self.found, block * BLOCK, &scores[..count], threshold);
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

/// In portable Rust, one plane after another.
#[inline(always)]
fn sums(words: &[[u64; BLOCK]], planes: &[[u64; PLANES]]) -> [i64; BLOCK] {
    let count = |plane: usize| {
        let mut counts = [0u64; BLOCK];
        for (words, planes) in words.iter().zip(planes) {
            for (count, word) in counts.iter_mut().zip(words) {
                *count += u64::from((word & planes[plane]).count_ones());
            }
        }
        counts.map(|count| count as i64)
    };
    let [one, two, four, eight] = [count(0), count(1), count(2), count(3)];
    std::array::from_fn(|row| one[row] + 2 * two[row] + 4 * four[row] - 8 * eight[row])
}

#[cfg(target_arch = "x86_64")]
#[allow(
    unsafe_code,
    reason = "functions that may use instructions which the processor was asked for"
)]
mod x86 {
    use std::arch::x86_64::{
        __m512i, _mm512_add_epi64, _mm512_and_si512, _mm512_popcnt_epi64, _mm512_set1_epi64,
        _mm512_setzero_si512, _mm512_slli_epi64, _mm512_sub_epi64,
    };

    use super::{BLOCK, PLANES, Scan, sums};

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
            scan.run(|words, planes| sums_of_registers(words, planes));
        }
        // SAFETY: only where `has_avx512` found these instructions.
        unsafe { run(scan) }
    }

    /// The compiler made permutations of the loop over planes, at a quarter of the speed.
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vpopcntdq")]
    #[inline]
    fn sums_of_registers(words: &[[u64; BLOCK]], planes: &[[u64; PLANES]]) -> [i64; BLOCK] {
        let mut counts = [_mm512_setzero_si512(); PLANES];
        for (words, planes) in words.iter().zip(planes) {
            let words: __m512i = pulp::cast(*words);
            for plane in 0..PLANES {
                let plane_word = _mm512_set1_epi64(planes[plane] as i64);
                let common = _mm512_popcnt_epi64(_mm512_and_si512(words, plane_word));
                counts[plane] = _mm512_add_epi64(counts[plane], common);
            }
        }
        let [one, two, four, eight] = counts;
        let low = _mm512_add_epi64(one, _mm512_slli_epi64::<1>(two));
        let four = _mm512_add_epi64(low, _mm512_slli_epi64::<2>(four));
        pulp::cast(_mm512_sub_epi64(four, _mm512_slli_epi64::<3>(eight)))
    }

    pub(super) fn avx2(scan: Scan<'_>) {
        #[target_feature(enable = "avx2,popcnt")]
        fn run(scan: Scan<'_>) {
            scan.run(sums);
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

    fn implementations() -> Vec<fn(Scan<'_>)> {
        let all: [Option<fn(Scan<'_>)>; 2] = [
            Some(|scan| scan.run(sums)),
            #[cfg(target_arch = "x86_64")]
            x86::has_avx2().then_some(x86::avx2),
            #[cfg(not(target_arch = "x86_64"))]
            None,
        ];
        all.into_iter().flatten().collect()
    }

    proptest! {
        #[test]
        fn scores_are_signed_sums(width in 1usize..200, count in 0usize..30, seed in any::<u64>()) {
            let words_of_row = width.div_ceil(64);
            let values = numbers(width, seed, 2.0);
            let query = BitQuery::quantize(&values, words_of_row);
            let number = |place: usize| -> i32 {
                let plane = |plane: usize| (query.planes[place / 64][plane] >> (place % 64) & 1) as i32;
                plane(0) + 2 * plane(1) + 4 * plane(2) - 8 * plane(3)
            };
            for (place, value) in values.iter().enumerate() {
                // The largest magnitude is 7.5 steps.
                prop_assert!((number(place) as f32 - value / query.scale).abs() <= 0.5001);
            }
            let bit = |row: usize, place: usize| numbers(1, seed ^ ((row * 977 + place) as u64) << 8, 1.0)[0] > 0.0;
            let mut words = vec![0u64; count * words_of_row];
            for row in 0..count {
                for place in 0..width {
                    words[row * words_of_row + place / 64] |= u64::from(bit(row, place)) << (place % 64);
                }
            }
            let rows: Vec<BitRow> = (0..count).map(|row| BitRow { factor: 1.0 + row as f32, offset: row as f32 / 8.0 }).collect();
            let packed = BitRows::pack(&words, words_of_row, &rows);
            let mut found = vec![f32::NAN; count];
            let threshold = AtomicU32::new(f32::NEG_INFINITY.to_bits());
            packed.scan(&query, &threshold, 0..packed.blocks(), &mut |row, score| found[row] = score);
            // Every other implementation that this processor has gives the same.
            for run in implementations() {
                let mut again = vec![f32::NAN; count];
                let report = &mut |row, score| again[row] = score;
                let blocks = 0..packed.blocks();
                run(Scan { rows: &packed, query: &query, threshold: &threshold, blocks, found: report });
                prop_assert_eq!(&again, &found);
            }
            for (index, row) in rows.iter().enumerate() {
                let signed = |place: usize| if bit(index, place) { number(place) } else { -number(place) };
                let sum = (0..width).map(signed).sum::<i32>() as f32 * query.scale;
                prop_assert_eq!(found[index], row.factor * sum + row.offset);
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
        let packed = BitRows::pack(&[0; 20], 1, &rows);
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
