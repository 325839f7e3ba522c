//! The feed-forward block: output projection, LayerNorm, feed-forward, LayerNorm, block by block of rows.
//!
//! # Strategy
//!
//! All of it works on rows: each of the three linear layers and both LayerNorms takes a row and gives one. So a block of
//! rows passes through all of them before the next block begins, and most intermediate rows stay in the second-level cache.
//! Layer by layer, a batch of a thousand tokens would clear, write and read again 22 MB, because intermediate rows are four
//! times as wide as the others. It would also wait five times for the slower thread instead of once.
//!
//! With a few rows every linear layer is shared out by its weights instead.

use std::cell::Cell;

use rayon::prelude::*;

use super::layer_norm::{LayerNormParameters, add_layer_norm, add_layer_norm_of_block};
use crate::activation::Activation;
use crate::packed_linear::{PackedLinear, linear, linear_of_block, rows_of_blocks};
use crate::scratch::with_scratch;

/// The weights of an encoder layer after its attention.
#[derive(Clone, Copy, Debug)]
pub struct FeedForwardBlock<'a> {
    /// The output projection of attention, `[width, width]`.
    pub attention_output: &'a PackedLinear,
    /// LayerNorm after the first residual addition, of `width`.
    pub attention_norm: LayerNormParameters<'a>,
    /// The first feed-forward layer, `[width, intermediate]`.
    pub intermediate: &'a PackedLinear,
    /// The activation after it.
    pub activation: Activation,
    /// The second feed-forward layer, `[intermediate, width]`.
    pub output: &'a PackedLinear,
    /// LayerNorm after the second residual addition, of `width`.
    pub output_norm: LayerNormParameters<'a>,
}

/// With `x = attention_norm(attended * attention_output + hidden)`: `output_norm(activation(x * intermediate) * output
/// + x)`, in the place of `hidden`.
///
/// `attended` and `hidden` hold rows of `width` floats.
///
/// # Panics
///
/// When the lengths do not fit each other, and when layers have no outputs.
pub(crate) fn feed_forward(attended: &[f32], hidden: &mut [f32], layer: &FeedForwardBlock<'_>) {
    let (width, inner) = layer.widths();
    assert_eq!(attended.len(), hidden.len(), "attended and hidden");
    if hidden.is_empty() {
        return;
    }
    assert!(width > 0 && inner > 0, "layers have outputs");
    assert_eq!(hidden.len() % width, 0, "whole rows");
    let rows = hidden.len() / width;
    let Some(block) = rows_of_blocks(layer.intermediate, rows) else {
        // Many threads make these many rows, too many for scratch that a thread keeps.
        let mut scratch = vec![0.0; rows * (width + inner)];
        return layer.pass(attended, hidden, &mut scratch, linear, add_layer_norm);
    };
    attended
        .par_chunks(block * width)
        .zip(hidden.par_chunks_mut(block * width))
        .for_each(|(attended, hidden)| layer.block(attended, hidden));
}

thread_local! {
    /// Scratch for a block.
    static SCRATCH: Cell<Vec<f32>> = const { Cell::new(Vec::new()) };
}

impl FeedForwardBlock<'_> {
    /// Width of a row and of an intermediate one, after a check that all fit each other.
    fn widths(&self) -> (usize, usize) {
        let width = self.attention_output.input();
        let inner = self.intermediate.output();
        assert_eq!(self.attention_output.output(), width, "attention's output");
        assert_eq!(self.intermediate.input(), width, "intermediate's input");
        assert_eq!(self.output.input(), inner, "output's input");
        assert_eq!(self.output.output(), width, "output's output");
        for norm in [self.attention_norm, self.output_norm] {
            assert_eq!(norm.gamma.len(), width, "gamma");
            assert_eq!(norm.beta.len(), width, "beta");
        }
        (width, inner)
    }

    /// The whole block for some rows, on this thread only.
    pub(crate) fn block(&self, attended: &[f32], hidden: &mut [f32]) {
        let (width, inner) = self.widths();
        let rows = hidden.len() / width;
        with_scratch(&SCRATCH, rows * (width + inner), |scratch| {
            self.pass(
                attended,
                hidden,
                scratch,
                linear_of_block,
                add_layer_norm_of_block,
            );
        });
    }

    /// The whole block for some rows; `scratch` holds the intermediate ones.
    fn pass(
        &self,
        attended: &[f32],
        hidden: &mut [f32],
        scratch: &mut [f32],
        linear: impl Fn(&[f32], &PackedLinear, Activation, &mut [f32]),
        add_and_normalize: impl Fn(&mut [f32], &[f32], LayerNormParameters<'_>),
    ) {
        let (normalized, intermediate) = scratch.split_at_mut(hidden.len());
        linear(
            attended,
            self.attention_output,
            Activation::Identity,
            normalized,
        );
        add_and_normalize(normalized, hidden, self.attention_norm);
        linear(normalized, self.intermediate, self.activation, intermediate);
        linear(intermediate, self.output, Activation::Identity, hidden);
        add_and_normalize(hidden, normalized, self.output_norm);
    }
}
