//! Rows of the input as whole numbers, each with a scale of its own.

use super::super::layer_norm::LANES;

/// Steps between the smallest and the largest number of a row: what eight bits hold.
const STEPS: f32 = 255.0;

/// `1.5 * 2^23`: adding it rounds a small float to a whole number, in the lowest bits.
const ROUND: f32 = 12_582_912.0;

/// Rows of the input as whole numbers; see [`quantize`](Self::quantize).
pub(super) struct QuantizedRows {
    /// Tile after tile, each `[pair][row]`: two neighbours in a row are one element, the first in its
    /// first two bytes, because that is what one instruction multiplies. Rows of odd width end with a
    /// 0.
    pairs: Vec<i32>,
    tiles: Vec<Tile>,
    scales: Vec<f32>,
}

/// Some rows that are multiplied together.
#[derive(Clone, Copy)]
pub(super) struct Tile {
    pub(super) first_row: usize,
    /// Rows.
    pub(super) height: usize,
    /// Where its pairs begin.
    start: usize,
}

impl QuantizedRows {
    /// Rows of `width` floats as multiples of each row's scale, which is its range / 255, in tiles of
    /// up to `tallest`. The range includes 0, which is kept exactly, so the numbers lie between -255
    /// and 255, and a row's largest is at most 255 above its smallest: with that taken off (the zero
    /// point) they are unsigned numbers of eight bits.
    ///
    /// A row that holds anything not finite gets a scale that is not a number.
    #[inline(always)]
    pub(super) fn quantize(values: &[f32], width: usize, tallest: usize) -> Self {
        let (in_row, count) = (width.div_ceil(2), values.len() / width);
        let mut this = Self {
            pairs: vec![0; count * in_row],
            tiles: Vec::with_capacity(count.div_ceil(tallest)),
            scales: Vec::with_capacity(count),
        };
        let mut numbers = vec![0i16; 2 * in_row];
        let mut first_row = 0;
        while first_row < count {
            // Tiles of the same height, as far as that goes: a tile of one row takes almost as long
            // as one of six.
            let rest = count - first_row;
            let height = rest.div_ceil(rest.div_ceil(tallest));
            let start = first_row * in_row;
            this.tiles.push(Tile {
                first_row,
                height,
                start,
            });
            for row in 0..height {
                let values = &values[(first_row + row) * width..][..width];
                this.scales.push(round(values, &mut numbers[..width]));
                let places = this.pairs[start + row..].iter_mut().step_by(height);
                for (place, pair) in places.zip(numbers.as_chunks::<2>().0) {
                    *place = bytemuck::cast(*pair);
                }
            }
            first_row += height;
        }
        this
    }

    /// How many.
    pub(super) fn count(&self) -> usize {
        self.scales.len()
    }

    pub(super) fn tiles(&self) -> &[Tile] {
        &self.tiles
    }

    /// From the tile's first pair on.
    #[inline(always)]
    pub(super) fn pairs(&self, tile: Tile) -> &[i32] {
        &self.pairs[tile.start..]
    }

    #[inline(always)]
    pub(super) fn scale(&self, row: usize) -> f32 {
        self.scales[row]
    }
}

#[cfg(test)]
impl QuantizedRows {
    /// One of them.
    pub(super) fn number(&self, row: usize, place: usize) -> i16 {
        let within = |tile: &&Tile| (tile.first_row..tile.first_row + tile.height).contains(&row);
        let tile = self.tiles.iter().find(within).unwrap();
        let pair = self.pairs(*tile)[place / 2 * tile.height + row - tile.first_row];
        bytemuck::cast::<i32, [i16; 2]>(pair)[place % 2]
    }
}

/// The numbers of a row, and the scale that they are multiples of.
#[inline(always)]
fn round(row: &[f32], numbers: &mut [i16]) -> f32 {
    let Range {
        smallest,
        largest,
        probe,
    } = range(row);
    // Each part alone cannot overflow.
    let scale = largest / STEPS - smallest / STEPS;
    if scale < f32::MIN_POSITIVE {
        // All are as good as 0, and the inverse might be infinite.
        numbers.fill(0);
        return scale + probe;
    }
    let inverse = 1.0 / scale;
    let highest = (smallest * inverse).round_ties_even() + STEPS + ROUND;
    for (number, value) in numbers.iter_mut().zip(row) {
        let rounded = value.mul_add(inverse, ROUND);
        let rounded = if rounded < highest { rounded } else { highest };
        *number = rounded.to_bits() as i16;
    }
    scale + probe
}

struct Range {
    /// At most 0.
    smallest: f32,
    /// At least 0.
    largest: f32,
    /// 0 if all are finite, else not a number.
    probe: f32,
}

#[inline(always)]
fn range(row: &[f32]) -> Range {
    let (chunks, rest) = row.as_chunks::<LANES>();
    let (mut smallest, mut largest, mut probe) =
        ([0.0f32; LANES], [0.0f32; LANES], [0.0f32; LANES]);
    let mut take = |lane: usize, value: f32| {
        smallest[lane] = if value < smallest[lane] {
            value
        } else {
            smallest[lane]
        };
        largest[lane] = if value > largest[lane] {
            value
        } else {
            largest[lane]
        };
        probe[lane] += value * 0.0;
    };
    for chunk in chunks {
        for (lane, &value) in chunk.iter().enumerate() {
            take(lane, value);
        }
    }
    for (lane, &value) in rest.iter().enumerate() {
        take(lane, value);
    }
    Range {
        smallest: smallest.into_iter().fold(0.0, f32::min),
        largest: largest.into_iter().fold(0.0, f32::max),
        probe: probe.iter().sum(),
    }
}
