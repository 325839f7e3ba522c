//! The embedding layer: token and position.

use burn::module::{Initializer, Module};
use burn::nn::{Embedding, EmbeddingConfig};
use burn::tensor::backend::Backend;
use burn::tensor::{Int, Tensor, TensorData};
use kernels::{EncoderOps, Precision, SequenceRanges};

use crate::config::MpNetConfig;
use crate::dropout::Dropout;
use crate::linear::{LayerNorm, in_precision};

/// Sum of a word and a position embedding, with LayerNorm and dropout.
#[derive(Module, Debug)]
pub struct Embeddings<B: Backend> {
    word: Embedding<B>,
    position: Embedding<B>,
    norm: LayerNorm<B>,
    dropout: Dropout,
    pad_token_id: u32,
}

impl<B: Backend> Embeddings<B> {
    pub(crate) fn new(config: &MpNetConfig, device: &B::Device) -> Self {
        let table = |rows| {
            EmbeddingConfig::new(rows, config.hidden_size)
                .with_initializer(Initializer::Normal {
                    mean: 0.0,
                    std: config.initializer_range,
                })
                .init(device)
        };
        Self {
            word: table(config.vocab_size),
            position: table(config.max_position_embeddings),
            norm: LayerNorm::new(config, device),
            dropout: Dropout::new(config.hidden_dropout_prob),
            pad_token_id: config.pad_token_id,
        }
    }
}

impl<B: EncoderOps> Embeddings<B> {
    /// Casts the tables to `precision` on a backend that keeps weights as tensors: the layers then compute
    /// in it.
    pub(crate) fn pack(mut self, precision: Precision) -> Self {
        self.word = in_precision(self.word, precision);
        self.position = in_precision(self.position, precision);
        self
    }

    /// Embeds token ids.
    ///
    /// # Shapes
    ///
    /// - `input_ids`: `[batch, length]`, below the vocabulary size
    /// - output: `[batch * length, hidden]`
    pub fn forward(&self, input_ids: Tensor<B, 2, Int>) -> Tensor<B, 2> {
        let position_ids = position_ids(input_ids.clone(), self.pad_token_id);
        self.sum(input_ids, position_ids)
    }

    /// Embeds the tokens of a varlen batch: texts one after the other, without padding.
    ///
    /// # Shapes
    ///
    /// - `input_ids`: `[1, tokens]`, below the vocabulary size
    /// - output: `[tokens, hidden]`
    pub fn forward_varlen(&self, input_ids: &[i32], texts: &SequenceRanges) -> Tensor<B, 2> {
        let pad = self.pad_token_id as i32;
        let mut position_ids = Vec::with_capacity(input_ids.len());
        for text in texts.ranges() {
            let mut counted = 0;
            position_ids.extend(input_ids[text.clone()].iter().map(|&id| {
                if id == pad {
                    return pad;
                }
                counted += 1;
                pad + counted
            }));
        }
        let device = self.word.weight.device();
        let row = |ids: Vec<i32>| {
            let shape = [1, ids.len()];
            Tensor::from_data(TensorData::new(ids, shape), &device)
        };
        self.sum(row(input_ids.to_vec()), row(position_ids))
    }

    fn sum(&self, input_ids: Tensor<B, 2, Int>, position_ids: Tensor<B, 2, Int>) -> Tensor<B, 2> {
        let words = self.word.forward(input_ids).flatten(0, 1);
        let positions = self.position.forward(position_ids).flatten(0, 1);
        self.dropout
            .forward(self.norm.after_adding(words, positions))
    }
}

/// Positions count the tokens that are not `<pad>`, from `pad + 1` on. A `<pad>`, as padding or typed in
/// the text, has position `pad` and is not counted (`create_position_ids_from_input_ids` of
/// `modeling_mpnet.py` in `transformers`).
fn position_ids<B: Backend>(input_ids: Tensor<B, 2, Int>, pad_token_id: u32) -> Tensor<B, 2, Int> {
    let counted = input_ids.not_equal_elem(pad_token_id).int();
    counted.clone().cumsum(1) * counted + pad_token_id
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_device::on_test_device;

    #[test]
    fn padding_and_typed_pads_have_the_pad_position() {
        fn body<B: EncoderOps>(device: &B::Device) {
            let ids = [[0, 7, 1, 8, 2], [0, 2, 1, 1, 1]];
            let ids = Tensor::<B, 2, Int>::from_data(ids, device);
            let positions: Vec<i64> = position_ids(ids, 1).into_data().iter().collect();
            assert_eq!(positions, [2, 3, 1, 4, 5, 2, 3, 1, 1, 1]);
        }
        on_test_device!(body);
    }
}
