//! What follows a micro-kernel, panel by panel from the first-level cache: activations other than GELU, and the products of
//! gated panels.
//!
//! # Strategy
//!
//! A micro-kernel's own [epilogue](super::micro_kernel::epilogue) has GELU alone, in registers. With the code of all
//! activations in it, for every height of a micro-panel, the compiler made all linear layers slower, up to 7 % with GELU. So
//! the micro-kernels compute one panel for all rows of a block, and this pass finishes it before the next panel. Its sums
//! take some KiB; it costs a few loads and stores next to hundreds of products for each number.
//!
//! The sums of a gated panel are twice as many as its outputs, and go to scratch.

use std::cell::Cell;
use std::ops::Range;

use pulp::Simd;

use crate::activation::Activation;
use crate::columns::Arrangement;
use crate::schedule::Layer;
use crate::scratch::with_scratch;
use crate::simd::arch::{Vectorized, dispatch};
use crate::simd::reduce::LANES;

thread_local! {
    /// Scratch for the sums of a gated panel.
    static SUMS: Cell<Vec<f32>> = const { Cell::new(Vec::new()) };
}

impl<'a> Layer<'a> {
    /// The layer with what its micro-kernels do in registers: all of it, or sums and bias alone.
    pub(crate) fn in_registers(self) -> Self {
        match (self.arrangement, self.activation) {
            (Arrangement::InOrder, Activation::Identity | Activation::Gelu) => self,
            _ => Self {
                activation: Activation::Identity,
                ..self
            },
        }
    }

    /// Computes the panels of `range`. `multiply` computes some panels by micro-kernels: it gets the layer, the panels,
    /// their columns, and these columns of every row. `columns` are those of the output.
    pub(crate) fn in_panels(
        self,
        range: Range<usize>,
        columns: Range<usize>,
        output: &mut [&mut [f32]],
        mut multiply: impl FnMut(Self, Range<usize>, Range<usize>, &mut [&mut [f32]]),
    ) {
        let (width, stored) = (self.width, self.arrangement.stored(self.width));
        let layer = self.in_registers();
        match self.arrangement {
            Arrangement::InOrder if layer.activation == self.activation => {
                multiply(layer, range, columns, output);
            }
            Arrangement::InOrder => {
                for panel in range {
                    let first = panel * stored - columns.start;
                    let of_panel = first..columns.len().min(first + stored);
                    multiply(layer, panel..panel + 1, columns.clone(), output);
                    dispatch(Activate {
                        activation: self.activation,
                        columns: of_panel,
                        output: &mut *output,
                    });
                }
            }
            Arrangement::Gated => with_scratch(&SUMS, output.len() * width, |sums| {
                for panel in range {
                    let first = panel * stored - columns.start;
                    let of_panel = first..columns.len().min(first + stored);
                    let mut rows: Vec<_> = sums.chunks_exact_mut(width).collect();
                    let all = panel * width..(panel + 1) * width;
                    multiply(layer, panel..panel + 1, all, &mut rows);
                    dispatch(Gate {
                        activation: self.activation,
                        sums,
                        width,
                        columns: of_panel,
                        output: &mut *output,
                    });
                }
            }),
        }
    }
}

/// Applies an activation to some columns of all rows.
struct Activate<'a, 'b> {
    activation: Activation,
    columns: Range<usize>,
    output: &'a mut [&'b mut [f32]],
}

impl Vectorized for Activate<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd, const ROWS: usize>(self, _: S) {
        for row in self.output {
            // Of a length that the compiler knows.
            let (whole, rest) = row[self.columns.clone()].as_chunks_mut::<LANES>();
            for values in whole {
                self.activation.apply(values);
            }
            if !rest.is_empty() {
                let mut values = [0.0; LANES];
                values[..rest.len()].copy_from_slice(rest);
                self.activation.apply(&mut values);
                rest.copy_from_slice(&values[..rest.len()]);
            }
        }
    }
}

/// Applies an activation to the first halves of rows of sums, and multiplies these with the second halves.
struct Gate<'a, 'b> {
    activation: Activation,
    sums: &'a mut [f32],
    /// Sums of a row.
    width: usize,
    columns: Range<usize>,
    output: &'a mut [&'b mut [f32]],
}

impl Vectorized for Gate<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd, const ROWS: usize>(self, _: S) {
        let rows = self.sums.chunks_exact_mut(self.width);
        for (sums, output) in rows.zip(self.output) {
            let (gates, factors) = sums.split_at_mut(self.width / 2);
            let (whole, rest) = gates.as_chunks_mut::<LANES>();
            for gates in whole {
                self.activation.apply(gates);
            }
            self.activation.apply(rest);
            let output = &mut output[self.columns.clone()];
            for ((output, gate), factor) in output.iter_mut().zip(gates).zip(factors) {
                *output = *gate * *factor;
            }
        }
    }
}
