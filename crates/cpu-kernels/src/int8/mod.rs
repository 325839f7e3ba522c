//! Linear layers in int8: quantized weights and inputs, exact integer sums, float32 results.
//!
//! Each row of the input is quantized to 256 steps between its smallest and its largest number (scale and zero point), and
//! each output's weights to at most 255 steps about 0, such that [no two neighbours](matrix::Int8Matrix::quantize) are both large.
//! All products and sums of these are exact, so every implementation gives the same sums on every processor. The sums are
//! then scaled ([`linear`]), and the epilogue (bias, GELU) is float32.
//!
//! AMX computes the same sums over [byte tiles](super::amx); this module serves all other processors.
//!
//! # Layout
//!
//! A panel has as many columns as two registers have sums (`NR`). It is `[group][column][size]` bytes: the two or four
//! neighbours of the depth that one [instruction](implementation::Implementation) multiplies are together, for every column
//! of the panel. The depth is filled up with weights of 0, and the last panel with columns of 0.

mod dot_product;
mod implementation;
#[cfg(target_arch = "x86_64")]
mod int8_pairs;
pub(crate) mod linear;
pub(crate) mod matrix;
pub(crate) mod panels;
pub(crate) mod quantization;
mod rows;
pub(crate) mod scan;
#[cfg(test)]
mod tests;
#[cfg(target_arch = "x86_64")]
mod vnni;
#[cfg(target_arch = "x86_64")]
mod x86;
