//! The four linear layers of a block in each precision, and the matmuls of libraries on the same sizes:
//! `gemm` in float32, `rten_gemm` in int8 (of an input that is int8 already, without scales, bias or GELU).

use std::hint::black_box;

use divan::Bencher;
use kernels::cpu;
use kernels::{Activation, PackedLinear, Precision};
use rten_gemm::{GemmExecutor, GemmInputA, GemmInputB, GemmOptions};
use rten_tensor::Matrix;

use crate::numbers::numbers;
use crate::work::Work;
use crate::{INNER, ROWS, WIDTH};

/// Inputs, outputs and activation.
pub(crate) type Layer = (usize, usize, Activation);

/// Queries, keys and values in one layer.
const PROJECTIONS: Layer = (WIDTH, 3 * WIDTH, Activation::Identity);
const ATTENTION_OUTPUT: Layer = (WIDTH, WIDTH, Activation::Identity);
const INTERMEDIATE: Layer = (WIDTH, INNER, Activation::Gelu);
const OUTPUT: Layer = (INNER, WIDTH, Activation::Identity);

pub(crate) fn kernel(layer: Layer, precision: Precision, rows: usize) -> Work {
    let (depth, width, activation) = layer;
    let (weight, bias) = (numbers(depth * width, 1), numbers(width, 2));
    let weights = PackedLinear::pack(&[(&weight, &bias)], precision);
    let input = numbers(rows * depth, 3);
    let mut output = vec![0.0; rows * width];
    Work::of_operations(2 * rows * depth * width, move || {
        cpu::linear(
            black_box(&input),
            &weights,
            activation,
            black_box(&mut output),
        );
    })
}

pub(crate) fn library(layer: Layer, rows: usize) -> Work {
    let (depth, width, _) = layer;
    let (weight, input) = (numbers(depth * width, 1), numbers(rows * depth, 3));
    let mut output = vec![0.0; rows * width];
    Work::of_operations(2 * rows * depth * width, move || {
        matmul(
            black_box(&input),
            &weight,
            [rows, depth, width],
            &mut output,
        );
    })
}

pub(crate) fn library_int8(layer: Layer, rows: usize) -> Work {
    let (depth, width, _) = layer;
    // Up to 64, so that the products of two neighbours fit 16 bits, as those of our quantized weights do.
    let bytes = |count, seed| numbers(count, seed).into_iter().map(|number| 64.0 * number);
    let weight: Vec<i8> = bytes(depth * width, 1).map(|number| number as i8).collect();
    let input: Vec<u8> = bytes(rows * depth, 3)
        .map(|number| number.abs() as u8)
        .collect();
    let executor = GemmExecutor::<u8, i8, i32>::new();
    let weights = executor.prepack_b(Matrix::from_data([depth, width], weight.as_slice()));
    let mut output = vec![0; rows * width];
    Work::of_operations(2 * rows * depth * width, move || {
        let input = Matrix::from_data([rows, depth], black_box(input.as_slice()));
        let done = executor.gemm(
            black_box(&mut output),
            GemmInputA::Unpacked(input),
            GemmInputB::Packed(&weights),
            GemmOptions::default(),
        );
        assert!(done.is_ok(), "{done:?}");
    })
}

/// `input * weight`, all row-major.
fn matmul(input: &[f32], weight: &[f32], [rows, depth, width]: [usize; 3], output: &mut [f32]) {
    #![allow(unsafe_code, reason = "gemm takes pointers")]
    assert_eq!(input.len(), rows * depth);
    assert_eq!(weight.len(), depth * width);
    assert_eq!(output.len(), rows * width);
    // SAFETY: each pointer is that of a slice of as many rows of as many numbers as gemm is told,
    // one row after the other; the output is borrowed mutably, so it overlaps with no other.
    unsafe {
        gemm::gemm(
            rows,
            width,
            depth,
            output.as_mut_ptr(),
            1,
            width as isize,
            false,
            input.as_ptr(),
            1,
            depth as isize,
            weight.as_ptr(),
            1,
            width as isize,
            0.0,
            1.0,
            false,
            false,
            false,
            gemm::Parallelism::Rayon(0),
        );
    }
}

macro_rules! benches {
    ($($name:ident: $layer:expr;)*) => {
        /// All layers, with their names.
        pub(crate) const LAYERS: &[(&str, Layer)] = &[$((stringify!($name), $layer)),*];

        $(mod $name {
            use super::*;

            #[divan::bench(args = ROWS)]
            fn f32(bencher: Bencher<'_, '_>, rows: usize) {
                kernel($layer, Precision::Float32, rows).bench(bencher);
            }

            #[divan::bench(args = ROWS)]
            fn bf16(bencher: Bencher<'_, '_>, rows: usize) {
                kernel($layer, Precision::Bfloat16, rows).bench(bencher);
            }

            #[divan::bench(args = ROWS)]
            fn int8(bencher: Bencher<'_, '_>, rows: usize) {
                kernel($layer, Precision::Int8, rows).bench(bencher);
            }

            #[divan::bench(args = ROWS)]
            fn gemm(bencher: Bencher<'_, '_>, rows: usize) {
                library($layer, rows).bench(bencher);
            }

            #[divan::bench(args = ROWS)]
            fn rten_gemm(bencher: Bencher<'_, '_>, rows: usize) {
                library_int8($layer, rows).bench(bencher);
            }
        })*
    };
}

benches! {
    projections_768x2304: PROJECTIONS;
    attention_output_768x768: ATTENTION_OUTPUT;
    intermediate_768x3072_gelu: INTERMEDIATE;
    output_3072x768: OUTPUT;
}
