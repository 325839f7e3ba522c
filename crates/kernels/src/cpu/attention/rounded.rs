//! The way forth with both products of numbers that are rounded to bfloat16, where the processor multiplies these: what
//! the dense layers of bfloat16 and of eight bits go with.
//!
//! # Strategy
//!
//! As in [float32](super::forward), but keys and values become tiles as the weights of a dense layer do, queries and
//! weights as its input; scores, the softmax and all sums stay float32. A weight is rounded before it is summed up, so that
//! what the values are multiplied with sums to 1 but for that sum's own rounding.

use pulp::Simd;

use super::head::Head;
use crate::cpu::amx::tiles::{DEPTH, PAIR, SIDE, Tile, WIDTH, nearest_pairs};
use crate::cpu::amx::{Form, RoundedProducts, RoundedRows, RoundedWork};
use crate::cpu::lanes::{LANES, total};
use crate::cpu::math::exp;
use crate::cpu::panels::bfloat16;
use crate::cpu::tile::Rows;
use crate::cpu::transpose::interleave;

/// One head of one text, without dropout.
pub(super) struct Rounded<'a> {
    pub(super) head: Head<'a>,
    /// From the text's first row on.
    pub(super) output: &'a mut [f32],
    /// From a row of the output to the next.
    pub(super) stride: usize,
    /// Where the head's columns begin in the output.
    pub(super) column: usize,
}

impl RoundedWork for Rounded<'_> {
    #[inline(always)]
    fn run<S: Simd, P: RoundedProducts>(self, simd: S, mut products: P) {
        const {
            assert!(P::ROWS <= MOST_QUERIES && P::ROWS.is_multiple_of(SIDE) && WIDTH == DEPTH);
        }
        let Self { head, stride, .. } = self;
        let (length, head_size) = (head.length(), head.attention.head_size);
        let projections = head.attention.projections;
        head.request_next(projections.query);
        head.request_next(projections.key);
        head.request_next(projections.value);
        let keys = key_tiles(simd, head.rows(projections.key), length);
        let values = value_tiles(head.rows(projections.value), length);
        let steps = length.div_ceil(DEPTH);
        let padded = steps * DEPTH;
        let most = P::ROWS.min(length.next_multiple_of(SIDE));
        let tiles_of = |depth: usize| vec![Tile::ZERO; most / SIDE * depth.div_ceil(DEPTH)];
        let (mut queries, mut weights) = (tiles_of(head_size), tiles_of(length));
        let mut scores = vec![0.0; most * padded];
        let mut factors = [0.0; MOST_QUERIES];
        for first in (0..length).step_by(most) {
            let count = most.min(length - first);
            let rows = head.rows(projections.query).after(first);
            for (index, tiles) in queries
                .chunks_exact_mut(head_size.div_ceil(DEPTH))
                .enumerate()
            {
                for row in 0..SIDE.min(count.saturating_sub(index * SIDE)) {
                    Form::Single.put(rows.row(index * SIDE + row), tiles, row);
                }
            }
            let rows = |tiles, depth| RoundedRows {
                tiles,
                count,
                depth,
            };
            products.multiply(
                simd,
                rows(&queries, head_size),
                &keys,
                |row, column, sums| {
                    scores[row * padded + column..][..WIDTH].copy_from_slice(sums);
                },
            );
            for (row, scores) in scores.chunks_exact_mut(padded).take(count).enumerate() {
                let largest = head.scores(simd, first + row, scores);
                let tiles = &mut weights[row / SIDE * steps..][..steps];
                factors[row] = 1.0 / put_exponentials(simd, scores, largest, tiles, row % SIDE);
            }
            let output = &mut self.output[first * stride + self.column..];
            products.multiply(
                simd,
                rows(&weights, length),
                &values,
                |row, column, sums| {
                    let kept = WIDTH.min(head_size - column);
                    let output = &mut output[row * stride + column..][..kept];
                    for (output, sum) in output.iter_mut().zip(sums) {
                        *output = sum * factors[row];
                    }
                },
            );
        }
    }
}

/// The most queries that are taken together.
const MOST_QUERIES: usize = 48;

/// The keys of a text as the columns of panels, `head_size` deep.
#[inline(always)]
fn key_tiles<S: Simd>(simd: S, rows: Rows<'_>, length: usize) -> Vec<Tile> {
    let steps = rows.depth.div_ceil(DEPTH);
    let mut tiles = vec![Tile::ZERO; length.div_ceil(WIDTH) * steps * PAIR];
    for first in (0..length).step_by(SIDE) {
        let count = SIDE.min(length - first);
        let start = first / WIDTH * steps * PAIR + first % WIDTH / SIDE;
        for step in 0..steps {
            let mut pairs = [[0; SIDE]; SIDE];
            for (index, pairs) in pairs[..count].iter_mut().enumerate() {
                *pairs = rounded(&rows.row(first + index)[step * DEPTH..]);
            }
            let mut tokens = [&[][..]; SIDE];
            for (token, pairs) in tokens.iter_mut().zip(&pairs) {
                *token = pairs;
            }
            interleave(simd, &tokens, SIDE, tiles[start + step * PAIR].places_mut());
        }
    }
    tiles
}

/// The first [`DEPTH`] numbers of a row in pairs.
#[inline(always)]
fn rounded(values: &[f32]) -> [u32; SIDE] {
    let [rounded, _] = Form::Single.round(&first(values));
    pulp::cast(rounded)
}

/// The values of a text as panels, `length` deep.
#[inline(always)]
fn value_tiles(rows: Rows<'_>, length: usize) -> Vec<Tile> {
    let steps = length.div_ceil(DEPTH);
    let mut tiles = vec![Tile::ZERO; rows.depth.div_ceil(WIDTH) * steps * PAIR];
    for key in (0..length).step_by(2) {
        let step = key / DEPTH * PAIR;
        for (index, column) in (0..rows.depth).step_by(SIDE).enumerate() {
            let one = first(&rows.row(key)[column..]);
            let mut other = [0.0; SIDE];
            if key + 1 < length {
                other = first(&rows.row(key + 1)[column..]);
            }
            let tile = &mut tiles[index / PAIR * steps * PAIR + step + index % PAIR];
            let (places, _) = tile.places_mut().as_chunks_mut();
            places[key % DEPTH / 2] = nearest_pairs(&one, &other);
        }
    }
    tiles
}

/// The first numbers of a row; what it lacks is 0.
#[inline(always)]
fn first<const N: usize>(values: &[f32]) -> [f32; N] {
    values.first_chunk().copied().unwrap_or_else(|| {
        let mut numbers = [0.0; N];
        numbers[..values.len()].copy_from_slice(values);
        numbers
    })
}

/// From scores, in whole tiles, to weights but for a factor, rounded; gives their sum.
#[inline(always)]
fn put_exponentials<S: Simd>(
    simd: S,
    scores: &[f32],
    largest: f32,
    tiles: &mut [Tile],
    row: usize,
) -> f32 {
    let mut sums = [0.0; LANES];
    for (scores, tile) in scores.as_chunks::<DEPTH>().0.iter().zip(tiles) {
        let (halves, _) = tile.row_mut(row).as_chunks_mut::<LANES>();
        for (scores, halves) in scores.as_chunks::<LANES>().0.iter().zip(halves) {
            let mut bits = [0; LANES];
            for (bits, score) in bits.iter_mut().zip(scores) {
                *bits = bfloat16(exp(*score - largest));
            }
            for (sum, bits) in sums.iter_mut().zip(bits) {
                *sum += f32::from_bits(bits);
            }
            *halves = bits.map(|bits| (bits >> 16) as u16);
        }
    }
    total(simd, &sums)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::cpu::amx::with_rounded_products;
    use crate::cpu::attention::{Attention, PositionBias, Projections, Strided};
    use crate::cpu::every;
    use crate::cpu::tests::{assert_close, numbers, reference_attention, texts_of};
    use crate::precision::Precision;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        /// Of numbers that are rounded already, so that the weights' rounding is all that is missing: at most `2^-9` of
        /// each, and as much of their sum.
        #[test]
        fn rounded_attention_is_what_its_definition_says(
            lengths in prop::collection::vec(1usize..110, 1..4),
            heads in 1usize..4,
            head_size in 1usize..70,
            scale in prop::sample::select(vec![1.0f32, 4.0, 1e-15]),
            seed in any::<u64>(),
        ) {
            let texts = texts_of(&lengths);
            let (tokens, width) = (lengths.iter().sum::<usize>(), heads * head_size);
            let longest = lengths.iter().copied().max().unwrap_or(0);
            let mut joined = numbers(tokens * 3 * width, seed, scale);
            for number in &mut joined {
                *number = f32::from_bits(bfloat16(*number));
            }
            let bias = numbers(heads * longest * longest, seed ^ 1, 3.0);
            let part = |part: usize| Strided { values: &joined[part * width..], stride: 3 * width };
            let attention = Attention {
                projections: Projections { query: part(0), key: part(1), value: part(2) },
                bias: PositionBias { values: &bias, length: longest },
                texts: &texts,
                heads,
                head_size,
                dropout: None,
                precision: Precision::Bfloat16,
            };
            let expected = reference_attention(&attention);
            every::set_of_instructions(|| {
                let mut output = vec![f32::NAN; tokens * width];
                for (text, range) in texts.iter().enumerate() {
                    for head in 0..heads {
                        with_rounded_products(Rounded {
                            head: Head { attention: &attention, text, head },
                            output: &mut output[range.start * width..],
                            stride: width,
                            column: head * head_size,
                        });
                    }
                }
                // Beside it what float32 loses of scores up to `scale^2 * 70`.
                assert_close(&output, &expected, f64::from(scale) * (2f64.powi(-8) + 1e-4));
                Ok::<_, TestCaseError>(())
            })?;
        }
    }
}
