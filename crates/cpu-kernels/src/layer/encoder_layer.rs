//! A whole encoder layer, for a group of sequences at a time: QKV projections, rotary position embeddings, attention,
//! feed-forward block.
//!
//! # Strategy
//!
//! A layer moves nothing from one sequence to another. So a group of sequences passes through the whole layer before the next
//! group begins. A thread reads queries, keys and values, three times as wide as a row, right after it wrote them. It needs
//! no memory for those of a whole batch, which is 12 MB for a thousand tokens. Within linear layers the rows of a group
//! go in blocks, as in the [feed-forward block](super::feed_forward).
//!
//! Sequences differ in length. If the shares of several threads would differ by more than a few rows, every operation is
//! shared out for itself, so that no thread waits at the end of a layer. The same holds for a few rows.

use std::cell::Cell;
use std::ops::Range;

use rayon::prelude::*;

use super::attention::forward::{attention, attention_by_this_thread};
use super::attention::input::{Attention, PositionBias, Projections, Strided};
use super::feed_forward::{FeedForwardBlock, LayerNorms, feed_forward};
use super::layer_norm::{LayerNormParameters, layer_norm, layer_norm_of_block};
use super::rotary::{RotaryRows, RotaryTable, Rotation, rotary, rotary_of_sequence};
use crate::activation::Activation;
use crate::packed_linear::{
    PackedLinear, block_of_layers, linear, linear_of_block, rows_of_blocks, rows_of_layers,
};
use crate::scratch::with_scratch;
use crate::threads::threads;

/// The weights of an encoder layer.
#[derive(Clone, Copy, Debug)]
pub struct EncoderLayer<'a> {
    /// Query, key and value side by side: `[width, 3 * width]`.
    pub projections: &'a PackedLinear,
    /// All that follows attention, of the same width.
    pub feed_forward: FeedForwardBlock<'a>,
}

/// The sequences of a batch, and how they attend: see [`Attention`].
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// Ranges of rows, one after another from row 0 on.
    pub sequences: &'a [Range<usize>],
    /// Number of heads.
    pub heads: usize,
    /// The factor of the products of queries and keys, usually 1 over the root of a head's columns.
    pub scale: f32,
    /// For all heads, at least as long as the longest sequence.
    pub bias: Option<PositionBias<'a>>,
    /// A query attends to keys at most so many positions away; `None`: to all.
    pub window: Option<usize>,
    /// Rotates queries and keys first.
    pub rotary: Option<&'a RotaryTable>,
}

/// Rows wanted in a group: a smaller one gives blocks of uneven size.
const ROWS_OF_GROUP: usize = 96;

/// A thread keeps no scratch for more rows, which only a sequence longer than any batch has.
const MOST_ROWS: usize = 2048;

/// Attention within every sequence and the [feed-forward block](FeedForwardBlock), in the place of `hidden`, which holds
/// rows of `width` floats.
///
/// # Panics
///
/// When the lengths do not fit each other, when layers have no outputs or a row is not as wide as some heads, and when a
/// sequence is longer than the bias or the rotary table.
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
    let weights = layer.feed_forward.intermediate;
    let groups = rows_of_blocks(weights, rows).and_then(|_| {
        let of_group = ROWS_OF_GROUP.max(rows_of_layers(weights));
        groups(sequences, of_group, threads())
    });
    let Some(groups) = groups else {
        let mut joined = vec![0.0; rows * 3 * width];
        let mut attended = vec![0.0; rows * width];
        let input = match layer.first_norm() {
            None => &*hidden,
            Some(norm) => {
                attended.copy_from_slice(hidden);
                layer_norm(&mut attended, norm);
                &attended
            }
        };
        linear(input, layer.projections, Activation::Identity, &mut joined);
        if let Some(table) = context.rotary {
            let rows = queries_and_keys(&mut joined, width);
            rotary(rows, table, sequences, Rotation::Forward);
        }
        attention(&layer.attention(context, &joined), &mut attended);
        return feed_forward(&attended, hidden, &layer.feed_forward);
    };
    let mut rest = hidden;
    let mut parts = Vec::with_capacity(groups.len());
    for group in groups {
        let (part, behind) = rest.split_at_mut(rows_of(group).len() * width);
        parts.push((group, part));
        rest = behind;
    }
    parts.into_par_iter().for_each(|(sequences, hidden)| {
        layer.group(
            Context {
                sequences,
                ..context
            },
            hidden,
        )
    });
}

thread_local! {
    /// Queries, keys and values of a group, and the result of its attention: at most [`MOST_ROWS`] rows.
    static SCRATCH: Cell<Vec<f32>> = const { Cell::new(Vec::new()) };
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

    /// LayerNorm before attention, if there is one.
    fn first_norm(&self) -> Option<LayerNormParameters<'_>> {
        match self.feed_forward.norms {
            LayerNorms::Post { .. } => None,
            LayerNorms::Pre { attention, .. } => attention,
        }
    }

    /// The whole layer for the rows of a group, on this thread only.
    fn group(&self, context: Context<'_>, hidden: &mut [f32]) {
        let width = self.width();
        let first = rows_of(context.sequences).start;
        let sequences = context.sequences.iter();
        let sequences: Vec<_> = sequences
            .map(|sequence| sequence.start - first..sequence.end - first)
            .collect();
        let context = Context {
            sequences: &sequences,
            ..context
        };
        let rows = hidden.len() / width;
        let block = block_of_layers(self.feed_forward.intermediate, rows);
        with_scratch(&SCRATCH, rows * 4 * width, |scratch| {
            let (joined, attended) = scratch.split_at_mut(rows * 3 * width);
            let blocks = hidden.chunks(block * width);
            for (hidden, joined) in blocks.zip(joined.chunks_mut(block * 3 * width)) {
                let input = match self.first_norm() {
                    None => hidden,
                    Some(norm) => {
                        // Its places are free until attention.
                        let normalized = &mut attended[..hidden.len()];
                        normalized.copy_from_slice(hidden);
                        layer_norm_of_block(normalized, norm);
                        normalized
                    }
                };
                linear_of_block(input, self.projections, Activation::Identity, joined);
            }
            if let Some(table) = context.rotary {
                for sequence in context.sequences {
                    let rows = &mut joined[sequence.start * 3 * width..];
                    let rows = queries_and_keys(rows, width);
                    rotary_of_sequence(rows, table, sequence.len(), Rotation::Forward);
                }
            }
            attention_by_this_thread(&self.attention(context, joined), attended);
            let blocks = attended.chunks(block * width);
            for (attended, hidden) in blocks.zip(hidden.chunks_mut(block * width)) {
                self.feed_forward.block(attended, hidden);
            }
        });
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
            sequences: context.sequences,
            heads: context.heads,
            head_size: width / context.heads,
            scale: context.scale,
            bias: context.bias,
            window: context.window,
            dropout: None,
            precision: self.projections.precision(),
        }
    }
}

/// The queries and keys of rows that hold values, too.
fn queries_and_keys(joined: &mut [f32], width: usize) -> RotaryRows<'_> {
    RotaryRows {
        values: joined,
        stride: 3 * width,
        width: 2 * width,
    }
}

/// Neighbouring sequences in groups of about `rows` rows. `None` if the shares of the threads would differ too much, or if a
/// group would be too large to keep scratch for.
fn groups(sequences: &[Range<usize>], rows: usize, threads: usize) -> Option<Vec<&[Range<usize>]>> {
    let all = rows_of(sequences).len();
    let shares = cut(sequences, threads, 1);
    let mut of_shares = shares.iter().map(|share| rows_of(share).len());
    if of_shares.any(|share| share * threads > all + all / UNEVEN) {
        return None;
    }
    let groups = |share| cut(share, rows_of(share).len() / rows, rows / 2);
    let groups: Vec<_> = shares.into_iter().flat_map(groups).collect();
    let mut of_groups = groups.iter().map(|group| rows_of(group).len());
    of_groups.all(|rows| rows <= MOST_ROWS).then_some(groups)
}

/// A share may exceed the mean by one part in this many: groups save memory, but a thread with less work waits.
const UNEVEN: usize = 32;

/// Cuts between sequences, as near as possible to `parts` parts of the same size, with at least `fewest` rows each.
fn cut(sequences: &[Range<usize>], parts: usize, fewest: usize) -> Vec<&[Range<usize>]> {
    let all = rows_of(sequences);
    let is_large = |sequences| rows_of(sequences).len() >= fewest;
    let mut cuts = vec![0];
    let mut first = 0;
    for part in 1..parts {
        let end = all.start + all.len() * part / parts;
        let cut = sequences.partition_point(|sequence| sequence.start + sequence.end <= 2 * end);
        if cut > first && is_large(&sequences[first..cut]) && is_large(&sequences[cut..]) {
            cuts.push(cut);
            first = cut;
        }
    }
    cuts.push(sequences.len());
    cuts.windows(2)
        .map(|ends| &sequences[ends[0]..ends[1]])
        .collect()
}

/// The rows of neighbouring sequences.
fn rows_of(sequences: &[Range<usize>]) -> Range<usize> {
    let first = sequences.first().map_or(0, |sequence| sequence.start);
    first..sequences.last().map_or(first, |sequence| sequence.end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::sequences_of;

    fn rows_of_groups(lengths: &[usize], rows: usize, threads: usize) -> Option<Vec<usize>> {
        let sequences = sequences_of(lengths);
        let groups = groups(&sequences, rows, threads)?;
        assert_eq!(groups.concat(), sequences, "every sequence once, in order");
        Some(
            groups
                .into_iter()
                .map(|group| rows_of(group).len())
                .collect(),
        )
    }

    #[test]
    fn groups_are_neighbours_of_about_so_many_rows() {
        assert_eq!(rows_of_groups(&[20; 10], 48, 1), Some(vec![60, 40, 60, 40]));
        assert_eq!(rows_of_groups(&[384, 384], 48, 1), Some(vec![384, 384]));
        // A few rows join their neighbours.
        assert_eq!(rows_of_groups(&[10, 300, 10], 48, 1), Some(vec![320]));
        assert_eq!(rows_of_groups(&[5], 48, 1), Some(vec![5]));
        assert_eq!(rows_of_groups(&[3, 0, 2], 48, 1), Some(vec![5]));
    }

    #[test]
    fn several_threads_get_even_shares_or_none() {
        assert_eq!(rows_of_groups(&[128; 8], 48, 2), Some(vec![128; 8]));
        assert_eq!(rows_of_groups(&[48; 6], 48, 3), Some(vec![48; 6]));
        assert_eq!(rows_of_groups(&[48; 6], 48, 4), None);
        assert_eq!(rows_of_groups(&[200; 5], 48, 2), None);
        assert_eq!(rows_of_groups(&[100, 300], 48, 2), None);
        assert!(rows_of_groups(&[7; 400], 48, 3).is_some());
        // None is of the empty sequence alone.
        let lengths = [[25; 16].as_slice(), &[0], &[25; 16]].concat();
        let groups = rows_of_groups(&lengths, 48, 33);
        assert!(groups.is_none_or(|groups| groups.iter().all(|&rows| rows > 0)));
    }

    #[test]
    fn no_memory_is_kept_for_a_sequence_without_an_end() {
        assert_eq!(rows_of_groups(&[MOST_ROWS], 48, 1), Some(vec![MOST_ROWS]));
        assert_eq!(rows_of_groups(&[MOST_ROWS + 1, 3], 48, 1), None);
    }
}
