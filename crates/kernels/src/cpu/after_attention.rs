//! What follows attention in a layer, block by block.
//!
//! # Strategy
//!
//! All of it is made of rows: each of the three dense layers and both normalisations take a row and give one. So a block
//! of rows passes through all of them before the next one begins, and what it is in between stays in the second-level
//! cache. Layer by layer a batch of some thousand tokens would write tens of megabytes to memory (its
//! intermediate rows are four times as wide as the others) and read them again, and wait five times for the slower
//! thread instead of once.
//!
//! With a few rows every dense layer is shared out by its weights instead.

use std::cell::Cell;

use rayon::prelude::*;

use super::layer_norm::{NormParameters, add_layer_norm, add_layer_norm_of_block};
use super::linear::{Activation, linear, linear_of_block, rows_of_blocks};
use super::panels::PackedLinear;

/// The weights of a layer but for those before its attention.
#[derive(Clone, Copy, Debug)]
pub struct AfterAttention<'a> {
    /// `[width, width]`.
    pub attention_output: &'a PackedLinear,
    /// Of `width`.
    pub attention_norm: NormParameters<'a>,
    /// `[width, intermediate]`.
    pub intermediate: &'a PackedLinear,
    /// `[intermediate, width]`.
    pub output: &'a PackedLinear,
    /// Of `width`.
    pub output_norm: NormParameters<'a>,
}

/// With `x = attention_norm(attended * attention_output + hidden)`: `output_norm(gelu(x * intermediate) * output + x)`,
/// in the place of `hidden`.
///
/// `attended` and `hidden` hold rows of `width` floats.
///
/// # Panics
///
/// When the lengths do not fit each other.
pub fn after_attention(attended: &[f32], hidden: &mut [f32], layer: &AfterAttention<'_>) {
    let width = layer.width();
    assert_eq!(attended.len(), hidden.len(), "attended and hidden");
    assert_eq!(hidden.len() % width.max(1), 0, "whole rows");
    if hidden.is_empty() {
        return;
    }
    let rows = hidden.len() / width;
    let Some(block) = rows_of_blocks(layer.intermediate, rows) else {
        return layer.pass(attended, hidden, linear, add_layer_norm);
    };
    attended
        .par_chunks(block * width)
        .zip(hidden.par_chunks_mut(block * width))
        .for_each(|(attended, hidden)| {
            layer.pass(attended, hidden, linear_of_block, add_layer_norm_of_block);
        });
}

impl AfterAttention<'_> {
    /// Of a row, after it was seen that all fit each other.
    fn width(&self) -> usize {
        let width = self.attention_output.input();
        let inner = self.intermediate.output();
        assert_eq!(self.attention_output.output(), width, "attention's output");
        assert_eq!(self.intermediate.input(), width, "intermediate's input");
        assert_eq!(self.output.input(), inner, "output's input");
        assert_eq!(self.output.output(), width, "output's output");
        for norm in [self.attention_norm, self.output_norm] {
            assert_eq!(norm.scale.len(), width, "scale");
            assert_eq!(norm.shift.len(), width, "shift");
        }
        width
    }

    /// All of it for some rows.
    fn pass(
        &self,
        attended: &[f32],
        hidden: &mut [f32],
        dense: impl Fn(&[f32], &PackedLinear, Activation, &mut [f32]),
        add_and_normalize: impl Fn(&mut [f32], &[f32], NormParameters<'_>),
    ) {
        let rows = hidden.len() / self.attention_output.input();
        let between = rows * self.intermediate.output();
        with_floats(hidden.len() + between, |floats| {
            let (normalized, between) = floats.split_at_mut(hidden.len());
            dense(
                attended,
                self.attention_output,
                Activation::Identity,
                normalized,
            );
            add_and_normalize(normalized, hidden, self.attention_norm);
            dense(normalized, self.intermediate, Activation::Gelu, between);
            dense(between, self.output, Activation::Identity, hidden);
            add_and_normalize(hidden, normalized, self.output_norm);
        });
    }
}

thread_local! {
    static FLOATS: Cell<Vec<f32>> = const { Cell::new(Vec::new()) };
}

/// Does `work` with `count` floats, which hold anything. Their memory is kept for the thread's next call.
fn with_floats(count: usize, work: impl FnOnce(&mut [f32])) {
    // Taken, not borrowed: while a thread of rayon waits inside `work`, it may come here again.
    let mut floats = FLOATS.take();
    if floats.len() < count {
        floats.resize(count, 0.0);
    }
    work(&mut floats[..count]);
    FLOATS.set(floats);
}
