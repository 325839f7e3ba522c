//! Packed int8 weights, in panels for one implementation.

use rayon::prelude::*;

use super::implementation::Implementation;
use super::matrix::Int8Matrix;
use super::rows::DotProductWidth;
use crate::columns::Arrangement;
use crate::pages::Pages;

/// The panels of some layers side by side.
#[derive(Debug)]
pub(crate) struct Int8Panels {
    pub(super) weights: Pages<i8>,
    pub(super) columns: Columns,
    input: usize,
    arrangement: Arrangement,
    /// The implementation that they are packed for.
    pub(super) implementation: Implementation,
}

/// Scales and sums of each column of some layers in the order of the panels; of a column that is missing, zeros.
#[derive(Debug)]
pub(crate) struct Columns {
    /// The scale of each column's weights.
    pub(crate) scales: Vec<f32>,
    /// The sum of each column's weights: a row's zero point changes its sums by this times the zero point.
    pub(crate) weight_sums: Vec<i32>,
}

impl Columns {
    /// The columns of all `layers`, in panels of `width`.
    pub(crate) fn of(layers: &[&Int8Matrix], width: usize, arrangement: Arrangement) -> Self {
        let (mut scales, mut weight_sums) = (Vec::new(), Vec::new());
        for layer in layers {
            scales.extend(layer.scales());
            let rows = layer.values().chunks_exact(layer.input().max(1));
            let sum = |row: &[i8]| row.iter().map(|weight| i32::from(*weight)).sum::<i32>();
            weight_sums.extend(rows.map(sum));
        }
        Self {
            scales: arrangement.arrange(&scales, width, 0.0),
            weight_sums: arrangement.arrange(&weight_sums, width, 0),
        }
    }

    /// Memory, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        size_of_val(self.scales.as_slice()) + size_of_val(self.weight_sums.as_slice())
    }
}

impl Int8Panels {
    /// The outputs of all `layers`, which share `input`, one after another.
    pub(crate) fn pack(layers: &[&Int8Matrix], input: usize, arrangement: Arrangement) -> Self {
        let best = Implementation::best(&rows_of(layers, input));
        Self::pack_for(best, layers, input, arrangement)
    }

    pub(super) fn pack_for(
        implementation: Implementation,
        layers: &[&Int8Matrix],
        input: usize,
        arrangement: Arrangement,
    ) -> Self {
        let (width, _) = implementation.layout();
        let columns = Columns::of(layers, width, arrangement);
        let rows = arrangement.arrange(&rows_of(layers, input), width, &[]);
        Self {
            arrangement,
            ..Self::pack_columns(implementation, columns, &rows, input)
        }
    }

    /// The weights of `rows`, one row for each of the first columns; an empty row for a missing one.
    pub(super) fn pack_columns(
        implementation: Implementation,
        columns: Columns,
        rows: &[&[i8]],
        input: usize,
    ) -> Self {
        let (width, dot_width) = implementation.layout();
        let size = dot_width.size();
        let panel = size * width * input.div_ceil(size);
        let mut weights = Pages::zeroed(columns.scales.len() / width * panel);
        weights
            .par_chunks_exact_mut(panel.max(1))
            .zip(rows.par_chunks(width))
            .for_each(|(panel, rows)| {
                for (column, row) in rows.iter().enumerate() {
                    let place = &mut panel[size * column..];
                    match dot_width {
                        DotProductWidth::Two => pack_row::<2>(row, width, place),
                        DotProductWidth::Four => pack_row::<4>(row, width, place),
                    }
                }
            });
        Self {
            weights,
            columns,
            input,
            arrangement: Arrangement::InOrder,
            implementation,
        }
    }

    /// Writes the weights of a column to `row`, of as many values as there are inputs.
    pub(super) fn unpack_row(&self, column: usize, row: &mut [i8]) {
        let (width, dot_width) = self.implementation.layout();
        let size = dot_width.size();
        let place = column / width * self.panel_bytes() + size * (column % width);
        for (group, values) in row.chunks_mut(size).enumerate() {
            let start = place + group * size * width;
            values.copy_from_slice(&self.weights[start..start + values.len()]);
        }
    }

    /// Dequantized, `[input, columns]`, row-major, in the order of the matrices.
    pub(crate) fn unpack(&self, columns: usize) -> Vec<f32> {
        let ((width, dot_width), panel) = (self.implementation.layout(), self.panel_bytes());
        let size = dot_width.size();
        let weight = |place: usize| {
            let depth = place / columns;
            let column = self.arrangement.place(place % columns, columns, width);
            let start = column / width * panel + size * (column % width);
            let value = self.weights[start + depth / size * size * width + depth % size];
            f32::from(value) * self.columns.scales[column]
        };
        (0..self.input * columns).map(weight).collect()
    }

    /// Columns of a panel.
    pub(crate) fn width(&self) -> usize {
        self.implementation.layout().0
    }

    /// Memory, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.weights.len() + self.columns.bytes()
    }

    pub(super) fn panel_bytes(&self) -> usize {
        let (width, dot_width) = self.implementation.layout();
        dot_width.size() * width * self.input.div_ceil(dot_width.size())
    }
}

/// Writes a row to its column of a panel, which begins at `place`. Whole groups have a length that the compiler knows.
fn pack_row<const SIZE: usize>(row: &[i8], width: usize, place: &mut [i8]) {
    let (groups, rest) = row.as_chunks::<SIZE>();
    for (group, values) in groups.iter().enumerate() {
        place[group * SIZE * width..][..SIZE].copy_from_slice(values);
    }
    if !rest.is_empty() {
        place[groups.len() * SIZE * width..][..rest.len()].copy_from_slice(rest);
    }
}

/// The weights of every output.
pub(crate) fn rows_of<'a>(layers: &[&'a Int8Matrix], input: usize) -> Vec<&'a [i8]> {
    let rows = |layer: &&'a Int8Matrix| layer.values().chunks_exact(input.max(1));
    layers.iter().flat_map(rows).collect()
}
