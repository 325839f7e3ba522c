//! The embedding layer: words, positions and token types.

use burn::module::{Initializer, Module};
use burn::nn::{Embedding, EmbeddingConfig};
use burn::tensor::backend::Backend;
use burn::tensor::{Int, Tensor, TensorData};
use kernels::{EncoderOps, Precision, SequenceRanges};

use super::dropout::Dropout;
use super::linear::{LayerNorm, in_precision};
use crate::architecture::{EncoderConfig, Positions};

/// Sum of the embeddings of a word, its position and its token type, with LayerNorm and dropout.
#[derive(Module, Debug)]
pub struct Embeddings<B: Backend> {
    word: Embedding<B>,
    position: Option<Embedding<B>>,
    token_type: Option<Embedding<B>>,
    norm: LayerNorm<B>,
    dropout: Dropout,
    /// The padding that positions do not count; `None` where they count all tokens.
    not_counted: Option<u32>,
}

impl<B: Backend> Embeddings<B> {
    pub(crate) fn new(config: &EncoderConfig, device: &B::Device) -> Self {
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
            position: config.positions.table_rows().map(table),
            token_type: (config.token_types > 0).then(|| table(config.token_types)),
            norm: LayerNorm::new(config, device),
            dropout: Dropout::new(config.embedding_dropout.unwrap_or(config.hidden_dropout)),
            not_counted: match config.positions {
                Positions::FromStart { .. } | Positions::Rotary(_) => None,
                Positions::BehindPadding { .. } => Some(config.pad_token_id),
            },
        }
    }

    /// The device of the tables.
    pub(crate) fn device(&self) -> B::Device {
        self.word.weight.device()
    }
}

impl<B: EncoderOps> Embeddings<B> {
    /// Casts the tables to `precision` on a backend that keeps weights as tensors: the layers then compute
    /// in it.
    pub(crate) fn pack(mut self, precision: Precision) -> Self {
        self.word = in_precision(self.word, precision);
        self.position = in_precision(self.position, precision);
        self.token_type = in_precision(self.token_type, precision);
        self
    }

    /// Adds the embedding of type 0 to that of every position, for texts alone: one sum less for every batch.
    pub(crate) fn for_texts_alone(mut self) -> Self {
        if let Some(mut position) = self.position.take() {
            if let Some(token_type) = self.token_type.take() {
                let [_, width] = token_type.weight.dims();
                let first = token_type.weight.val().slice([0..1, 0..width]);
                position.weight = position.weight.map(|positions| positions + first);
            }
            self.position = Some(position);
        }
        self
    }

    /// Embeds token ids.
    ///
    /// # Shapes
    ///
    /// - `input_ids`: `[batch, length]`, below the vocabulary size
    /// - `token_types`: `[batch, length]`, below the number of types; `None` for type 0
    /// - output: `[batch * length, hidden]`
    pub fn forward(
        &self,
        input_ids: Tensor<B, 2, Int>,
        token_types: Option<Tensor<B, 2, Int>>,
    ) -> Tensor<B, 2> {
        let position_ids = match self.not_counted {
            Some(pad) => positions_behind_padding(input_ids.clone(), pad),
            None => {
                let [batch, length] = input_ids.dims();
                let row = Tensor::arange(0..length as i64, &input_ids.device());
                row.unsqueeze::<2>().expand([batch, length])
            }
        };
        self.sum(input_ids, position_ids, token_types)
    }

    /// Embeds the tokens of a varlen batch: texts one after the other, without padding.
    ///
    /// # Shapes
    ///
    /// - `input_ids`: `[1, tokens]`, below the vocabulary size
    /// - `token_types`: `[1, tokens]`, below the number of types; `None` for type 0
    /// - output: `[tokens, hidden]`
    pub fn forward_varlen(
        &self,
        input_ids: &[i32],
        token_types: Option<Vec<i32>>,
        texts: &SequenceRanges,
    ) -> Tensor<B, 2> {
        let mut position_ids = Vec::with_capacity(input_ids.len());
        for text in texts.ranges() {
            match self.not_counted {
                None => position_ids.extend(0..text.len() as i32),
                Some(pad) => {
                    let pad = pad as i32;
                    let mut counted = 0;
                    position_ids.extend(input_ids[text.clone()].iter().map(|&id| {
                        if id == pad {
                            return pad;
                        }
                        counted += 1;
                        pad + counted
                    }));
                }
            }
        }
        let device = self.device();
        let row = |ids: Vec<i32>| {
            let shape = [1, ids.len()];
            Tensor::from_data(TensorData::new(ids, shape), &device)
        };
        let token_types = token_types.map(row);
        self.sum(row(input_ids.to_vec()), row(position_ids), token_types)
    }

    fn sum(
        &self,
        input_ids: Tensor<B, 2, Int>,
        position_ids: Tensor<B, 2, Int>,
        token_types: Option<Tensor<B, 2, Int>>,
    ) -> Tensor<B, 2> {
        let words = self.word.forward(input_ids).flatten(0, 1);
        let Some(position) = &self.position else {
            return self.dropout.forward(self.norm.forward(words));
        };
        let mut positions = position.forward(position_ids).flatten(0, 1);
        if let Some(table) = &self.token_type {
            positions = match token_types {
                Some(types) => positions + table.forward(types).flatten(0, 1),
                None => {
                    let [_, width] = table.weight.dims();
                    positions + table.weight.val().slice([0..1, 0..width])
                }
            };
        }
        self.dropout
            .forward(self.norm.after_adding(words, positions))
    }
}

/// Positions count the tokens that are not `<pad>`, from `pad + 1` on. A `<pad>`, as padding or typed in
/// the text, has position `pad` and is not counted (`create_position_ids_from_input_ids` of
/// `modeling_mpnet.py` in `transformers`).
fn positions_behind_padding<B: Backend>(
    input_ids: Tensor<B, 2, Int>,
    pad_token_id: u32,
) -> Tensor<B, 2, Int> {
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
            let positions: Vec<i64> = positions_behind_padding(ids, 1)
                .into_data()
                .iter()
                .collect();
            assert_eq!(positions, [2, 3, 1, 4, 5, 2, 3, 1, 1, 1]);
        }
        on_test_device!(body);
    }
}
