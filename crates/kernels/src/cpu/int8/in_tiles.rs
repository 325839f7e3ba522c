//! Weights in the order of a matrix unit's tiles, for the vector units.
//!
//! A [row of a tile](crate::cpu::amx) of weights is what `vpdpbusd` on 512 bits wants: for 16 columns four neighbours of
//! the depth. Only where it lies differs: after 16 groups of the first 16 columns come as many of the next.

use pulp::Simd;

use super::rows::Grouping;
use super::tile::{DotProduct, REGISTERS};
use crate::cpu::prefetch::Ahead;

/// Groups of a tile.
const GROUPS: usize = 16;

/// The products of `D`, whose registers are rows of tiles.
#[derive(Clone, Copy, Debug)]
pub(super) struct InTiles<D>(pub(super) D);

impl<D: DotProduct> DotProduct for InTiles<D> {
    type Simd = D::Simd;
    type Numbers = D::Numbers;
    type Sums = D::Sums;

    const GROUPING: Grouping = D::GROUPING;

    #[inline(always)]
    fn simd(self) -> D::Simd {
        self.0.simd()
    }

    #[inline(always)]
    fn zero(self) -> D::Sums {
        self.0.zero()
    }

    #[inline(always)]
    fn start(self, zero_point: i32, weight_sums: &[i32]) -> D::Sums {
        self.0.start(zero_point, weight_sums)
    }

    #[inline(always)]
    fn weights(self, bytes: &[i8]) -> D::Numbers {
        self.0.weights(bytes)
    }

    #[inline(always)]
    fn splat(self, group: i32) -> D::Numbers {
        self.0.splat(group)
    }

    #[inline(always)]
    fn add_products(self, sums: D::Sums, numbers: D::Numbers, weights: D::Numbers) -> D::Sums {
        self.0.add_products(sums, numbers, weights)
    }

    #[inline(always)]
    fn floats(self, sums: D::Sums) -> <D::Simd as Simd>::f32s {
        self.0.floats(sums)
    }

    #[inline(always)]
    fn add_panel<const ROWS: usize>(
        self,
        panel: &[i8],
        rows: &[[i32; ROWS]],
        mut ahead: Ahead<'_>,
        sums: &mut [[D::Sums; REGISTERS]; ROWS],
    ) {
        let in_register = D::GROUPING.size() * D::LANES;
        let tiles = panel.chunks_exact(REGISTERS * GROUPS * in_register);
        for (tiles, rows) in tiles.zip(rows.chunks(GROUPS)) {
            let (first, second) = tiles.split_at(GROUPS * in_register);
            let groups = first
                .chunks_exact(in_register)
                .zip(second.chunks_exact(in_register));
            for ((first, second), numbers) in groups.zip(rows) {
                ahead.step();
                self.add_group(*numbers, [self.weights(first), self.weights(second)], sums);
            }
        }
    }
}
