//! The feed-forward block: output projection and feed-forward, with a residual and LayerNorm each, block by block of rows.
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

use super::layer_norm::{
    LayerNormParameters, add_layer_norm, add_layer_norm_of_block, add_of_block, layer_norm_of_sum,
    layer_norm_of_sum_of_block,
};
use crate::activation::Activation;
use crate::packed_linear::{PackedLinear, linear, linear_of_block, rows_of_blocks};
use crate::scratch::with_scratch;

/// The places of the LayerNorms of an encoder layer, each of its `width`.
#[derive(Clone, Copy, Debug)]
pub enum LayerNorms<'a> {
    /// After the residual additions, as in BERT.
    Post {
        /// After the one behind attention.
        attention: LayerNormParameters<'a>,
        /// After the one behind the feed-forward.
        output: LayerNormParameters<'a>,
    },
    /// Before attention and before the feed-forward, whose residuals are not normalized, as in ModernBERT.
    Pre {
        /// Before attention; none, for example, in the first layer of ModernBERT.
        attention: Option<LayerNormParameters<'a>>,
        /// Before the feed-forward.
        feed_forward: LayerNormParameters<'a>,
    },
}

/// The weights of an encoder layer after its attention.
#[derive(Clone, Copy, Debug)]
pub struct FeedForwardBlock<'a> {
    /// The output projection of attention, `[width, width]`.
    pub attention_output: &'a PackedLinear,
    /// The LayerNorms of the layer.
    pub norms: LayerNorms<'a>,
    /// The first feed-forward layer, `[width, intermediate]`, which may be [gated](PackedLinear::pack_gated).
    pub intermediate: &'a PackedLinear,
    /// The activation after it.
    pub activation: Activation,
    /// The second feed-forward layer, `[intermediate, width]`.
    pub output: &'a PackedLinear,
}

/// In post-norm order, with `x = attention_norm(attended * attention_output + hidden)`:
/// `output_norm(activation(x * intermediate) * output + x)`. In pre-norm order, with `x = attended * attention_output + hidden`:
/// `activation(norm(x) * intermediate) * output + x`. Both in the place of `hidden`.
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
        return layer.pass(attended, hidden, &mut scratch, Threads::All);
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
        let norms = match self.norms {
            LayerNorms::Post { attention, output } => [Some(attention), Some(output)],
            LayerNorms::Pre {
                attention,
                feed_forward,
            } => [attention, Some(feed_forward)],
        };
        for norm in norms.into_iter().flatten() {
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
            self.pass(attended, hidden, scratch, Threads::This);
        });
    }

    /// The whole block for some rows; `scratch` holds the intermediate ones.
    fn pass(&self, attended: &[f32], hidden: &mut [f32], scratch: &mut [f32], threads: Threads) {
        let (normalized, intermediate) = scratch.split_at_mut(hidden.len());
        threads.linear(
            attended,
            self.attention_output,
            Activation::Identity,
            normalized,
        );
        match self.norms {
            LayerNorms::Post { attention, .. } => {
                threads.add_layer_norm(normalized, hidden, attention);
            }
            LayerNorms::Pre { feed_forward, .. } => {
                threads.layer_norm_of_sum(normalized, hidden, feed_forward);
            }
        }
        threads.linear(normalized, self.intermediate, self.activation, intermediate);
        match self.norms {
            LayerNorms::Post { output, .. } => {
                threads.linear(intermediate, self.output, Activation::Identity, hidden);
                threads.add_layer_norm(hidden, normalized, output);
            }
            LayerNorms::Pre { .. } => {
                threads.linear(intermediate, self.output, Activation::Identity, normalized);
                add_of_block(hidden, normalized);
            }
        }
    }
}

/// The threads that share an operation.
#[derive(Clone, Copy)]
enum Threads {
    All,
    This,
}

impl Threads {
    fn linear(
        self,
        input: &[f32],
        weights: &PackedLinear,
        activation: Activation,
        output: &mut [f32],
    ) {
        match self {
            Self::All => linear(input, weights, activation, output),
            Self::This => linear_of_block(input, weights, activation, output),
        }
    }

    fn add_layer_norm(self, values: &mut [f32], residual: &[f32], norm: LayerNormParameters<'_>) {
        match self {
            Self::All => add_layer_norm(values, residual, norm),
            Self::This => add_layer_norm_of_block(values, residual, norm),
        }
    }

    fn layer_norm_of_sum(self, values: &mut [f32], sum: &mut [f32], norm: LayerNormParameters<'_>) {
        match self {
            Self::All => layer_norm_of_sum(values, sum, norm),
            Self::This => layer_norm_of_sum_of_block(values, sum, norm),
        }
    }
}
