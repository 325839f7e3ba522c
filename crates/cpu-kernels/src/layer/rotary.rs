//! Rotary position embeddings: pairs of columns of queries and keys, rotated by an angle that grows with the position (Su et
//! al., "RoFormer", 2021), so that their products depend on the distance of two tokens.
//!
//! The two columns of a pair are half a head apart (GPT-NeoX; `rotate_half` in transformers).

use std::ops::Range;
use std::sync::Arc;

use pulp::Simd;
use rayon::prelude::*;

use crate::simd::arch::{Vectorized, dispatch};

/// The sines and cosines of rotary position embeddings, for every position and pair of columns.
///
/// Cheap to clone.
#[derive(Clone, Debug)]
pub struct RotaryTable(Arc<Table>);

#[derive(Debug)]
struct Table {
    /// `[position][pair]`.
    cosines: Vec<f32>,
    /// As the cosines.
    sines: Vec<f32>,
    pairs: usize,
}

impl RotaryTable {
    /// For heads of `head_size` columns and positions below `positions`: pair `i` of position `p` is rotated by
    /// `p * base^(-2 i / head_size)`.
    ///
    /// As in transformers, frequencies and angles are rounded to float32, which matters for large positions.
    ///
    /// # Panics
    ///
    /// When `head_size` is odd.
    #[must_use]
    pub fn new(head_size: usize, base: f64, positions: usize) -> Self {
        assert!(head_size.is_multiple_of(2), "pairs of columns");
        let pairs = head_size / 2;
        let frequencies: Vec<f32> = (0..pairs)
            .map(|pair| {
                let exponent = (2 * pair) as f32 / head_size as f32;
                1.0 / base.powf(f64::from(exponent)) as f32
            })
            .collect();
        let angles: Vec<f64> = (0..positions)
            .flat_map(|position| {
                let angle = move |frequency: &f32| f64::from(position as f32 * frequency);
                frequencies.iter().map(angle)
            })
            .collect();
        Self(Arc::new(Table {
            cosines: angles.iter().map(|angle| angle.cos() as f32).collect(),
            sines: angles.iter().map(|angle| angle.sin() as f32).collect(),
            pairs,
        }))
    }

    /// Columns of a head.
    #[must_use]
    pub fn head_size(&self) -> usize {
        2 * self.0.pairs
    }

    /// The number of positions.
    #[must_use]
    pub fn positions(&self) -> usize {
        self.0.cosines.len() / self.0.pairs.max(1)
    }

    /// The cosines of every position and pair: `[positions, head_size / 2]`, row-major.
    #[must_use]
    pub fn cosines(&self) -> &[f32] {
        &self.0.cosines
    }

    /// The sines, as [`cosines`](Self::cosines).
    #[must_use]
    pub fn sines(&self) -> &[f32] {
        &self.0.sines
    }
}

/// Which way rows are rotated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rotation {
    /// By the angles.
    Forward,
    /// By the opposite angles: the gradient of a rotation.
    Backward,
}

/// Rows of a matrix that are `stride` floats apart, whose first `width` columns are heads.
#[derive(Debug)]
pub struct RotaryRows<'a> {
    /// All rows, from the first float of the first one on.
    pub values: &'a mut [f32],
    /// Distance of two rows, in floats.
    pub stride: usize,
    /// Columns to rotate, of whole heads.
    pub width: usize,
}

/// Rotates every head of every row by the angles of its position, which is counted from the start of its sequence.
///
/// `sequences` are the rows of each sequence, one after another from row 0 on.
///
/// # Panics
///
/// When a sequence has more rows than `table` has positions, `width` is not of whole heads or larger than `stride`, or
/// `values` does not hold all rows.
pub fn rotary(
    rows: RotaryRows<'_>,
    table: &RotaryTable,
    sequences: &[Range<usize>],
    rotation: Rotation,
) {
    let RotaryRows {
        mut values,
        stride,
        width,
    } = rows;
    let mut parts = Vec::with_capacity(sequences.len());
    for sequence in sequences {
        let (part, behind) = values.split_at_mut((sequence.len() * stride).min(values.len()));
        parts.push((part, sequence.len()));
        values = behind;
    }
    parts.into_par_iter().for_each(|(values, length)| {
        let rows = RotaryRows {
            values,
            stride,
            width,
        };
        rotary_of_sequence(rows, table, length, rotation);
    });
}

/// As [`rotary`], for the first `length` rows, of one sequence, on this thread only.
pub(crate) fn rotary_of_sequence(
    rows: RotaryRows<'_>,
    table: &RotaryTable,
    length: usize,
    rotation: Rotation,
) {
    let (positions, head_size) = (table.positions(), table.head_size());
    assert!(
        length <= positions,
        "an angle for each of {length} positions"
    );
    let RotaryRows { stride, width, .. } = rows;
    assert!(
        width <= stride && width.is_multiple_of(head_size.max(1)),
        "whole heads"
    );
    dispatch(Rotate {
        rows,
        table: &table.0,
        length,
        rotation,
    });
}

struct Rotate<'a> {
    rows: RotaryRows<'a>,
    table: &'a Table,
    length: usize,
    rotation: Rotation,
}

impl Vectorized for Rotate<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd, const ROWS: usize>(self, _: S) {
        let Self { rows, table, .. } = self;
        let pairs = table.pairs;
        if pairs == 0 {
            return;
        }
        let sign = match self.rotation {
            Rotation::Forward => 1.0,
            Rotation::Backward => -1.0,
        };
        for position in 0..self.length {
            let row = &mut rows.values[position * rows.stride..][..rows.width];
            let cosines = &table.cosines[position * pairs..][..pairs];
            let sines = &table.sines[position * pairs..][..pairs];
            for head in row.chunks_exact_mut(2 * pairs) {
                let (first, second) = head.split_at_mut(pairs);
                let columns = first.iter_mut().zip(second);
                for ((first, second), (cosine, sine)) in columns.zip(cosines.iter().zip(sines)) {
                    let (x, y, sine) = (*first, *second, sign * sine);
                    *first = x * cosine - y * sine;
                    *second = y * cosine + x * sine;
                }
            }
        }
    }
}
