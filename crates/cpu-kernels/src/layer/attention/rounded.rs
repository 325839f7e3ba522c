//! The forward pass of attention with both products in bfloat16, next to bfloat16 and int8 linear layers.
//!
//! # Strategy
//!
//! As in [float32](super::forward), but keys and values are packed in tiles, as the weights of a linear layer, and queries
//! and weights in lines. Scores, softmax and all sums stay float32. A weight is rounded before it enters the sum, so the
//! weights that multiply the values sum to 1 up to that sum's own rounding. A factor that is rounded to 8 bits needs only a
//! [short exponential](short_exp): on AMX the softmax takes more time than the products.

use pulp::Simd;

use super::head::Head;
use crate::bf16::rounded_rows::{Line, RoundedPanels, RoundedProducts, RoundedRows, RoundedWork};
use crate::bf16::tiles::{DEPTH, PAIR, SIDE, Tile, WIDTH};
use crate::float::rows::Rows;
use crate::simd::bf16::UPPER_HALF;
use crate::simd::math::short_exp;
use crate::simd::reduce::{LANES, total};
use crate::simd::transpose::interleave;

/// One head of one sequence, without dropout.
pub(crate) struct Rounded<'a> {
    pub(crate) head: Head<'a>,
    /// Rows from the sequence's first on.
    pub(crate) output: &'a mut [f32],
    /// Distance of two rows of the output.
    pub(crate) stride: usize,
    /// First column of the head in the output.
    pub(crate) column: usize,
    /// Scratch of the size that [`places`] gives, with any values.
    pub(crate) places: Places<'a>,
}

/// Scratch for the rounded matrices and the scores of a head.
pub(crate) struct Places<'a> {
    pub(crate) tiles: &'a mut [Tile],
    pub(crate) scores: &'a mut [f32],
}

/// The number of tiles that a head needs, and of floats for its scores.
pub(crate) fn places(length: usize, head_size: usize) -> [usize; 2] {
    let (steps, in_query) = (length.div_ceil(DEPTH), head_size.div_ceil(DEPTH));
    let [keys, values] = of_panels(length, head_size);
    let lines = MOST_QUERIES * (in_query + steps);
    [
        keys + values + lines.div_ceil(SIDE),
        MOST_QUERIES * steps.max(in_query) * DEPTH,
    ]
}

/// Tiles of the keys, and of the values.
fn of_panels(length: usize, head_size: usize) -> [usize; 2] {
    [(length, head_size), (head_size, length)]
        .map(|(columns, depth)| columns.div_ceil(WIDTH) * depth.div_ceil(DEPTH) * PAIR)
}

impl RoundedWork for Rounded<'_> {
    #[inline(always)]
    fn run<S: Simd, P: RoundedProducts>(self, simd: S, mut products: P) {
        const {
            assert!(P::ROWS <= MOST_QUERIES && P::ROWS.is_multiple_of(P::HEIGHT));
            assert!(WIDTH == DEPTH && DEPTH.is_multiple_of(LANES));
        }
        let Self { head, stride, .. } = self;
        let (length, head_size) = (head.length(), head.attention.head_size);
        let projections = head.attention.projections;
        head.prefetch_next(projections.query);
        head.prefetch_next(projections.key);
        head.prefetch_next(projections.value);
        let Places { tiles, scores } = self.places;
        let [of_keys, of_values] = of_panels(length, head_size);
        let (keys, tiles) = tiles.split_at_mut(of_keys);
        let (values, tiles) = tiles.split_at_mut(of_values);
        pack_keys(simd, &products, head.rows(projections.key), length, keys);
        pack_values(&products, head.rows(projections.value), length, values);
        let (in_query, all_steps) = (head_size.div_ceil(DEPTH), length.div_ceil(DEPTH));
        let lines: &mut [Line] = bytemuck::cast_slice_mut(tiles);
        let (queries, weights) = lines.split_at_mut(MOST_QUERIES * in_query);
        let mut factors = [0.0; MOST_QUERIES];
        for first in (0..length).step_by(P::ROWS) {
            let count = P::ROWS.min(length - first);
            let seen = head.keys(first..first + count);
            // From the first column of a panel on, which is as wide as a line is deep.
            let (first_step, end_step) = (seen.start / DEPTH, seen.end.div_ceil(DEPTH));
            let seen = first_step * DEPTH..seen.end;
            let steps = end_step - first_step;
            let rows = head.rows(projections.query).after(first);
            for row in 0..count {
                let values = rows.row(row);
                for step in 0..in_query {
                    queries[line::<P>(row, step, in_query)] =
                        Line(products.nearest(first_of(values, step * DEPTH, &mut [0.0; DEPTH])));
                }
            }
            let rows = |lines, depth| RoundedRows {
                lines,
                count,
                depth,
            };
            let of_key = in_query * PAIR;
            let keys = RoundedPanels {
                tiles: &keys[first_step * of_key..end_step * of_key],
                distance: of_key,
            };
            products.multiply(rows(queries, head_size), keys, scores);
            let scores_of_rows = scores.chunks_exact_mut(steps * DEPTH);
            for (row, scores) in scores_of_rows.take(count).enumerate() {
                let largest = head.scores(simd, first + row, seen.clone(), scores);
                let mut sums = [0.0; LANES];
                for (step, scores) in scores.as_chunks().0.iter().enumerate() {
                    let rounded = products.nearest(&exponentials(scores, largest));
                    add(&mut sums, &rounded);
                    weights[line::<P>(row, step, steps)] = Line(rounded);
                }
                factors[row] = 1.0 / total(simd, &sums);
            }
            let output = &mut self.output[first * stride + self.column..];
            let values = RoundedPanels {
                tiles: &values[first_step * PAIR..],
                distance: all_steps * PAIR,
            };
            // The scores are not needed any more.
            products.multiply(rows(weights, seen.len()), values, scores);
            let sums = scores.chunks_exact(in_query * DEPTH);
            for ((row, sums), factor) in sums.take(count).enumerate().zip(factors) {
                let output = &mut output[row * stride..][..head_size];
                for (output, sum) in output.iter_mut().zip(sums) {
                    *output = sum * factor;
                }
            }
        }
    }
}

/// The largest number of queries taken together.
const MOST_QUERIES: usize = 48;

/// Index of the line with a row's numbers from `step * DEPTH` on, if rows have `steps` lines.
#[inline(always)]
fn line<P: RoundedProducts>(row: usize, step: usize, steps: usize) -> usize {
    (row / P::HEIGHT * steps + step) * P::HEIGHT + row % P::HEIGHT
}

/// Packs the keys of a sequence as the columns of panels, `head_size` deep. Columns after the last key hold any values.
#[inline(always)]
fn pack_keys<S: Simd>(
    simd: S,
    products: &impl RoundedProducts,
    rows: Rows<'_>,
    length: usize,
    tiles: &mut [Tile],
) {
    let steps = rows.depth.div_ceil(DEPTH);
    for first in (0..length).step_by(SIDE) {
        let count = SIDE.min(length - first);
        let start = first / WIDTH * steps * PAIR + first % WIDTH / SIDE;
        for step in 0..steps {
            let mut pairs = [[0u32; SIDE]; SIDE];
            for (index, pairs) in pairs[..count].iter_mut().enumerate() {
                let (row, mut padded) = (rows.row(first + index), [0.0; DEPTH]);
                let numbers = first_of(row, step * DEPTH, &mut padded);
                *pairs = pulp::cast(products.nearest(numbers));
            }
            let mut tokens = [&[][..]; SIDE];
            for (token, pairs) in tokens.iter_mut().zip(&pairs) {
                *token = pairs;
            }
            interleave(simd, &tokens, SIDE, tiles[start + step * PAIR].places_mut());
        }
    }
}

/// Packs the values of a sequence in panels, `length` deep, with zeros after the last value.
#[inline(always)]
fn pack_values(products: &impl RoundedProducts, rows: Rows<'_>, length: usize, tiles: &mut [Tile]) {
    let steps = length.div_ceil(DEPTH);
    for key in (0..steps * DEPTH).step_by(2) {
        let [mut one, mut other] = [&[][..]; 2];
        if key < length {
            one = rows.row(key);
        }
        if key + 1 < length {
            other = rows.row(key + 1);
        }
        let step = key / DEPTH * PAIR;
        for (index, column) in (0..rows.depth).step_by(SIDE).enumerate() {
            let mut padded = [[0.0; SIDE]; 2];
            let [of_one, of_other] = &mut padded;
            let two = [
                *first_of(one, column, of_one),
                *first_of(other, column, of_other),
            ];
            let [one, other]: [[u16; SIDE]; 2] = pulp::cast(products.nearest(&pulp::cast(two)));
            let tile = &mut tiles[index / PAIR * steps * PAIR + step + index % PAIR];
            let (places, _) = tile.places_mut().as_chunks_mut::<SIDE>();
            let pairs = &mut places[key % DEPTH / 2];
            for ((pair, one), other) in pairs.iter_mut().zip(one).zip(other) {
                *pair = u32::from(one) | u32::from(other) << 16;
            }
        }
    }
}

/// The first numbers of a row from `column` on; if there are too few, in `padded`, filled up with zeros.
#[inline(always)]
fn first_of<'a, const N: usize>(
    row: &'a [f32],
    column: usize,
    padded: &'a mut [f32; N],
) -> &'a [f32; N] {
    let values = row.get(column..).unwrap_or_default();
    // A reference, so that both branches end in one load.
    if let Some(numbers) = values.first_chunk() {
        return numbers;
    }
    for (place, value) in padded.iter_mut().zip(values) {
        *place = *value;
    }
    padded
}

/// From scores to unnormalized weights. (By value: where both might alias, the compiler would not vectorize.)
#[inline(always)]
fn exponentials(scores: &[f32; DEPTH], largest: f32) -> [f32; DEPTH] {
    let mut weights = [0.0; DEPTH];
    for (weight, score) in weights.iter_mut().zip(scores) {
        *weight = short_exp(*score - largest);
    }
    weights
}

/// Adds rounded numbers to the sums of every SIMD lane.
#[inline(always)]
fn add(sums: &mut [f32; LANES], numbers: &[u16; DEPTH]) {
    let pairs: [u32; LANES] = pulp::cast(*numbers);
    for (sum, pair) in sums.iter_mut().zip(pairs) {
        *sum += f32::from_bits(pair << 16) + f32::from_bits(pair & UPPER_HALF);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::rounded_products::with_rounded_products;
    use super::*;
    use crate::amx::rounded_products::with_emulated_products;
    use crate::every;
    use crate::precision::Precision;
    use crate::simd::bf16::bfloat16;
    use crate::tests::assert_close;
    use crate::tests::attention::{AttentionCase, any_options, reference_attention};

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        /// The inputs are rounded already, so only the weights' own errors remain: of each, and of their sum, at most `2^-9`
        /// by rounding and a ten-thousandth by the exponential.
        #[test]
        fn rounded_attention_is_what_its_definition_says(
            lengths in prop::collection::vec(1usize..110, 1..4),
            heads in 1usize..4,
            head_size in 1usize..70,
            scale in prop::sample::select(vec![1.0f32, 4.0, 1e-15]),
            // The emulation of AMX, or the dot product of this processor.
            by_twin in any::<bool>(),
            options in any_options(),
            seed in any::<u64>(),
        ) {
            let mut case = AttentionCase::new(&lengths, [heads, head_size], scale, options, seed);
            case.precision = Precision::Bfloat16;
            for number in &mut case.joined {
                *number = f32::from_bits(bfloat16(*number));
            }
            let (attention, tokens, width) = (case.attention(), case.tokens(), heads * head_size);
            let expected = reference_attention(&attention);
            every::set_of_instructions(|| {
                let mut output = vec![f32::NAN; tokens * width];
                for (sequence, range) in case.sequences.iter().enumerate() {
                    for head in 0..heads {
                        let [tiles, scores] = places(range.len(), head_size);
                        // NaN, as bfloat16 and as float32.
                        let mut tiles = vec![Tile::OF_NO_NUMBERS; tiles];
                        let mut scores = vec![f32::NAN; scores];
                        let work = Rounded {
                            head: Head { attention: &attention, sequence, head },
                            output: &mut output[range.start * width..],
                            stride: width,
                            column: head * head_size,
                            places: Places { tiles: &mut tiles, scores: &mut scores },
                        };
                        if by_twin {
                            with_emulated_products(work);
                        } else {
                            with_rounded_products(work);
                        }
                    }
                }
                // Plus the error of float32 in scores up to `scale^2 * 70`.
                assert_close(&output, &expected, f64::from(scale) * (2f64.powi(-8) + 3e-4));
                Ok::<_, TestCaseError>(())
            })?;
        }
    }
}
