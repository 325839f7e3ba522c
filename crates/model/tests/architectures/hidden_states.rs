//! Hidden states after the embeddings and every layer, padded and in the layout of production.

use burn::tensor::{Bool, Int, Tensor, TensorData};
use model::Checkpoint;
use model::backend::EncoderOps;
use model::parts::TokenBatch;

use crate::common::{TOLERANCE, assert_close, reference_tensor, report};
use crate::test_device::on_test_device;
use crate::{FAMILIES, Family};

/// Hidden states are larger than vectors: their rounding errors are, too.
const LARGER: f32 = 3.0;

#[test]
fn hidden_states_of_every_layer_are_those_of_pytorch() {
    fn body<B: EncoderOps>(device: &B::Device) {
        for family in &FAMILIES {
            compare_family::<B>(family, device);
        }
    }
    on_test_device!(body);
}

fn compare_family<B: EncoderOps>(family: &Family, device: &B::Device) {
    let file = family.answers();
    let (shape, ids) = reference_tensor(&file, "input_ids");
    let (_, mask) = reference_tensor(&file, "attention_mask");
    let is_real: Vec<bool> = mask.iter().map(|&value| value != 0.0).collect();
    assert!(is_real.contains(&false), "some text is padded");
    let checkpoint = Checkpoint::open(&family.folder()).unwrap();
    let network = checkpoint.load::<B>(device).unwrap().network;
    let expected: Vec<Vec<f32>> = (0..=network.layers().len())
        .map(|layer| {
            let (shape, values) = reference_tensor(&file, &format!("hidden_{layer}"));
            rows_of_tokens(&values, shape[2], &is_real)
        })
        .collect();

    let ids: Vec<i32> = ids.iter().map(|&id| id as i32).collect();
    let input_ids = TensorData::new(ids.clone(), shape.clone());
    let attention_mask = TensorData::new(is_real.clone(), shape.clone());
    let states = network.hidden_states(
        Tensor::<B, 2, Int>::from_data(input_ids, device),
        Some(Tensor::<B, 2, Bool>::from_data(attention_mask, device)),
    );
    let states = states.into_iter().map(|state| state.flatten(0, 1));
    compare(
        &format!("{}, padded", family.name),
        states,
        &expected,
        &is_real,
    );

    let texts: Vec<Vec<u32>> = std::iter::zip(ids.chunks(shape[1]), is_real.chunks(shape[1]))
        .map(|(ids, is_real)| {
            let tokens = std::iter::zip(ids, is_real).filter(|(_, is_real)| **is_real);
            tokens.map(|(&id, _)| id as u32).collect()
        })
        .collect();
    let pad = checkpoint.config.pad_token_id;
    let batch = TokenBatch::new(texts.iter().map(Vec::as_slice), pad);
    let bias = network.position_bias(batch.length());
    let (mut hidden, context) = network.embed_batch(&batch, bias);
    let mut states = vec![hidden.clone()];
    for layer in network.layers() {
        hidden = layer.forward(hidden, &context);
        states.push(hidden.clone());
    }
    compare(
        &format!("{}, batch", family.name),
        states,
        &expected,
        &is_real,
    );
}

/// Holds states of `[rows, width]`, one row a token or one a place of the padded batch.
fn compare<B: EncoderOps>(
    what: &str,
    states: impl IntoIterator<Item = Tensor<B, 2>>,
    expected: &[Vec<f32>],
    is_real: &[bool],
) {
    let states: Vec<_> = states.into_iter().collect();
    assert_eq!(states.len(), expected.len());
    for (layer, (state, expected)) in std::iter::zip(states, expected).enumerate() {
        let [rows, width] = state.dims();
        let mut actual: Vec<f32> = state.into_data().convert::<f32>().to_vec().unwrap();
        if rows == is_real.len() {
            actual = rows_of_tokens(&actual, width, is_real);
        }
        let what = format!("{what}, layer {layer}");
        let largest = assert_close(&what, &actual, expected, LARGER * TOLERANCE);
        report(&format!("hidden states, {what}"), largest);
    }
}

/// The rows that belong to tokens: the values at the padding have no meaning and reach no vector.
fn rows_of_tokens(values: &[f32], width: usize, is_real: &[bool]) -> Vec<f32> {
    std::iter::zip(values.chunks_exact(width), is_real)
        .filter(|(_, is_real)| **is_real)
        .flat_map(|(row, _)| row.to_vec())
        .collect()
}
