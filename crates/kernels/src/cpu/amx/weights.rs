//! Weights as tiles, in the order in which the products read them.

use rayon::prelude::*;

use super::Form;
use super::tiles::{DEPTH, PAIR, SIDE, Tile, WIDTH, nearest, split, widen};
use crate::precision::Precision;

/// A matrix `[input, output]`, cut into panels of [`WIDTH`] columns. A panel is stored depth after
/// depth: for every [`DEPTH`] rows of the matrix the two tiles of `high`, then, if the numbers are
/// split, the two of `low`. Columns and depths that the matrix does not have are 0.
#[derive(Debug)]
pub(in crate::cpu) struct TileWeights {
    tiles: Vec<Tile>,
    form: Form,
    input: usize,
    output: usize,
}

impl TileWeights {
    /// Packs matrices `[input, output]`, row-major, each with its bias, side by side.
    pub(in crate::cpu) fn pack(
        layers: &[(&[f32], &[f32])],
        input: usize,
        precision: Precision,
    ) -> Self {
        let form = match precision {
            Precision::Float32 => Form::Split,
            Precision::Bfloat16 => Form::Single,
        };
        let output = layers.iter().map(|(_, bias)| bias.len()).sum::<usize>();
        let mut weights = Self {
            tiles: Vec::new(),
            form,
            input,
            output,
        };
        let of_panel = weights.tiles_of_panel();
        weights.tiles = vec![Tile::ZERO; weights.panels() * of_panel];
        if of_panel > 0 {
            let panels = weights.tiles.par_chunks_mut(of_panel).enumerate();
            panels.for_each(|(panel, tiles)| fill_panel(layers, panel, input, form, tiles));
        }
        weights
    }

    /// Columns of a panel.
    pub(in crate::cpu) const fn width() -> usize {
        WIDTH
    }

    /// The matrix row-major, as it is after rounding: `high`, or `high + low`.
    pub(in crate::cpu) fn unpack(&self) -> Vec<f32> {
        let mut weights = vec![0.0; self.input * self.output];
        let parts = self.form.parts();
        for (depth, row) in weights.chunks_exact_mut(self.output.max(1)).enumerate() {
            for (column, weight) in row.iter_mut().enumerate() {
                let step = &self.panel(column / WIDTH)[depth / DEPTH * PAIR * parts..];
                let (tile, place) = (column % WIDTH / SIDE, column % SIDE);
                *weight = (0..parts)
                    .map(|part| {
                        let row = step[part * PAIR + tile].row(depth % DEPTH / 2);
                        widen(row[2 * place + depth % 2])
                    })
                    .sum();
            }
        }
        weights
    }

    /// What the tiles take.
    pub(in crate::cpu) fn bytes(&self) -> usize {
        size_of_val(self.tiles.as_slice())
    }

    pub(super) fn form(&self) -> Form {
        self.form
    }

    pub(super) fn input(&self) -> usize {
        self.input
    }

    pub(super) fn output(&self) -> usize {
        self.output
    }

    /// How many panels there are.
    pub(super) fn panels(&self) -> usize {
        self.output.div_ceil(WIDTH)
    }

    /// The tiles of a panel.
    pub(super) fn panel(&self, panel: usize) -> &[Tile] {
        let of_panel = self.tiles_of_panel();
        &self.tiles[panel * of_panel..][..of_panel]
    }

    /// Tiles that 16 rows of the input become.
    pub(super) fn tiles_of_rows(&self) -> usize {
        self.input.div_ceil(DEPTH) * self.form.parts()
    }

    fn tiles_of_panel(&self) -> usize {
        PAIR * self.tiles_of_rows()
    }
}

fn fill_panel(
    layers: &[(&[f32], &[f32])],
    panel: usize,
    input: usize,
    form: Form,
    tiles: &mut [Tile],
) {
    let mut columns = [0.0; WIDTH];
    let parts = form.parts();
    for depth in 0..input {
        copy_columns(layers, depth, panel * WIDTH, &mut columns);
        let step = &mut tiles[depth / DEPTH * PAIR * parts..][..PAIR * parts];
        for (column, weight) in columns.iter().enumerate() {
            let (tile, place) = (column / SIDE, 2 * (column % SIDE) + depth % 2);
            let row = depth % DEPTH / 2;
            match form {
                Form::Single => step[tile].row_mut(row)[place] = nearest(*weight),
                Form::Split => {
                    let [high, low] = split(*weight);
                    step[tile].row_mut(row)[place] = high;
                    step[PAIR + tile].row_mut(row)[place] = low;
                }
            }
        }
    }
}

/// The columns from `first` on of one row of the matrices side by side, as far as there are any.
fn copy_columns(
    layers: &[(&[f32], &[f32])],
    depth: usize,
    first: usize,
    columns: &mut [f32; WIDTH],
) {
    let end = first + WIDTH;
    let mut start = 0;
    for (weight, bias) in layers {
        let width = bias.len();
        let (from, to) = (first.max(start), end.min(start + width));
        if from < to {
            let row = &weight[depth * width..][..width];
            columns[from - first..to - first].copy_from_slice(&row[from - start..to - start]);
        }
        start += width;
    }
}
