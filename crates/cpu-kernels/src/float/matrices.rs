//! Weight matrices before packing: linear layers side by side, which share their input.
//!
//! They are read in place, in either order: joined or transposed first, they would be in memory twice while a model loads.
//! Packing reads small [blocks](Matrices::copy_block) of whole cache lines.

use std::ops::Range;

use crate::columns::Arrangement;

/// The order of a matrix's weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// `[input, output]`, row-major, as in burn.
    ByInput,
    /// `[output, input]`, row-major, as in a PyTorch checkpoint.
    ByOutput,
}

/// Matrices whose outputs follow each other, each with its bias.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Matrices<'a> {
    layers: &'a [(&'a [f32], &'a [f32])],
    order: Order,
    arrangement: Arrangement,
    input: usize,
}

impl<'a> Matrices<'a> {
    /// The matrices of `layers`, a weight and a bias each.
    ///
    /// # Panics
    ///
    /// When the matrices differ in their inputs, or a bias does not fit its matrix.
    pub(crate) fn new(layers: &'a [(&'a [f32], &'a [f32])], order: Order) -> Self {
        let input = match layers.first() {
            Some((weight, bias)) if !bias.is_empty() => weight.len() / bias.len(),
            _ => 0,
        };
        for (weight, bias) in layers {
            assert_eq!(weight.len(), input * bias.len(), "a matrix and its bias");
        }
        Self {
            layers,
            order,
            arrangement: Arrangement::InOrder,
            input,
        }
    }

    /// Both matrices of a gated layer, the activated one first.
    ///
    /// # Panics
    ///
    /// As [`new`](Self::new), and when they differ in their outputs.
    pub(crate) fn gated(layers: &'a [(&'a [f32], &'a [f32]); 2], order: Order) -> Self {
        let [(_, first), (_, second)] = layers;
        assert_eq!(first.len(), second.len(), "halves of a gated layer");
        Self {
            arrangement: Arrangement::Gated,
            ..Self::new(layers, order)
        }
    }

    /// The weights and the bias of each layer.
    pub(crate) fn layers(self) -> &'a [(&'a [f32], &'a [f32])] {
        self.layers
    }

    pub(crate) fn order(self) -> Order {
        self.order
    }

    /// Width of the input rows.
    pub(crate) fn input(self) -> usize {
        self.input
    }

    /// Columns of all matrices.
    pub(crate) fn columns(self) -> usize {
        self.layers.iter().map(|(_, bias)| bias.len()).sum()
    }

    pub(crate) fn arrangement(self) -> Arrangement {
        self.arrangement
    }

    /// The bias of every column, one after another.
    pub(crate) fn bias(self) -> Vec<f32> {
        self.layers
            .iter()
            .flat_map(|(_, bias)| *bias)
            .copied()
            .collect()
    }

    /// Copies the weights of some inputs for a panel of `width` columns: `[inputs.len(), width]`, row-major. Places without
    /// a column keep their value.
    ///
    /// For a few cache lines of inputs, it reads each line once in either order.
    #[inline(always)]
    pub(crate) fn copy_block(
        self,
        inputs: Range<usize>,
        panel: usize,
        block: &mut [f32],
        width: usize,
    ) {
        for (columns, place) in self.arrangement.parts(panel, self.columns(), width) {
            self.copy_columns(inputs.clone(), columns, &mut block[place..], width);
        }
    }

    /// Copies the weights of some inputs for some columns to the beginnings of rows of `width`.
    #[inline(always)]
    fn copy_columns(
        self,
        inputs: Range<usize>,
        columns: Range<usize>,
        block: &mut [f32],
        width: usize,
    ) {
        let Range { start: first, end } = columns;
        let mut start = 0;
        for (weight, bias) in self.layers {
            let outputs = bias.len();
            let (from, to) = (first.max(start), end.min(start + outputs));
            if from < to {
                let (place, column, count) = (from - first, from - start, to - from);
                match self.order {
                    Order::ByInput => {
                        let rows = block.chunks_mut(width);
                        for (row, depth) in rows.zip(inputs.clone()) {
                            let source = &weight[depth * outputs + column..][..count];
                            row[place..][..count].copy_from_slice(source);
                        }
                    }
                    Order::ByOutput => {
                        let sources = weight[column * self.input..].chunks_exact(self.input);
                        for (place, source) in (place..place + count).zip(sources) {
                            let places = block[place..].iter_mut().step_by(width);
                            for (place, value) in places.zip(&source[inputs.clone()]) {
                                *place = *value;
                            }
                        }
                    }
                }
            }
            start += outputs;
        }
    }
}
