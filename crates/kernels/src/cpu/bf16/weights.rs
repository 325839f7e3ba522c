//! Weights as tiles, in the order in which the products read them.

use pulp::Simd;
use rayon::prelude::*;

use super::byte_tiles;
use super::split_weights::{bits_of_steps, bits_of_steps_mut, lengthen, shorten};
use super::tiles::{DEPTH, Form, PAIR, SIDE, Tile, TileFormat, WIDTH};
use crate::cpu::float::matrices::Matrices;
use crate::cpu::int8::matrix::Int8Matrix;
use crate::cpu::int8::panels::Columns;
use crate::cpu::pages::Pages;
use crate::cpu::simd::arch::{Vectorized, dispatch};
use crate::cpu::simd::bf16::{nearest_pairs, widen};
use crate::precision::Precision;

/// A matrix `[input, output]`, cut into panels of [`WIDTH`] columns. A panel is stored depth after
/// depth: for every [`TileFormat::depth`] rows of the matrix the two tiles of `high`, then, if the numbers
/// are split, the one of their rests' bytes, whose last bits stand at the start of the panel
/// ([how](super::split_weights)). Columns and depths that the matrix does not have are 0.
#[derive(Debug)]
pub(in crate::cpu) struct TileWeights {
    tiles: Pages<Tile>,
    kind: Kind,
    input: usize,
    output: usize,
}

#[derive(Debug)]
enum Kind {
    Bfloat16(Form),
    /// Whole numbers, and what is to be known of their columns.
    Bytes(Columns),
}

impl TileWeights {
    /// Packs matrices side by side.
    pub(in crate::cpu) fn pack(matrices: Matrices<'_>, form: Form) -> Self {
        let mut weights = Self {
            tiles: Pages::zeroed(0),
            kind: Kind::Bfloat16(form),
            input: matrices.input(),
            output: matrices.output(),
        };
        let of_panel = weights.tiles_of_panel();
        weights.tiles = Pages::zeroed(weights.output.div_ceil(WIDTH) * of_panel);
        if of_panel > 0 {
            let panels = weights.tiles.par_chunks_mut(TOGETHER * of_panel);
            panels.enumerate().for_each(|(index, tiles)| {
                dispatch(Fill {
                    matrices,
                    first_panel: index * TOGETHER,
                    form,
                    tiles,
                });
            });
        }
        weights
    }

    /// Packs matrices of whole numbers side by side.
    pub(in crate::cpu) fn pack_int8(layers: &[&Int8Matrix], input: usize) -> Self {
        Self {
            tiles: byte_tiles::pack(layers, input),
            kind: Kind::Bytes(Columns::of(layers, WIDTH)),
            input,
            output: layers.iter().map(|layer| layer.scales().len()).sum(),
        }
    }

    /// Columns of a panel.
    pub(in crate::cpu) const fn width() -> usize {
        WIDTH
    }

    /// The matrix row-major, as it is after rounding: `high`, or `high + low`, or whole numbers times
    /// their scales.
    pub(in crate::cpu) fn unpack(&self) -> Vec<f32> {
        let form = match &self.kind {
            Kind::Bfloat16(form) => *form,
            Kind::Bytes(columns) => return self.unpack_bytes(&columns.scales),
        };
        let in_step = self.numbers().weights_in_step();
        let weight = |place: usize| {
            let (depth, column) = (place / self.output, place % self.output);
            let (panel, column) = (self.panel(column / WIDTH), column % WIDTH);
            let (bits, steps) = panel.split_at(self.numbers().tiles_of_bits(self.steps()));
            let (index, depth) = (depth / DEPTH, depth % DEPTH);
            let step = &steps[index * in_step..][..in_step];
            let (row, place) = (depth / 2, column % SIDE);
            let high = step[column / SIDE].row(row)[2 * place + depth % 2];
            match form {
                Form::Single => widen(high),
                Form::Split => {
                    let of_place = column / SIDE * 2 + depth % 2;
                    let byte = step[PAIR].bytes(row)[4 * place + of_place];
                    let bits = bits_of_steps(bits)[index][row][of_place];
                    lengthen(high, byte, bits >> place & 1)
                }
            }
        };
        (0..self.input * self.output).map(weight).collect()
    }

    fn unpack_bytes(&self, scales: &[f32]) -> Vec<f32> {
        let weight = |place: usize| {
            let (depth, output) = (place / self.output, place % self.output);
            let panel = self.panel(output / WIDTH);
            f32::from(byte_tiles::weight(panel, depth, output % WIDTH)) * scales[output]
        };
        (0..self.input * self.output).map(weight).collect()
    }

    /// In which numbers they are kept.
    pub(in crate::cpu) fn precision(&self) -> Precision {
        match self.kind {
            Kind::Bfloat16(Form::Split) => Precision::Float32,
            Kind::Bfloat16(Form::Single) => Precision::Bfloat16,
            Kind::Bytes(_) => Precision::Int8,
        }
    }

    /// What the tiles take.
    pub(in crate::cpu) fn bytes(&self) -> usize {
        let columns = self.columns().map_or(0, Columns::bytes);
        size_of_val(&*self.tiles) + columns
    }

    /// How numbers became bfloat16; none of bytes.
    pub(in crate::cpu) fn form(&self) -> Option<Form> {
        match self.kind {
            Kind::Bfloat16(form) => Some(form),
            Kind::Bytes(_) => None,
        }
    }

    pub(in crate::cpu) fn numbers(&self) -> TileFormat {
        match self.kind {
            Kind::Bfloat16(form) => TileFormat::Bfloat16(form),
            Kind::Bytes(_) => TileFormat::Bytes,
        }
    }

    /// Of whole numbers.
    pub(in crate::cpu) fn columns(&self) -> Option<&Columns> {
        match &self.kind {
            Kind::Bfloat16(_) => None,
            Kind::Bytes(columns) => Some(columns),
        }
    }

    #[cfg(test)]
    pub(in crate::cpu) fn input(&self) -> usize {
        self.input
    }

    #[cfg(test)]
    pub(in crate::cpu) fn output(&self) -> usize {
        self.output
    }

    pub(in crate::cpu) fn tiles(&self) -> &[Tile] {
        &self.tiles
    }

    /// The tiles of a panel.
    pub(in crate::cpu) fn panel(&self, panel: usize) -> &[Tile] {
        let of_panel = self.tiles_of_panel();
        &self.tiles[panel * of_panel..][..of_panel]
    }

    /// Tiles that 16 rows of the input become.
    pub(in crate::cpu) fn tiles_of_rows(&self) -> usize {
        self.steps() * self.numbers().parts()
    }

    /// Tiles that are made of a panel on the way: see [`Pass`](super::tiles::Pass).
    pub(in crate::cpu) fn low_tiles_of_panel(&self) -> usize {
        self.steps() * self.numbers().low_in_step()
    }

    fn tiles_of_panel(&self) -> usize {
        self.numbers().tiles_of_panel(self.steps())
    }

    /// The depth in tiles.
    fn steps(&self) -> usize {
        self.input.div_ceil(self.numbers().depth())
    }
}

/// Panels that a task fills: enough of them that sharing out costs nothing.
const TOGETHER: usize = 8;

/// Fills some panels, a tile's depth at a time; two inputs lie in one row of a tile.
struct Fill<'a> {
    matrices: Matrices<'a>,
    first_panel: usize,
    form: Form,
    tiles: &'a mut [Tile],
}

impl Vectorized for Fill<'_> {
    type Output = ();

    // Plain loops over rows of tiles: the compiler makes vector instructions of them.
    #[inline(always)]
    fn run<S: Simd, const ROWS: usize>(self, _: S) {
        let input = self.matrices.input();
        let (numbers, steps) = (TileFormat::Bfloat16(self.form), input.div_ceil(DEPTH));
        let (step, of_panel) = (numbers.weights_in_step(), numbers.tiles_of_panel(steps));
        for (index, panel) in self.tiles.chunks_exact_mut(of_panel).enumerate() {
            let first = (self.first_panel + index) * WIDTH;
            let mut block = [[0.0; WIDTH]; DEPTH];
            let (bits, panel) = panel.split_at_mut(numbers.tiles_of_bits(steps));
            let bits = bits_of_steps_mut(bits);
            for (depth, tiles) in panel.chunks_exact_mut(step).enumerate() {
                let inputs = depth * DEPTH..input.min((depth + 1) * DEPTH);
                let missing = inputs.len()..DEPTH;
                let block_values = block.as_flattened_mut();
                self.matrices.copy_block(inputs, first, block_values, WIDTH);
                block[missing].fill([0.0; WIDTH]);
                let (highs, rests) = tiles.split_at_mut(PAIR);
                for (row, [even, odd]) in block.as_chunks::<2>().0.iter().enumerate() {
                    let mut bytes = [0; SIDE];
                    let halves = even.as_chunks().0.iter().zip(odd.as_chunks().0);
                    for (column, (high, (even, odd))) in highs.iter_mut().zip(halves).enumerate() {
                        let places = match self.form {
                            Form::Single => nearest_pairs(even, odd),
                            Form::Split => {
                                let (places, upper, last) = shorten_pairs(even, odd);
                                for (bytes, upper) in bytes.iter_mut().zip(upper) {
                                    *bytes |= upper << (16 * column);
                                }
                                bits[depth][row].as_chunks_mut().0[column] = last;
                                places
                            }
                        };
                        *high.row_places_mut(row) = places;
                    }
                    if let [rests] = rests {
                        *rests.row_places_mut(row) = bytes;
                    }
                }
            }
        }
    }
}

/// Both depths of 16 columns: `high`; the rests' bytes, in the lower half of a place; and of either depth their last bits.
#[inline(always)]
fn shorten_pairs(even: &[f32; SIDE], odd: &[f32; SIDE]) -> ([u32; SIDE], [u32; SIDE], [u16; 2]) {
    let [mut places, mut rests] = [[0; SIDE]; 2];
    let numbers = even.iter().zip(odd);
    for ((place, rests), (even, odd)) in places.iter_mut().zip(&mut rests).zip(numbers) {
        let ((even, even_rest), (odd, odd_rest)) = (shorten(*even), shorten(*odd));
        *place = u32::from(even) | u32::from(odd) << 16;
        // Nine bits each.
        *rests = even_rest.cast_unsigned() & 0x1ff | odd_rest.cast_unsigned() << 16;
    }
    let mut last = [0; 2];
    for (place, rests) in rests.iter_mut().enumerate() {
        last[0] |= (*rests as u16 & 1) << place;
        last[1] |= ((*rests >> 16) as u16 & 1) << place;
        *rests = *rests >> 1 & 0xff | *rests >> 9 & 0xff00;
    }
    (places, rests, last)
}
