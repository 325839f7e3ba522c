//! A scan of int8 rows: which of them may have a product with a query that reaches a threshold.
//!
//! # Strategy
//!
//! The rows that are searched are the weights of a linear layer, and queries are its inputs: one read of the rows serves
//! all queries. The products are not stored. While they are in registers, each is compared with the threshold of its query,
//! and only the few that may reach it go to the caller.
//!
//! # The bound
//!
//! A row `x` has the codes `x'`, and the caller knows `|x - x'|` (the residual) and `|x'|`. A query `q` is quantized to
//! `q'`. Then `q x - q' x' = q (x - x') + (q - q') x'`, which by Cauchy and Schwarz is at most
//! `|q| |x - x'| + |q - q'| |x'|`: the margin. [`ScanQueries`] adds to it what rounding can add.

use std::ops::Range;
use std::sync::atomic::{AtomicU32, Ordering};

use pulp::Simd;
use rayon::prelude::*;

use super::dot_product::{self, DotProduct, WithDotProduct};
use super::implementation::Implementation;
use super::matrix::Int8Matrix;
use super::panels::{Columns, Int8Panels};
use super::rows::{MicroPanel, QuantizedRows};
use crate::float::micro_kernel::{floats, load};
use crate::prefetch::Prefetch;
use crate::simd::arch::{REGISTERS, WIDEST};

/// Half a unit in the last place of 1: the relative error of a rounding to float32.
const ROUNDING: f64 = 1.0 / (1 << 24) as f64;

/// int8 rows, packed for scans, with the bounds of each.
#[derive(Debug)]
pub struct CodeRows {
    panels: Int8Panels,
    /// Filled up with 0 to whole panels, as the panels are.
    residuals: Vec<f32>,
    lengths: Vec<f32>,
    rows: usize,
    width: usize,
}

/// What is known of a row of codes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CodeRow {
    /// The value of 1.
    pub scale: f32,
    /// At least the length of the row less its dequantized codes; infinite if the codes say nothing.
    pub residual: f32,
    /// At least the length of the dequantized codes.
    pub length: f32,
}

impl CodeRows {
    /// The largest width whose sums fit 32 bits.
    pub const MAX_WIDTH: usize = Int8Matrix::MAX_INPUTS;

    /// Packs codes `[rows, width]`, row-major.
    ///
    /// # Panics
    ///
    /// When `codes` does not hold as many rows of `width` codes, or `width` is 0 or above [`MAX_WIDTH`](Self::MAX_WIDTH).
    #[must_use]
    pub fn pack(codes: &[i8], width: usize, rows: &[CodeRow]) -> Self {
        assert!((1..=Self::MAX_WIDTH).contains(&width), "sums of 32 bits");
        assert_eq!(
            Some(codes.len()),
            rows.len().checked_mul(width),
            "whole rows"
        );
        let of_rows: Vec<&[i8]> = codes.chunks_exact(width).collect();
        Self::pack_for(Implementation::best(&of_rows), &of_rows, width, rows)
    }

    fn pack_for(
        implementation: Implementation,
        of_rows: &[&[i8]],
        width: usize,
        rows: &[CodeRow],
    ) -> Self {
        let sum = |row: &&[i8]| row.iter().map(|code| i32::from(*code)).sum::<i32>();
        let padded = rows.len().next_multiple_of(implementation.layout().0);
        let column = |number: fn(&CodeRow) -> f32| {
            let mut numbers: Vec<f32> = rows.iter().map(number).collect();
            numbers.resize(padded, 0.0);
            numbers
        };
        let mut weight_sums: Vec<i32> = of_rows.par_iter().map(sum).collect();
        weight_sums.resize(padded, 0);
        let columns = Columns {
            scales: column(|row| row.scale),
            weight_sums,
        };
        Self {
            panels: Int8Panels::pack_columns(implementation, columns, of_rows, width),
            residuals: column(|row| row.residual),
            lengths: column(|row| row.length),
            rows: rows.len(),
            width,
        }
    }

    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Codes of a row.
    #[must_use]
    pub fn width(&self) -> usize {
        self.width
    }

    /// Rows of a panel, at most 32. The rows of panel `i` begin with `i` times this number.
    #[must_use]
    pub fn panel_rows(&self) -> usize {
        self.panels.width()
    }

    /// Number of panels.
    #[must_use]
    pub fn panels(&self) -> usize {
        self.rows.div_ceil(self.panel_rows())
    }

    /// Memory, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let bounds = size_of_val(self.residuals.as_slice()) + size_of_val(self.lengths.as_slice());
        self.panels.bytes() + bounds
    }

    /// What is known of row `index`, and its codes, which go to `codes`.
    ///
    /// # Panics
    ///
    /// When there is no such row, or `codes` is longer than a row.
    pub fn unpack(&self, index: usize, codes: &mut [i8]) -> CodeRow {
        assert!(index < self.rows && codes.len() <= self.width, "a row");
        self.panels.unpack_row(index, codes);
        CodeRow {
            scale: self.panels.columns.scales[index],
            residual: self.residuals[index],
            length: self.lengths[index],
        }
    }

    /// Multiplies the rows of some panels with all queries, and calls `found` for a query and a panel in which a bound
    /// reaches the threshold of the query.
    ///
    /// A threshold holds the bits of a float32 and may rise meanwhile. `wanted` has, for every panel of the whole matrix,
    /// a bit for each of its rows, the lowest for the first: rows without are passed over.
    ///
    /// # Panics
    ///
    /// When `panels` has others than [`panels`](Self::panels), or `thresholds` or `wanted` are too few.
    pub fn scan(
        &self,
        queries: &ScanQueries,
        thresholds: &[AtomicU32],
        panels: Range<usize>,
        wanted: Option<&[u32]>,
        found: &mut dyn FnMut(Reached<'_>),
    ) {
        assert_eq!(queries.width, self.width, "rows and queries");
        assert!(panels.end <= self.panels(), "panels");
        assert!(queries.len() <= thresholds.len(), "a threshold a query");
        self.panels.implementation.dispatch(Scan {
            rows: self,
            queries,
            thresholds,
            panels,
            wanted,
            found,
        });
    }
}

/// Quantized queries, and the coefficients of their margins.
pub struct ScanQueries {
    rows: QuantizedRows,
    margins: Vec<Margin>,
    width: usize,
}

/// The margin of a query is `residual * (residual of the row) + length * (length of the row)`.
#[derive(Clone, Copy)]
struct Margin {
    residual: f32,
    length: f32,
}

impl ScanQueries {
    /// Quantizes queries `[n, width]`, row-major, for a scan of `rows`.
    ///
    /// The margins also cover an error of `slack * |query| * |row|` of the product that the caller computes later, and all
    /// roundings of the scan, if the lengths of the query and of the rows with finite residuals are 0 or in
    /// `[2^-40, 2^40]`. A query of length 0 is not allowed.
    ///
    /// # Panics
    ///
    /// When `queries` does not hold whole rows.
    #[must_use]
    pub fn quantize(rows: &CodeRows, queries: &[f32], slack: f64) -> Self {
        assert_eq!(queries.len() % rows.width, 0, "whole rows");
        let quantized = rows.panels.implementation.dispatch(Quantize {
            queries,
            width: rows.width,
        });
        let mut margins = Vec::with_capacity(queries.len() / rows.width);
        for &micro_panel in quantized.micro_panels() {
            for row in micro_panel.first_row..micro_panel.first_row + micro_panel.height {
                let query = &queries[row * rows.width..][..rows.width];
                let scale = f64::from(quantized.scale(row));
                let number = |place| f64::from(quantized.number(micro_panel, row, place));
                margins.push(Margin::new(query, |place| scale * number(place), slack));
            }
        }
        Self {
            rows: quantized,
            margins,
            width: rows.width,
        }
    }

    /// Number of queries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.margins.len()
    }

    /// Whether there is no query.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.margins.is_empty()
    }
}

impl Margin {
    fn new(query: &[f32], dequantized: impl Fn(usize) -> f64, slack: f64) -> Self {
        let (mut square, mut square_of_error) = (0.0, 0.0);
        for (place, value) in query.iter().enumerate() {
            let value = f64::from(*value);
            square += value * value;
            square_of_error += (value - dequantized(place)).powi(2);
        }
        let (length, error): (f64, f64) = (square.sqrt(), square_of_error.sqrt());
        // The product is rounded three times and once more where the margin is added: at most 5 roundings of
        // `|q'| |x'|` with their products, for which 8 stand. The row itself is at most `|x'| + |x - x'|` long.
        let of_length = error + 8.0 * ROUNDING * (length + error) + slack * length;
        // The coefficients are rounded once, the margin three times, and `bound` once: 16 stand for 5.
        let up = 1.0 + 16.0 * ROUNDING;
        Self {
            residual: (length * (1.0 + slack) * up) as f32,
            length: (of_length * up) as f32,
        }
    }
}

/// A panel in which the bounds of some rows reach the threshold of a query.
#[derive(Debug)]
pub struct Reached<'a> {
    /// The query, from 0.
    pub query: usize,
    /// The first row of the panel.
    pub first_row: usize,
    /// A bit for each row of the panel whose bound reaches the threshold, the lowest for the first.
    pub rows: u32,
    /// The approximate products of all rows of the panel.
    pub products: &'a [f32],
    /// The margins: a product is at least its approximation less the margin, and at most their sum.
    pub margins: &'a [f32],
}

struct Quantize<'a> {
    queries: &'a [f32],
    width: usize,
}

impl WithDotProduct for Quantize<'_> {
    type Output = QuantizedRows;

    #[inline(always)]
    fn run<D: DotProduct, const ROWS: usize>(self, dot: D) -> QuantizedRows {
        QuantizedRows::quantize(dot.simd(), self.queries, self.width, ROWS, D::WIDTH)
    }
}

struct Scan<'a> {
    rows: &'a CodeRows,
    queries: &'a ScanQueries,
    thresholds: &'a [AtomicU32],
    panels: Range<usize>,
    wanted: Option<&'a [u32]>,
    found: &'a mut dyn FnMut(Reached<'_>),
}

impl WithDotProduct for Scan<'_> {
    type Output = ();

    #[inline(always)]
    fn run<D: DotProduct, const ROWS: usize>(mut self, dot: D) {
        let size = self.rows.panels.panel_bytes();
        for panel in self.panels.clone() {
            let wanted = self.wanted_of::<D>(panel);
            if wanted == 0 {
                continue;
            }
            let (codes, rest) = self.rows.panels.weights[panel * size..].split_at(size);
            let next = &rest[..size.min(rest.len())];
            let in_row = D::WIDTH.size() * REGISTERS * D::LANES;
            let micro_panels = self.queries.rows.micro_panels();
            for (index, &micro_panel) in micro_panels.iter().enumerate() {
                let ahead = Prefetch::share(next, in_row, index, micro_panels.len());
                macro_rules! micro_kernel_of {
                    ($($rows:literal)*) => {
                        match micro_panel.height {
                            $($rows => self.micro_kernel::<D, $rows>(dot, micro_panel, panel, codes, wanted, ahead),)*
                            _ => self.micro_kernel::<D, ROWS>(dot, micro_panel, panel, codes, wanted, ahead),
                        }
                    };
                }
                micro_kernel_of!(1 2 3 4 5 6 7 8 9 10 11);
            }
        }
    }
}

impl Scan<'_> {
    /// The rows of a panel that are there and wanted, as bits.
    fn wanted_of<D: DotProduct>(&self, panel: usize) -> u32 {
        let width = REGISTERS * D::LANES;
        let there = (self.rows.rows - panel * width).min(width);
        let all = u32::MAX >> (u32::BITS as usize - there);
        self.wanted.map_or(all, |wanted| all & wanted[panel])
    }

    #[inline(always)]
    fn micro_kernel<D: DotProduct, const ROWS: usize>(
        &mut self,
        dot: D,
        micro_panel: MicroPanel,
        panel: usize,
        codes: &[i8],
        wanted: u32,
        ahead: Prefetch<'_>,
    ) {
        let width = REGISTERS * D::LANES;
        let columns = &self.rows.panels.columns;
        let sums = dot_product::multiply::<D, ROWS>(
            dot,
            self.queries.rows.groups(micro_panel),
            self.queries.rows.zero_points(micro_panel),
            codes,
            &columns.weight_sums[panel * width..][..width],
            ahead,
        );
        let of_panel = |numbers: &[f32]| load::<D::Simd>(&numbers[panel * width..][..width]);
        let scales = of_panel(&columns.scales);
        let residuals = of_panel(&self.rows.residuals);
        let lengths = of_panel(&self.rows.lengths);
        let simd = dot.simd();
        for (row, sums) in sums.iter().enumerate() {
            let query = micro_panel.first_row + row;
            let threshold = f32::from_bits(self.thresholds[query].load(Ordering::Relaxed));
            let margin = self.queries.margins[query];
            let query_scale = simd.splat_f32s(self.queries.rows.scale(query));
            let of_residual = simd.splat_f32s(margin.residual);
            let of_length = simd.splat_f32s(margin.length);
            let margins: [_; REGISTERS] = std::array::from_fn(|register| {
                let of_length = simd.mul_f32s(of_length, lengths[register]);
                simd.mul_add_f32s(of_residual, residuals[register], of_length)
            });
            let products: [_; REGISTERS] = std::array::from_fn(|register| {
                // In this order the product of the two scales cannot underflow.
                let sums = simd.mul_f32s(dot.floats(sums[register]), scales[register]);
                simd.mul_f32s(sums, query_scale)
            });
            let bounds: [_; REGISTERS] = std::array::from_fn(|register| {
                simd.add_f32s(products[register], margins[register])
            });
            let bounds = floats::<D::Simd>(&bounds);
            let reached = bounds
                .iter()
                .fold(false, |any, bound| any | (*bound >= threshold));
            if reached {
                let bits = bounds.iter().enumerate().fold(0, |bits, (place, bound)| {
                    bits | (u32::from(*bound >= threshold) << place)
                });
                if bits & wanted != 0 {
                    report(
                        self.found,
                        Reached {
                            query,
                            first_row: panel * width,
                            rows: bits & wanted,
                            products: floats::<D::Simd>(&products),
                            margins: floats::<D::Simd>(&margins),
                        },
                    );
                }
            }
        }
    }
}

/// Out of line: the registers of the loop are not for the rare case.
#[cold]
#[inline(never)]
fn report(found: &mut dyn FnMut(Reached<'_>), reached: Reached<'_>) {
    found(reached);
}

// A bit for each row of the widest panel.
const _: () = assert!(WIDEST <= u32::BITS as usize);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::tests::numbers;

    fn quantized(row: &[f32]) -> (Vec<i8>, CodeRow) {
        let largest = row
            .iter()
            .fold(0.0f32, |largest, value| largest.max(value.abs()));
        let scale = largest / 127.0;
        let codes: Vec<i8> = row
            .iter()
            .map(|value| (value / scale).round() as i8)
            .collect();
        let length = |numbers: Vec<f64>| {
            let squares = numbers.iter().map(|number| number * number);
            (squares.sum::<f64>().sqrt() * 1.000_001) as f32
        };
        let dequantized = |code: &i8| f64::from(*code) * f64::from(scale);
        let pairs = row.iter().zip(&codes);
        let row = CodeRow {
            scale,
            residual: length(
                pairs
                    .map(|(value, code)| f64::from(*value) - dequantized(code))
                    .collect(),
            ),
            length: length(codes.iter().map(dequantized).collect()),
        };
        (codes, row)
    }

    fn product(one: &[f32], other: &[f32]) -> f64 {
        let pairs = one.iter().zip(other);
        pairs
            .map(|(one, other)| f64::from(*one) * f64::from(*other))
            .sum()
    }

    /// Rows with their codes, and queries.
    struct Case {
        width: usize,
        values: Vec<f32>,
        queries: Vec<f32>,
        codes: Vec<Vec<i8>>,
        rows: Vec<CodeRow>,
    }

    impl Case {
        fn new(width: usize, count: usize, queries: usize, seed: u64) -> Self {
            let values = numbers(count * width, seed, 1.0);
            let (codes, rows) = values.chunks_exact(width).map(quantized).unzip();
            let queries = numbers(queries * width, seed ^ 1, 3.0);
            Self {
                width,
                values,
                queries,
                codes,
                rows,
            }
        }

        fn packed(&self) -> Vec<CodeRows> {
            let codes: Vec<&[i8]> = self.codes.iter().map(Vec::as_slice).collect();
            let all = Implementation::all(&codes).into_iter();
            all.map(|one| CodeRows::pack_for(one, &codes, self.width, &self.rows))
                .collect()
        }

        /// Whether each row was found for each query; every product of these is within its margin.
        fn scan(&self, rows: &CodeRows, threshold: f32, wanted: Option<&[u32]>) -> Vec<Vec<bool>> {
            let queries = ScanQueries::quantize(rows, &self.queries, 0.0);
            let thresholds: Vec<AtomicU32> = (0..queries.len())
                .map(|_| AtomicU32::new(threshold.to_bits()))
                .collect();
            let mut found = vec![vec![false; rows.len()]; queries.len()];
            let mut report = |reached: Reached<'_>| {
                let query = &self.queries[reached.query * self.width..][..self.width];
                for place in (0..rows.panel_rows()).filter(|place| reached.rows >> place & 1 == 1) {
                    let row = reached.first_row + place;
                    found[reached.query][row] = true;
                    let exact = product(&self.values[row * self.width..][..self.width], query);
                    let difference = exact - f64::from(reached.products[place]);
                    let margin = f64::from(reached.margins[place]);
                    assert!(difference.abs() <= margin, "{difference} {margin}");
                }
            };
            rows.scan(&queries, &thresholds, 0..rows.panels(), wanted, &mut report);
            found
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        /// All rows whose product reaches the threshold are found, among the wanted ones.
        #[test]
        fn products_are_within_their_margins(
            width in 1usize..300, count in 1usize..100, queries in 1usize..30, seed in any::<u64>(), masked in any::<bool>(),
        ) {
            let case = Case::new(width, count, queries, seed);
            let mask = 0x5a5a_a5a5u32;
            for rows in case.packed() {
                let wanted = vec![mask; rows.panels()];
                for threshold in [f32::NEG_INFINITY, 0.5] {
                    let found = case.scan(&rows, threshold, masked.then_some(&wanted[..]));
                    for (query, found) in case.queries.chunks_exact(width).zip(found) {
                        for (index, found) in found.into_iter().enumerate() {
                            let in_mask = !masked || mask >> (index % rows.panel_rows()) & 1 == 1;
                            let row = &case.values[index * width..][..width];
                            prop_assert!(in_mask || !found);
                            prop_assert!(found || !in_mask || product(query, row) < f64::from(threshold));
                        }
                    }
                }
            }
        }

        #[test]
        fn codes_are_unpacked_as_they_were_packed(width in 1usize..100, count in 1usize..70, seed in any::<u64>()) {
            let case = Case::new(width, count, 0, seed);
            for rows in case.packed() {
                for (index, (codes, row)) in case.codes.iter().zip(&case.rows).enumerate() {
                    let mut unpacked = vec![0; width];
                    prop_assert_eq!(rows.unpack(index, &mut unpacked), *row);
                    prop_assert_eq!(&unpacked, codes);
                }
            }
        }
    }
}
