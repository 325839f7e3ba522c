//! The relative position bias: one table for all layers, added to the attention scores.
//!
//! Buckets are those of T5 (Raffel et al., "Exploring the Limits of Transfer Learning with a
//! Unified Text-to-Text Transformer", 2020, section 2.1), bidirectional, as in `transformers`'
//! `modeling_mpnet.py`.

use burn::module::{Initializer, Module};
use burn::nn::{Embedding, EmbeddingConfig};
use burn::tensor::backend::Backend;
use burn::tensor::{Int, Tensor, TensorData};

use crate::architecture::EncoderConfig;

/// Distances of at least this share the last bucket (`max_distance` in `modeling_mpnet.py`).
const MAX_DISTANCE: usize = 128;

/// A learned score for every bucket of distances and every head.
#[derive(Module, Debug)]
pub struct RelativePositionBias<B: Backend> {
    table: Embedding<B>,
    buckets: usize,
}

impl<B: Backend> RelativePositionBias<B> {
    pub(crate) fn new(config: &EncoderConfig, buckets: usize, device: &B::Device) -> Self {
        Self {
            table: EmbeddingConfig::new(buckets, config.num_attention_heads)
                .with_initializer(Initializer::Normal {
                    mean: 0.0,
                    std: config.initializer_range,
                })
                .init(device),
            buckets,
        }
    }

    /// The bias of every pair of positions of a text of `length` tokens: `[1, heads, length,
    /// length]`, query positions in the third dimension and key positions in the fourth.
    pub fn forward(&self, length: usize) -> Tensor<B, 4> {
        let device = self.table.weight.device();
        let buckets = TensorData::new(bucket_matrix(length, self.buckets), [length, length]);
        let buckets = Tensor::<B, 2, Int>::from_data(buckets, &device);
        self.table
            .forward(buckets)
            .permute([2, 0, 1])
            .unsqueeze_dim(0)
    }
}

/// Bucket of every (query, key) pair, row-major `[length, length]`.
fn bucket_matrix(length: usize, buckets: usize) -> Vec<i32> {
    // The bucket depends only on the distance: 2 * length - 1 values, not length².
    let by_distance: Vec<(i32, i32)> = (0..length)
        .map(|distance| bucket_pair(distance, buckets))
        .collect();
    let mut matrix = Vec::with_capacity(length * length);
    for query in 0..length {
        // Keys before the query, nearest last; the query itself; keys behind it.
        matrix.extend(by_distance[..=query].iter().rev().map(|pair| pair.0));
        matrix.extend(by_distance[1..length - query].iter().map(|pair| pair.1));
    }
    matrix
}

/// Buckets of a key `distance` tokens before the query and of one `distance` tokens behind it.
///
/// Half of the buckets serve each direction; of these, the first half hold one distance each and
/// the rest grow logarithmically up to [`MAX_DISTANCE`]. Computed in `f32`, as PyTorch does: at the
/// boundaries the rounding decides.
fn bucket_pair(distance: usize, buckets: usize) -> (i32, i32) {
    let per_direction = buckets / 2;
    let exact = per_direction / 2;
    let bucket = if distance < exact {
        distance
    } else {
        let octaves = (distance as f32 / exact as f32).ln()
            / (MAX_DISTANCE as f64 / exact as f64).ln() as f32;
        let far = exact + (octaves * (per_direction - exact) as f32) as usize;
        far.min(per_direction - 1)
    };
    (bucket as i32, (bucket + per_direction) as i32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_of_t5_with_32_buckets() {
        // (distance, bucket before): where each bucket starts, printed by transformers'
        // `MPNetEncoder.relative_position_bucket` for distances 0 to 511.
        let starts = BUCKET_STARTS;
        for distance in 0..512 {
            let expected = starts
                .iter()
                .rev()
                .find(|start| start.0 <= distance)
                .unwrap()
                .1;
            assert_eq!(
                bucket_pair(distance, 32),
                (expected, expected + 16),
                "distance {distance}"
            );
        }
    }

    const BUCKET_STARTS: [(usize, i32); 16] = [
        (0, 0),
        (1, 1),
        (2, 2),
        (3, 3),
        (4, 4),
        (5, 5),
        (6, 6),
        (7, 7),
        (8, 8),
        (12, 9),
        (16, 10),
        (23, 11),
        (32, 12),
        (46, 13),
        (64, 14),
        (91, 15),
    ];

    #[test]
    fn keys_before_and_behind_have_their_own_buckets() {
        assert_eq!(bucket_matrix(3, 32), [0, 17, 18, 1, 0, 17, 2, 1, 0]);
        assert_eq!(bucket_matrix(1, 32), [0]);
        assert_eq!(bucket_matrix(0, 32), [0; 0]);
    }
}
