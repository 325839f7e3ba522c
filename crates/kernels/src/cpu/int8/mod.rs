//! Dense layers in whole numbers of eight bits.
//!
//! Each row of the input is rounded to 256 steps between its smallest and its largest number, each
//! output's weights to at most 255 steps about 0, so that [no two neighbours](Int8Matrix::quantize) are
//! both large. All products and sums of these are exact, so every body gives the same on every processor,
//! to the last bit of the sums; then they are scaled, and the rest is float32.
//!
//! On Intel processors with a matrix unit its [byte tiles](super::amx) do the same; what follows is for
//! all others.
//!
//! # Layout
//!
//! Panels of as many columns as two registers have sums. A panel is `[group][column][size]` bytes: two
//! or four neighbours of the depth, as the [instructions](Implementation) want them, stand together, for every
//! column of the panel; the depth is filled up with weights of 0, and the last panel with columns of 0.

#[cfg(target_arch = "x86_64")]
mod byte_pairs;
mod dot_product;
mod implementation;
pub(in crate::cpu) mod linear;
pub(in crate::cpu) mod matrix;
pub(in crate::cpu) mod panels;
pub(in crate::cpu) mod quantization;
mod rows;
#[cfg(test)]
mod tests;
#[cfg(target_arch = "x86_64")]
mod vnni;
#[cfg(target_arch = "x86_64")]
mod x86;
