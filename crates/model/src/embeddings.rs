//! The first layer: what a token is and where it stands.

use burn::module::{Initializer, Module};
use burn::nn::{Embedding, EmbeddingConfig, LayerNorm, LayerNormConfig};
use burn::tensor::backend::Backend;
use burn::tensor::{Int, Tensor};

use crate::config::MpNetConfig;
use crate::dropout::Dropout;

/// Sum of a word and a position embedding, normalised.
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
            norm: LayerNormConfig::new(config.hidden_size)
                .with_epsilon(config.layer_norm_eps)
                .init(device),
            dropout: Dropout::new(config.hidden_dropout_prob),
            pad_token_id: config.pad_token_id,
        }
    }

    /// Embeds token ids.
    ///
    /// # Shapes
    ///
    /// - `input_ids`: `[batch, length]`, below the vocabulary size
    /// - output: `[batch, length, hidden]`
    pub fn forward(&self, input_ids: Tensor<B, 2, Int>) -> Tensor<B, 3> {
        let position_ids = position_ids(input_ids.clone(), self.pad_token_id);
        let sum = self.word.forward(input_ids) + self.position.forward(position_ids);
        self.dropout.forward(self.norm.forward(sum))
    }
}

/// Positions count the tokens that are not `<pad>`, from `pad + 1` on; a `<pad>`, be it padding or
/// typed in the text, stands at position `pad` and is not counted (`transformers`,
/// `modeling_mpnet.py`, `create_position_ids_from_input_ids`).
fn position_ids<B: Backend>(input_ids: Tensor<B, 2, Int>, pad_token_id: u32) -> Tensor<B, 2, Int> {
    let counted = input_ids.not_equal_elem(pad_token_id).int();
    counted.clone().cumsum(1) * counted + pad_token_id
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{TestBackend, device};

    #[test]
    fn padding_and_typed_pads_stand_at_the_pad_position() {
        let ids =
            Tensor::<TestBackend, 2, Int>::from_data([[0, 7, 1, 8, 2], [0, 2, 1, 1, 1]], &device());
        let positions: Vec<i64> = position_ids(ids, 1).into_data().iter().collect();
        assert_eq!(positions, [2, 3, 1, 4, 5, 2, 3, 1, 1, 1]);
    }
}
