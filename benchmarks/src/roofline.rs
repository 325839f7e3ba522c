//! The roofline: the least time of a batch on this machine.
//!
//! Two costs cannot be avoided. Every token passes the matmuls of the linear layers and every text
//! those of attention, at the rate of the vector units with all operands in registers
//! ([`peak`](crate::peak)). And every batch reads all weights of the linear layers, in the bytes that
//! the precision keeps of them, at the rate at which memory streams: no cache holds them. Both go on at
//! the same time, so the roofline is the larger of the two. In int8 the linear layers have the peak of
//! int8 dot products, in bf16 that of bfloat16 dot products where the processor has them; attention
//! always has that of float32.
//!
//! Embeddings, LayerNorm, softmax, biases, scales and tokenization are left out: they are little, and
//! part of the distance to the roofline.
//!
//! The peak is that of the vector units. AMX is beyond it: with AMX a time may be *below* this roofline.
//! So may one of int8 on processors other than x86-64, where float32's peak replaces int8's.

use model::Precision;
use model::parts::EncoderConfig;
use serde::{Deserialize, Serialize};

/// The most that the machine does.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Peak {
    /// In float32; a multiply-add is two.
    pub(crate) operations_per_second: f64,
    /// In the linear layers' precision.
    pub(crate) linear_operations_per_second: f64,
    pub(crate) streamed_bytes_per_second: f64,
}

/// The operations and bytes of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Work {
    /// Weights of the linear layers: each is one multiply-add per token.
    weights: usize,
    /// Multiply-adds of attention for every pair of tokens.
    of_pair: usize,
    bytes_of_weight: usize,
}

/// Which of the two is the roofline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Bound {
    /// Multiply-adds.
    Computing,
    /// Weights that are read.
    Reading,
}

/// The least time of a batch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Roofline {
    pub(crate) seconds: f64,
    pub(crate) bound: Bound,
}

impl Work {
    pub(crate) fn of(config: &EncoderConfig, precision: Precision) -> Self {
        let (width, inner) = (config.hidden_size, config.intermediate_size);
        let layers = config.num_hidden_layers;
        Self {
            // Query, key, value and output; then wider and back.
            weights: layers * width * (4 * width + 2 * inner),
            // Scores, and the sum that they weigh.
            of_pair: layers * 2 * width,
            bytes_of_weight: match precision {
                Precision::Int8 => 1,
                Precision::Bfloat16 => 2,
                _ => 4,
            },
        }
    }

    /// Operations of texts of these lengths.
    pub(crate) fn operations(self, lengths: &[usize]) -> f64 {
        self.of_linear_layers(lengths) + self.of_attention(lengths)
    }

    fn of_linear_layers(self, lengths: &[usize]) -> f64 {
        2.0 * (self.weights * lengths.iter().sum::<usize>()) as f64
    }

    fn of_attention(self, lengths: &[usize]) -> f64 {
        let pairs: usize = lengths.iter().map(|length| length * length).sum();
        2.0 * (self.of_pair * pairs) as f64
    }

    /// Bytes of the linear layers' weights.
    pub(crate) fn bytes(self) -> usize {
        self.weights * self.bytes_of_weight
    }

    /// The least time for texts of these lengths that go through the network together.
    pub(crate) fn roofline(self, lengths: &[usize], peak: Peak) -> Roofline {
        let computing = self.of_linear_layers(lengths) / peak.linear_operations_per_second
            + self.of_attention(lengths) / peak.operations_per_second;
        let reading = self.bytes() as f64 / peak.streamed_bytes_per_second;
        if computing < reading {
            Roofline {
                seconds: reading,
                bound: Bound::Reading,
            }
        } else {
            Roofline {
                seconds: computing,
                bound: Bound::Computing,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEAK: Peak = Peak {
        operations_per_second: 1000.0,
        linear_operations_per_second: 1000.0,
        streamed_bytes_per_second: 100.0,
    };

    fn config(json: &serde_json::Value) -> EncoderConfig {
        let bytes = serde_json::to_vec(json).unwrap();
        EncoderConfig::from_bytes("config.json".as_ref(), &bytes).unwrap()
    }

    fn small() -> EncoderConfig {
        config(&serde_json::json!({
            "model_type": "mpnet", "vocab_size": 10, "hidden_size": 2, "num_hidden_layers": 3,
            "num_attention_heads": 1, "intermediate_size": 5, "max_position_embeddings": 20
        }))
    }

    /// By hand: a layer has 4 * 2 * 2 + 2 * 2 * 5 = 36 weights, and 2 * 2 = 4 multiply-adds of a pair.
    #[test]
    fn the_work_is_counted_from_the_sizes() {
        let work = Work::of(&small(), Precision::Float32);
        assert_eq!((work.weights, work.of_pair), (108, 12));
        // One text of one token: 108 + 12 multiply-adds; one of three: 3 * 108 + 9 * 12 = 432.
        assert_eq!(work.operations(&[1]), 240.0);
        assert_eq!(work.operations(&[3, 1]), 2.0 * (432.0 + 120.0));
        assert_eq!(work.operations(&[]), 0.0);
        for (precision, bytes) in [
            (Precision::Float32, 432),
            (Precision::Bfloat16, 216),
            (Precision::Int8, 108),
        ] {
            assert_eq!(Work::of(&small(), precision).bytes(), bytes);
        }
    }

    #[test]
    fn the_larger_of_computing_and_reading_is_the_roofline() {
        let roofline =
            |precision, lengths: &[usize]| Work::of(&small(), precision).roofline(lengths, PEAK);
        // 240 operations take 0.24 s, 432 bytes 4.32 s.
        let one = roofline(Precision::Float32, &[1]);
        assert_eq!((one.seconds, one.bound), (4.32, Bound::Reading));
        // 8 * 864 operations take 6.912 s.
        let many = roofline(Precision::Float32, &[3; 8]);
        assert_eq!((many.seconds, many.bound), (6.912, Bound::Computing));
        // 108 bytes take 1.08 s, 2 * 864 operations 1.728 s.
        let short = roofline(Precision::Int8, &[3; 2]);
        assert_eq!((short.seconds, short.bound), (1.728, Bound::Computing));
    }

    /// Of the 1,728 operations 1,296 are the linear layers'.
    #[test]
    fn linear_layers_have_the_peak_of_their_precision() {
        let peak = Peak {
            linear_operations_per_second: 4000.0,
            streamed_bytes_per_second: 1e6,
            ..PEAK
        };
        let roofline = Work::of(&small(), Precision::Int8).roofline(&[3; 2], peak);
        assert!(
            (roofline.seconds - (0.324 + 0.432)).abs() < 1e-12,
            "{roofline:?}"
        );
    }

    /// all-mpnet-base-v2: 12 layers of 768 and 3,072.
    #[test]
    fn the_published_model_has_85_million_weights_in_its_layers() {
        let published = config(&serde_json::json!({
            "model_type": "mpnet", "vocab_size": 30527, "hidden_size": 768, "num_hidden_layers": 12,
            "num_attention_heads": 12, "intermediate_size": 3072, "max_position_embeddings": 514
        }));
        let work = Work::of(&published, Precision::Float32);
        assert_eq!(work.weights, 84_934_656);
        assert_eq!(work.of_pair, 18_432);
        assert_eq!(work.bytes(), 339_738_624);
    }
}
