//! int8 weights as AMX tiles.

use rayon::prelude::*;

use super::tiles::{PAIR, ROW_BYTES, SIDE, Tile, WIDTH};
use crate::pages::Pages;

/// Neighbours of the depth that are side by side in a tile of weights.
const GROUP: usize = 4;

/// The tiles of the weights of some columns, one after another: see [`weights`](super::weights).
pub(crate) fn pack(columns: &[&[i8]], input: usize) -> Pages<Tile> {
    let of_panel = PAIR * input.div_ceil(ROW_BYTES);
    let mut tiles = Pages::<Tile>::zeroed(columns.len().div_ceil(WIDTH) * of_panel);
    tiles
        .par_chunks_mut(of_panel.max(1))
        .zip(columns.par_chunks(WIDTH))
        .for_each(|(tiles, columns)| {
            for (column, weights) in columns.iter().enumerate() {
                let tiles = tiles.iter_mut().skip(column / SIDE).step_by(PAIR);
                for (tile, weights) in tiles.zip(weights.chunks(ROW_BYTES)) {
                    for (row, group) in weights.chunks(GROUP).enumerate() {
                        let place = &mut tile.bytes_mut(row)[column % SIDE * GROUP..];
                        place[..group.len()].copy_from_slice(bytemuck::cast_slice(group));
                    }
                }
            }
        });
    tiles
}

/// The weight at `depth` of an output's panel.
pub(crate) fn weight(panel: &[Tile], depth: usize, column: usize) -> i8 {
    let tile = &panel[depth / ROW_BYTES * PAIR + column / SIDE];
    let row = tile.bytes(depth % ROW_BYTES / GROUP);
    row[column % SIDE * GROUP + depth % GROUP].cast_signed()
}
