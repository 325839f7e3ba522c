//! k-blocks, blocks of rows, and micro-kernels of every height.

use pulp::{Arch, WithSimd};

use super::*;
use crate::float::rows::RowMajor;
use crate::packed_linear::{PackedLinear, Panels};
use crate::precision::Precision;
use crate::schedule::nearest_block;
use crate::tests::numbers;

#[test]
fn the_k_blocks_of_a_depth_are_all_of_it() {
    let ends: Vec<_> = k_blocks(0, 32, KC)
        .map(|k_block| (k_block.start, k_block.end))
        .collect();
    assert_eq!(ends, [(0, 0)]);
    for depth in [1, 31, 32, 1024, 1025, 3072, 31_745, 32_769] {
        for alignment in [1, 32] {
            let mut end = 0;
            for k_block in k_blocks(depth, alignment, KC) {
                assert_eq!((k_block.start, k_block.start % alignment), (end, 0));
                assert!((1..=KC).contains(&k_block.len()), "{depth}: {k_block:?}");
                end = k_block.end;
            }
            assert_eq!(end, depth);
        }
    }
}

#[test]
fn threads_get_as_many_blocks_of_enough_rows() {
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(4)
        .build()
        .unwrap();
    let rows = |rows| pool.install(|| rows_of_block(rows, 48));
    assert_eq!(
        [1, 24, 96, 97, 192, 193, 384].map(rows),
        [24, 24, 24, 25, 48, 25, 48]
    );
}

#[test]
fn blocks_are_as_near_to_the_wanted_size_as_possible() {
    let blocks = [1, 47, 48, 71, 72, 100, 128, 300].map(|rows| nearest_block(rows, 48));
    assert_eq!(blocks, [1, 47, 48, 71, 36, 50, 43, 50]);
}

/// Micro-kernels of twelve rows, whatever registers there are.
struct Tall<W>(W);

impl<W: Vectorized> WithSimd for Tall<W> {
    type Output = W::Output;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> W::Output {
        self.0.run::<S, 12>(simd)
    }
}

/// Only some processors have registers for twelve rows: a height that was forgotten failed only on these.
#[test]
fn micro_kernels_of_every_height_give_the_same() {
    let (weight, bias) = (numbers(9 * 70, 1, 1.0), numbers(70, 2, 1.0));
    for precision in [Precision::Float32, Precision::Bfloat16] {
        let weights = PackedLinear::pack(&[(&weight, &bias)], precision);
        match weights.panels() {
            Panels::Float32(panels) => heights_agree(&weights, panels),
            Panels::Bfloat16(panels) => heights_agree(&weights, panels),
            Panels::Tiles(_) | Panels::Int8(_) => {}
        }
    }
}

fn product<'a, 'b, E: Element>(
    rows: &'a PackedRows<f32>,
    layer: Layer<'a>,
    weights: &'a [E],
    output: &'a mut [&'b mut [f32]],
) -> Product<'a, 'b, E> {
    Product {
        rows,
        layer,
        weights,
        instructions: (),
        k_block: 0..9,
        panels: 0..layer.panels(),
        output,
        columns: 0..70,
    }
}

fn heights_agree<E: Element>(weights: &PackedLinear, elements: &[E]) {
    let layer = weights.layer(Activation::Identity);
    for rows in 0..=40 {
        let input = numbers(rows * 9, 3, 1.0);
        let (mut tall, mut usual) = (vec![0.0; rows * 70], vec![0.0; rows * 70]);
        let pack = |tallest| RowMajor(&input).pack(pulp::Scalar, 0..rows, 9, 0..9, tallest);
        let in_tall = pack(12);
        let mut places: Vec<_> = tall.chunks_exact_mut(70).collect();
        Arch::new().dispatch(Tall(product(&in_tall, layer, elements, &mut places)));
        let in_usual = dispatch(Pack {
            input: RowMajor(&input),
            rows: 0..rows,
            depth: 9,
            k_block: 0..9,
            group: PhantomData,
        });
        let mut places: Vec<_> = usual.chunks_exact_mut(70).collect();
        dispatch(product(&in_usual, layer, elements, &mut places));
        assert_eq!(tall, usual, "{} bytes, {rows} rows", size_of::<E>());
    }
}
