//! The emulation of AMX's products in Rust, with the same rounding.

use super::multiply::{Multiply, Pass, Sums, steps_of};
use crate::bf16::tiles::{DEPTH, Form, PAIR, ROW_BYTES, SIDE, Tile, TileFormat};
use crate::simd::bf16::upcast;

/// Multiplies without AMX.
pub(super) struct Emulated;

impl Multiply for Emulated {
    fn multiply(
        &mut self,
        format: TileFormat,
        _: Pass,
        input: &[&[Tile]],
        weights: &[Tile],
        sums: &mut Sums,
    ) {
        let steps = steps_of(format, input, weights);
        let parts = format.parts();
        // Which half of the input multiplies which half of the weights, in the order of the loops.
        let products: &[(usize, usize)] = match format {
            TileFormat::Bfloat16(Form::Single) => &[(0, 0)],
            TileFormat::Bfloat16(Form::Split) => &[(1, 0), (0, 0), (0, 1)],
            TileFormat::Int8 => return multiply_bytes(input, weights, sums),
        };
        for (below, tiles) in input.iter().enumerate() {
            for beside in 0..PAIR {
                let mut tile = [[0.0; SIDE]; SIDE];
                for step in 0..steps {
                    for (left, right) in products {
                        let right = &weights[(step * parts + right) * PAIR + beside];
                        add_product(&tiles[step * parts + left], right, &mut tile);
                    }
                }
                for (row, sums) in tile.iter().zip(&mut sums.0[below * SIDE..]) {
                    sums[beside * SIDE..][..SIDE].copy_from_slice(row);
                }
            }
        }
    }
}

/// [`Multiply::multiply`] for bytes.
fn multiply_bytes(input: &[&[Tile]], weights: &[Tile], sums: &mut Sums) {
    for (below, tiles) in input.iter().enumerate() {
        for beside in 0..PAIR {
            let mut tile = [[0; SIDE]; SIDE];
            let weights = weights.iter().skip(beside).step_by(PAIR);
            for (left, right) in tiles.iter().zip(weights) {
                add_byte_product(left, right, &mut tile);
            }
            for (row, sums) in tile.iter().zip(&mut sums.whole_mut()[below * SIDE..]) {
                sums[beside * SIDE..][..SIDE].copy_from_slice(row);
            }
        }
    }
}

/// `TDPBUSD`: unsigned bytes on the left, signed ones on the right, wrapping sums.
fn add_byte_product(left: &Tile, right: &Tile, sums: &mut [[i32; SIDE]; SIDE]) {
    for (row, sums) in sums.iter_mut().enumerate() {
        for (column, sum) in sums.iter_mut().enumerate() {
            for depth in 0..ROW_BYTES {
                let weight = right.bytes(depth / 4)[4 * column + depth % 4].cast_signed();
                let product = i32::from(left.bytes(row)[depth]) * i32::from(weight);
                *sum = sum.wrapping_add(product);
            }
        }
    }
}

/// `TDPBF16PS`: even and odd depths are summed separately, from zero, and then together onto the sum; subnormal numbers count
/// as 0.
fn add_product(left: &Tile, right: &Tile, sums: &mut [[f32; SIDE]; SIDE]) {
    for (row, sums) in sums.iter_mut().enumerate() {
        let left = left.row(row).map(|half| flushed(upcast(half)));
        for (column, sum) in sums.iter_mut().enumerate() {
            let mut halves = [0.0; 2];
            for depth in 0..DEPTH {
                let weight = right.row(depth / 2)[2 * column + depth % 2];
                let half = &mut halves[depth % 2];
                *half = flushed(left[depth].mul_add(flushed(upcast(weight)), *half));
            }
            *sum = flushed(*sum + flushed(halves[0] + halves[1]));
        }
    }
}

fn flushed(value: f32) -> f32 {
    if value.is_subnormal() {
        0.0_f32.copysign(value)
    } else {
        value
    }
}
