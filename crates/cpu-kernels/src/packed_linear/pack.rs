//! Packing: from matrices to the order in which the kernels of a format read them.

use std::sync::Arc;

use super::{Packed, PackedLinear, Panels};
use crate::amx::detect;
use crate::bf16::weights::TileWeights;
use crate::columns::Arrangement;
use crate::features::tile_form;
use crate::float::matrices::{Matrices, Order};
use crate::float::panels::cut;
use crate::int8::matrix::Int8Matrix;
use crate::int8::panels::Int8Panels;
use crate::precision::Precision;
use crate::simd::arch::{REGISTERS, panel_width};

impl PackedLinear {
    /// Packs matrices `[input, output]`, row-major, each with its bias `[output]`; their outputs follow each other.
    ///
    /// For int8, matrices of more than [`Int8Matrix::MAX_INPUTS`] inputs stay float32: their sums would not fit 32 bits.
    ///
    /// # Panics
    ///
    /// When the matrices differ in `input`, or a bias does not fit its matrix.
    #[must_use]
    pub fn pack(layers: &[(&[f32], &[f32])], precision: Precision) -> Self {
        Self::pack_matrices(Matrices::new(layers, Order::ByInput), precision)
    }

    /// As [`pack`](Self::pack), of matrices `[output, input]`, row-major, as PyTorch's checkpoints have them.
    ///
    /// # Panics
    ///
    /// As [`pack`](Self::pack).
    #[must_use]
    pub fn pack_by_output(layers: &[(&[f32], &[f32])], precision: Precision) -> Self {
        Self::pack_matrices(Matrices::new(layers, Order::ByOutput), precision)
    }

    /// Packs a gated layer, `activation(input * a) * (input * b)`, of matrices `[input, output]`, row-major, each with its
    /// bias `[output]`: `a` first, whose sums the activation takes. Half of each panel are columns of `a`, so that one
    /// pass over the input gives both factors of an output, and one product is stored for two sums.
    ///
    /// # Panics
    ///
    /// As [`pack`](Self::pack), and when the matrices differ in their outputs.
    #[must_use]
    pub fn pack_gated(layers: [(&[f32], &[f32]); 2], precision: Precision) -> Self {
        Self::pack_matrices(Matrices::gated(&layers, Order::ByInput), precision)
    }

    /// As [`pack_gated`](Self::pack_gated), of matrices `[output, input]`, row-major, as PyTorch's checkpoints have them.
    ///
    /// # Panics
    ///
    /// As [`pack_gated`](Self::pack_gated).
    #[must_use]
    pub fn pack_gated_by_output(layers: [(&[f32], &[f32]); 2], precision: Precision) -> Self {
        Self::pack_matrices(Matrices::gated(&layers, Order::ByOutput), precision)
    }

    fn pack_matrices(matrices: Matrices<'_>, precision: Precision) -> Self {
        let input = matrices.input();
        let (bias, arrangement) = (matrices.bias(), matrices.arrangement());
        if let Some(form) = tile_form(precision) {
            let panels = Panels::Tiles(TileWeights::pack(matrices, form));
            return Self::assemble(panels, &bias, arrangement, input, TileWeights::width());
        }
        let width = panel_width();
        let panels = match precision {
            Precision::Int8 if (1..=Int8Matrix::MAX_INPUTS).contains(&input) => {
                return Self::quantize(matrices);
            }
            // Float16 is for tensors: packed weights keep float32.
            Precision::Float32 | Precision::Float16 | Precision::Int8 => {
                Panels::Float32(cut(matrices, width, width))
            }
            Precision::Bfloat16 => Panels::Bfloat16(cut(matrices, width, width / REGISTERS)),
        };
        Self::assemble(panels, &bias, arrangement, input, width)
    }

    fn quantize(matrices: Matrices<'_>) -> Self {
        let quantized: Vec<(Int8Matrix, &[f32])> = matrices
            .layers()
            .iter()
            .map(|(weight, bias)| {
                let matrix = match matrices.order() {
                    Order::ByInput => Int8Matrix::quantize_transposed(weight, bias.len()),
                    Order::ByOutput => Int8Matrix::quantize(weight, matrices.input()),
                };
                (matrix, *bias)
            })
            .collect();
        let layers: Vec<(&Int8Matrix, &[f32])> = quantized
            .iter()
            .map(|(matrix, bias)| (matrix, *bias))
            .collect();
        Self::arrange_int8(&layers, matrices.arrangement())
    }

    /// Packs matrices that are quantized already, each with its bias; their outputs follow each other.
    ///
    /// # Panics
    ///
    /// When the matrices differ in `input` or have more than [`Int8Matrix::MAX_INPUTS`], or a bias does not fit its
    /// matrix.
    #[must_use]
    pub fn pack_int8(layers: &[(&Int8Matrix, &[f32])]) -> Self {
        Self::arrange_int8(layers, Arrangement::InOrder)
    }

    /// As [`pack_gated`](Self::pack_gated), of matrices that are quantized already.
    ///
    /// # Panics
    ///
    /// As [`pack_int8`](Self::pack_int8), and when the matrices differ in their outputs.
    #[must_use]
    pub fn pack_gated_int8(layers: [(&Int8Matrix, &[f32]); 2]) -> Self {
        let [(_, first), (_, second)] = layers;
        assert_eq!(first.len(), second.len(), "halves of a gated layer");
        Self::arrange_int8(&layers, Arrangement::Gated)
    }

    fn arrange_int8(layers: &[(&Int8Matrix, &[f32])], arrangement: Arrangement) -> Self {
        let input = layers.first().map_or(0, |(matrix, _)| matrix.input());
        assert!(input <= Int8Matrix::MAX_INPUTS, "sums of 32 bits");
        for (matrix, bias) in layers {
            assert_eq!(
                (matrix.input(), matrix.scales().len()),
                (input, bias.len()),
                "a matrix and its bias"
            );
        }
        let matrices: Vec<&Int8Matrix> = layers.iter().map(|(matrix, _)| *matrix).collect();
        let biases: Vec<&[f32]> = layers.iter().map(|(_, bias)| *bias).collect();
        let bias = biases.concat();
        if detect::wanted() {
            let panels = Panels::Tiles(TileWeights::pack_int8(&matrices, input, arrangement));
            return Self::assemble(panels, &bias, arrangement, input, TileWeights::width());
        }
        let panels = Int8Panels::pack(&matrices, input, arrangement);
        let width = panels.width();
        Self::assemble(Panels::Int8(panels), &bias, arrangement, input, width)
    }

    fn assemble(
        panels: Panels,
        bias: &[f32],
        arrangement: Arrangement,
        input: usize,
        width: usize,
    ) -> Self {
        Self(Arc::new(Packed {
            panels,
            bias: arrangement.arrange(bias, width, 0.0),
            input,
            columns: bias.len(),
            arrangement,
            width,
        }))
    }
}
