//! The order in which AMX multiplies blocks of sums, and when the epilogue reads them.

use std::mem;
use std::ops::{Deref, Range};

use super::multiply::{Multiply, Sums};
use crate::bf16::tiles::{PAIR, Tile};

/// One or two tiles of rows times a panel of columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Block {
    pub(super) panel: usize,
    /// Index of the pair of tiles of rows.
    pub(super) pair: usize,
}

/// Panel after panel, each with all rows.
pub(super) fn blocks(panels: Range<usize>, tiles_of_rows: usize) -> impl Iterator<Item = Block> {
    let pairs = tiles_of_rows.div_ceil(PAIR);
    panels.flat_map(move |panel| (0..pairs).map(move |pair| Block { panel, pair }))
}

impl Block {
    /// Its tiles of rows; each row tile has `of_rows` tiles for its depth.
    pub(super) fn rows(self, tiles: &[Tile], of_rows: usize) -> Rows<'_> {
        let first = self.pair * PAIR * of_rows;
        let (above, below) = tiles[first..].split_at(of_rows);
        match below.get(..of_rows) {
            Some(below) => Rows::Two([above, below]),
            None => Rows::One([above]),
        }
    }
}

/// The input of [`Multiply::multiply`].
pub(super) enum Rows<'a> {
    One([&'a [Tile]; 1]),
    Two([&'a [Tile]; PAIR]),
}

impl<'a> Deref for Rows<'a> {
    type Target = [&'a [Tile]];

    fn deref(&self) -> &[&'a [Tile]] {
        match self {
            Self::One(tile) => tile,
            Self::Two(tiles) => tiles,
        }
    }
}

/// Multiplies the blocks in turn, and runs the epilogue on the sums of each, one block later.
///
/// The epilogue would wait for sums that have just left AMX, and AMX would be idle during it. One block later the sums are
/// in the cache, and out-of-order execution starts the epilogue while AMX finishes the next block.
#[inline(always)]
pub(super) fn one_behind(
    unit: &mut dyn Multiply,
    blocks: impl Iterator<Item = Block>,
    mut multiply: impl FnMut(&mut dyn Multiply, Block, &mut Sums),
    mut follow: impl FnMut(Block, &mut Sums),
) {
    let [mut now, mut before] = [Sums::ZERO; 2];
    let (mut now, mut before) = (&mut now, &mut before);
    let mut waiting = None;
    // The epilogue has only one call site: of two the compiler would make a function without the wide instructions.
    for block in blocks.map(Some).chain([None]) {
        if let Some(block) = block {
            multiply(unit, block, now);
        }
        if let Some(block) = mem::replace(&mut waiting, block) {
            follow(block, before);
        }
        mem::swap(&mut now, &mut before);
    }
}

#[cfg(test)]
mod tests {
    use super::super::multiply::Pass;
    use super::*;
    use crate::bf16::tiles::TileFormat;

    struct Nothing;

    impl Multiply for Nothing {
        fn multiply(&mut self, _: TileFormat, _: Pass, _: &[&[Tile]], _: &[Tile], _: &mut Sums) {}
    }

    #[test]
    fn every_block_is_followed_once_with_its_own_sums() {
        for tiles_of_rows in 0..6 {
            let expected: Vec<Block> = blocks(2..5, tiles_of_rows).collect();
            assert_eq!(expected.len(), 3 * tiles_of_rows.div_ceil(2));
            let (mut multiplied, mut followed) = (0, Vec::new());
            one_behind(
                &mut Nothing,
                blocks(2..5, tiles_of_rows),
                |_, _, sums| {
                    multiplied += 1;
                    sums.0[0][0] = multiplied as f32;
                },
                |block, sums| {
                    followed.push(block);
                    assert_eq!(sums.0[0][0], followed.len() as f32);
                },
            );
            assert_eq!(followed, expected);
        }
    }

    #[test]
    fn the_rows_of_a_block_are_two_tiles_or_the_last_one() {
        let tiles = vec![Tile::ZERO; 3 * 5];
        let block = |pair| Block { panel: 0, pair };
        let lengths = |rows: Rows<'_>| rows.iter().map(|tiles| tiles.len()).collect::<Vec<_>>();
        assert_eq!(lengths(block(0).rows(&tiles, 5)), [5, 5]);
        assert_eq!(lengths(block(1).rows(&tiles, 5)), [5]);
    }
}
