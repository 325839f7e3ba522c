//! How a linear layer is shared out over the threads: by blocks of rows or, for a few rows, by panels of weights (N-split).

use std::ops::Range;

use rayon::prelude::*;

use super::activation::Activation;
use super::columns::Arrangement;
use super::threads::threads;

/// With fewer rows than this for every thread, the panels are shared out.
const FEWEST_ROWS: usize = 24;

/// A linear layer without its weights.
#[derive(Clone, Copy)]
pub(super) struct Layer<'a> {
    pub(super) input: usize,
    pub(super) output: usize,
    /// `NR`, the columns of a panel.
    pub(super) width: usize,
    /// In the order of the panels.
    pub(super) bias: &'a [f32],
    pub(super) arrangement: Arrangement,
    pub(super) activation: Activation,
}

impl Layer<'_> {
    pub(super) fn panels(self) -> usize {
        self.output.div_ceil(self.stored())
    }

    /// Columns of the output that a panel stores.
    #[inline(always)]
    pub(super) fn stored(self) -> usize {
        self.arrangement.stored(self.width)
    }
}

/// Rows of a block, when some rows are cut into blocks as near to `wanted` as possible: every block reads all weights.
pub(super) fn nearest_block(rows: usize, wanted: usize) -> usize {
    rows.div_ceil(((rows + wanted / 2) / wanted).max(1))
}

/// Rows of a block, at most `most`. Every thread gets the same number of blocks, of similar size, unless blocks would have
/// fewer than [`FEWEST_ROWS`]: one row takes almost as long as a whole micro-panel.
pub(super) fn rows_of_block(rows: usize, most: usize) -> usize {
    let blocks = rows.div_ceil(most).next_multiple_of(threads());
    rows.div_ceil(blocks).max(FEWEST_ROWS.min(most))
}

/// Whether to share out the panels (N-split) instead of the rows.
pub(super) fn few_rows(rows: usize) -> bool {
    rows < FEWEST_ROWS * threads()
}

/// N-split: every thread computes some columns of all rows.
///
/// `compute` gets a range of panels, their columns, and these columns of every row.
pub(super) fn by_panels(
    layer: Layer<'_>,
    output: &mut [f32],
    compute: impl Fn(Range<usize>, Range<usize>, &mut [&mut [f32]]) + Sync,
) {
    let (panels, columns, stored) = (layer.panels(), layer.output, layer.stored());
    let share = panels.div_ceil(threads());
    let mut parts: Vec<Vec<_>> = (0..panels.div_ceil(share)).map(|_| Vec::new()).collect();
    for row in output.chunks_exact_mut(columns) {
        for (part, places) in parts.iter_mut().zip(row.chunks_mut(share * stored)) {
            part.push(places);
        }
    }
    parts
        .into_par_iter()
        .enumerate()
        .for_each(|(part, mut output)| {
            let panels = part * share..panels.min((part + 1) * share);
            let columns = panels.start * stored..columns.min(panels.end * stored);
            compute(panels, columns, &mut output);
        });
}
