//! From products of queries and keys to the weights of attention: scale, bias, window and softmax.

use std::ops::Range;

use pulp::Simd;

use super::head::Head;
use crate::simd::math::exp;
use crate::simd::reduce::{LANES, largest, total};

impl<'a> Head<'a> {
    /// The keys that at least one of these queries sees.
    #[inline(always)]
    pub(crate) fn keys(&self, queries: Range<usize>) -> Range<usize> {
        let length = self.length();
        match self.attention.window {
            None => 0..length,
            Some(window) => {
                let end = queries.end.saturating_add(window);
                queries.start.saturating_sub(window)..length.min(end)
            }
        }
    }

    /// The bias of one query, if there is one: a float for each key from `first` on, and any floats after them.
    ///
    /// # Panics
    ///
    /// When the sequence is longer than the bias.
    #[inline(always)]
    fn bias(&self, query: usize, first: usize) -> Option<&'a [f32]> {
        let bias = self.attention.bias?;
        assert!(self.length() <= bias.length, "a bias for every key");
        let row = (self.head * bias.length + query) * bias.length;
        Some(&bias.values[row + first..])
    }

    /// From a query's products with all keys to weights that sum to 1; see [`scores`](Self::scores).
    #[inline(always)]
    pub(crate) fn softmax<S: Simd>(&self, simd: S, query: usize, products: &mut [f32]) {
        let largest = self.scores(simd, query, 0..self.length(), products);
        let factor = 1.0 / exponentials(simd, products, largest);
        for weight in products {
            *weight *= factor;
        }
    }

    /// From a query's products with some `keys` to its scores, which are minus infinity outside its window; returns the
    /// largest. After the keys there is room for whole registers, which gets minus infinity, too.
    #[inline(always)]
    pub(crate) fn scores<S: Simd>(
        &self,
        simd: S,
        query: usize,
        keys: Range<usize>,
        products: &mut [f32],
    ) -> f32 {
        let (scale, count) = (self.attention.scale, keys.len());
        let mut highest = match self.bias(query, keys.start) {
            Some(bias) => with_bias(products, count, scale, bias),
            None => without_bias(products, count, scale),
        };
        if self.attention.window.is_some() {
            let seen = self.keys(query..query + 1);
            products[..seen.start - keys.start].fill(f32::NEG_INFINITY);
            products[seen.end - keys.start..count].fill(f32::NEG_INFINITY);
            highest = [f32::NEG_INFINITY; LANES];
            for scores in products.as_chunks().0 {
                raise(&mut highest, scores);
            }
        }
        // Called in one place: in two, the compiler did not inline its loop.
        largest(simd, &highest)
    }
}

/// Scores of the first `count` products, and minus infinity after them; returns the maximum of each SIMD lane.
#[inline(always)]
fn with_bias(products: &mut [f32], count: usize, scale: f32, bias: &[f32]) -> [f32; LANES] {
    let (products, _) = products.as_chunks_mut::<LANES>();
    let (whole, behind) = products.split_at_mut(count / LANES);
    let mut highest = [f32::NEG_INFINITY; LANES];
    for (products, bias) in whole.iter_mut().zip(bias.as_chunks().0) {
        *products = biased(*products, scale, bias);
        raise(&mut highest, products);
    }
    if let Some((last, behind)) = behind.split_first_mut() {
        let first = count / LANES * LANES;
        let (bias, rest) = (&bias[first..], count - first);
        let mut bias_of_rest = [0.0; LANES];
        match bias.first_chunk() {
            Some(bias) => bias_of_rest = *bias,
            None => bias_of_rest[..rest].copy_from_slice(&bias[..rest]),
        }
        *last = first_of(biased(*last, scale, &bias_of_rest), rest);
        raise(&mut highest, last);
        behind.as_flattened_mut().fill(f32::NEG_INFINITY);
    }
    highest
}

/// As [`with_bias`], which would read a table of zeros.
#[inline(always)]
fn without_bias(products: &mut [f32], count: usize, scale: f32) -> [f32; LANES] {
    let (products, _) = products.as_chunks_mut::<LANES>();
    let (whole, behind) = products.split_at_mut(count / LANES);
    let mut highest = [f32::NEG_INFINITY; LANES];
    for products in whole {
        *products = products.map(|product| product * scale);
        raise(&mut highest, products);
    }
    if let Some((last, behind)) = behind.split_first_mut() {
        let scaled = last.map(|product| product * scale);
        *last = first_of(scaled, count % LANES);
        raise(&mut highest, last);
        behind.as_flattened_mut().fill(f32::NEG_INFINITY);
    }
    highest
}

/// Scores from products. (By value: where scores and bias might alias, the compiler would not vectorize.)
#[inline(always)]
fn biased(mut scores: [f32; LANES], scale: f32, bias: &[f32; LANES]) -> [f32; LANES] {
    for (score, bias) in scores.iter_mut().zip(bias) {
        *score = score.mul_add(scale, *bias);
    }
    scores
}

/// The first `count` scores, and minus infinity after them.
#[inline(always)]
fn first_of(mut scores: [f32; LANES], count: usize) -> [f32; LANES] {
    for (lane, score) in scores.iter_mut().enumerate() {
        *score = if lane < count {
            *score
        } else {
            f32::NEG_INFINITY
        };
    }
    scores
}

/// The maximum of each SIMD lane.
#[inline(always)]
fn raise(largest: &mut [f32; LANES], scores: &[f32; LANES]) {
    for (largest, score) in largest.iter_mut().zip(scores) {
        *largest = if *score > *largest { *score } else { *largest };
    }
}

/// From scores, in whole registers, to unnormalized weights; returns their sum.
#[inline(always)]
pub(crate) fn exponentials<S: Simd>(simd: S, scores: &mut [f32], largest: f32) -> f32 {
    let mut sums = [0.0; LANES];
    for scores in scores.as_chunks_mut::<LANES>().0 {
        for score in scores.iter_mut() {
            *score = exp(*score - largest);
        }
        for (sum, score) in sums.iter_mut().zip(scores) {
            *sum += *score;
        }
    }
    total(simd, &sums)
}
