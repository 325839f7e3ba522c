//! How a linear layer is shared out: by blocks of rows or, with a few rows, by panels of weights.

use std::ops::Range;

use rayon::prelude::*;

use super::activation::Activation;
use super::threads::threads;

/// With fewer rows than this for every thread, the panels are shared out instead.
const FEWEST_ROWS: usize = 24;

/// A dense layer but for its weights.
#[derive(Clone, Copy)]
pub(super) struct Layer<'a> {
    pub(super) input: usize,
    pub(super) output: usize,
    /// Columns of a panel.
    pub(super) width: usize,
    /// Padded to whole panels.
    pub(super) bias: &'a [f32],
    pub(super) activation: Activation,
}

impl Layer<'_> {
    pub(super) fn panels(self) -> usize {
        self.output.div_ceil(self.width)
    }
}

/// Rows of a block, `most` at most. Every thread gets as many blocks, of like size, unless these had fewer rows than
/// are shared out at all: a block of one row takes almost as long as one of a tile's height.
pub(super) fn rows_of_block(rows: usize, most: usize) -> usize {
    let blocks = rows.div_ceil(most).next_multiple_of(threads());
    rows.div_ceil(blocks).max(FEWEST_ROWS.min(most))
}

/// Whether the panels are shared out, and not the rows.
pub(super) fn few_rows(rows: usize) -> bool {
    rows < FEWEST_ROWS * threads()
}

/// Every thread computes some columns of all rows.
///
/// `compute` is given panels, the columns that they hold, and of every row the places of these columns.
pub(super) fn by_panels(
    layer: Layer<'_>,
    output: &mut [f32],
    compute: impl Fn(Range<usize>, Range<usize>, &mut [&mut [f32]]) + Sync,
) {
    let (panels, columns) = (layer.panels(), layer.output);
    let share = panels.div_ceil(threads());
    let mut parts: Vec<Vec<_>> = (0..panels.div_ceil(share)).map(|_| Vec::new()).collect();
    for row in output.chunks_exact_mut(columns) {
        for (part, places) in parts.iter_mut().zip(row.chunks_mut(share * layer.width)) {
            part.push(places);
        }
    }
    parts
        .into_par_iter()
        .enumerate()
        .for_each(|(part, mut output)| {
            let panels = part * share..panels.min((part + 1) * share);
            let columns = panels.start * layer.width..columns.min(panels.end * layer.width);
            compute(panels, columns, &mut output);
        });
}
