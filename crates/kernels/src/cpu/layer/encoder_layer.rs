//! A whole encoder layer: QKV projections, attention, feed-forward block.
//!
//! Each step is shared out over the threads for itself: the projections and the [feed-forward block](super::feed_forward)
//! by rows, attention by sequences and heads. A row gives the same bits in any batch.

use std::ops::Range;

use super::attention::forward::attention;
use super::attention::input::{Attention, PositionBias, Projections, Strided};
use super::feed_forward::{FeedForwardBlock, feed_forward};
use crate::cpu::activation::Activation;
use crate::cpu::packed_linear::{PackedLinear, linear};

/// The weights of an encoder layer.
#[derive(Clone, Copy, Debug)]
pub struct EncoderLayer<'a> {
    /// Query, key and value side by side: `[width, 3 * width]`.
    pub projections: &'a PackedLinear,
    /// All that follows attention, of the same width.
    pub feed_forward: FeedForwardBlock<'a>,
}

/// The sequences of a batch, and the bias of their attention's scores.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// Ranges of rows, one after another from row 0 on.
    pub sequences: &'a [Range<usize>],
    /// For all heads, at least as long as the longest sequence.
    pub bias: PositionBias<'a>,
    /// Number of heads.
    pub heads: usize,
}

/// Attention within every sequence and the [feed-forward block](FeedForwardBlock), in the place of `hidden`, which holds
/// rows of `width` floats.
///
/// # Panics
///
/// When the lengths do not fit each other, when layers have no outputs or a row is not as wide as some heads, and when a
/// sequence is longer than the bias.
pub fn encoder_layer(hidden: &mut [f32], context: Context<'_>, layer: &EncoderLayer<'_>) {
    let width = layer.width();
    let Context {
        sequences, heads, ..
    } = context;
    assert!(heads > 0 && width.is_multiple_of(heads), "whole heads");
    let rows = sequences.last().map_or(0, |sequence| sequence.end);
    assert_eq!(hidden.len(), rows * width, "rows of the sequences");
    if rows == 0 {
        return;
    }
    let mut joined = vec![0.0; rows * 3 * width];
    linear(hidden, layer.projections, Activation::Identity, &mut joined);
    let mut attended = vec![0.0; rows * width];
    attention(&layer.attention(context, &joined), &mut attended);
    feed_forward(&attended, hidden, &layer.feed_forward);
}

impl EncoderLayer<'_> {
    /// Width of a row, after a check that it has as many queries, keys and values.
    fn width(&self) -> usize {
        let width = self.projections.input();
        let after = self.feed_forward.attention_output.input();
        assert!(width > 0, "rows of something");
        assert_eq!(after, width, "attention's output");
        assert_eq!(self.projections.output(), 3 * width, "projections");
        width
    }

    fn attention<'a>(&self, context: Context<'a>, joined: &'a [f32]) -> Attention<'a> {
        let width = self.projections.input();
        let part = |part: usize| Strided {
            values: &joined[part * width..],
            stride: 3 * width,
        };
        Attention {
            projections: Projections {
                query: part(0),
                key: part(1),
                value: part(2),
            },
            bias: context.bias,
            sequences: context.sequences,
            heads: context.heads,
            head_size: width / context.heads,
            dropout: None,
            precision: self.projections.precision(),
        }
    }
}
