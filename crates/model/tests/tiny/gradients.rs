//! Gradients under autodiff against PyTorch, for the mean squared error between the queries and
//! descriptions of the demo pairs.

use crate::common::gradients::{largest, of_every_parameter, transposed};
use crate::common::{assert_close, fixture, reference_tensor, report};
use crate::test_device::on_test_device;
use burn::backend::Autodiff;
use burn::optim::GradientsParams;
use burn::tensor::{ElementConversion, Tensor};
use model::Checkpoint;
use model::backend::EncoderOps;
use model::parts::{SentenceModel, TokenBatch};

/// Relative to the largest gradient of the tensor: backward sums run in another order than
/// PyTorch's.
const RELATIVE_TOLERANCE: f32 = 1e-4;

/// The layout of a batch in the network.
#[derive(Clone, Copy, Debug)]
enum Layout {
    /// Padded to the longest text.
    Padded,
    /// The one that training uses: a varlen batch on the device `cpu`, padded on others.
    Production,
}

/// The loss's gradients of every parameter.
fn gradients<B: EncoderOps>(
    device: &B::Device,
    layout: Layout,
) -> (SentenceModel<Autodiff<B>>, GradientsParams) {
    let mut checkpoint = Checkpoint::open(&fixture("tiny-mpnet")).unwrap();
    // As the reference, which was made in PyTorch's eval mode.
    checkpoint.config.hidden_dropout = 0.0;
    checkpoint.config.attention_dropout = 0.0;
    let model = checkpoint.load::<Autodiff<B>>(device).unwrap();
    let pairs: Vec<[String; 2]> =
        serde_json::from_slice(&std::fs::read(fixture("seed_pairs.json")).unwrap()).unwrap();
    let tokenizer = checkpoint.tokenizer().unwrap();
    let embed = |side: usize| -> Tensor<Autodiff<B>, 2> {
        let texts: Vec<&str> = pairs.iter().map(|pair| pair[side].as_str()).collect();
        let tokens = tokenizer.encode(&texts).unwrap();
        let batch = TokenBatch::new(
            tokens.iter().map(|t| t.ids.as_slice()),
            checkpoint.config.pad_token_id,
        );
        match layout {
            Layout::Padded => {
                let (input_ids, attention_mask) = batch.to_tensors(device);
                model.forward(input_ids, attention_mask)
            }
            Layout::Production => model.forward_batch(&batch),
        }
    };
    let loss = (embed(0) - embed(1)).square().mean();
    let value: f32 = loss.clone().into_scalar().elem();
    let (_, expected) = reference_tensor("tiny_gradients.safetensors", "mse/loss");
    assert_close(
        "loss",
        &[value],
        &expected,
        RELATIVE_TOLERANCE * expected[0],
    );
    let gradients = GradientsParams::from_grads(loss.backward(), &model);
    (model, gradients)
}

#[test]
fn gradients_of_every_parameter_are_those_of_pytorch() {
    fn body<B: EncoderOps>(device: &B::Device) {
        compare_with_pytorch::<B>(device, Layout::Padded);
        compare_with_pytorch::<B>(device, Layout::Production);
    }
    on_test_device!(body);
}

fn compare_with_pytorch<B: EncoderOps>(device: &B::Device, layout: Layout) {
    let (model, gradients) = gradients::<B>(device, layout);
    let found = of_every_parameter(&model, &gradients);
    // 2 layers of 16 tensors, 4 of the embeddings, the relative bias.
    assert_eq!(found.len(), 37);

    let mut largest_relative = 0.0f32;
    for (path, shape, values) in &found {
        let name = checkpoint_name(path);
        let (expected_shape, mut expected) =
            reference_tensor("tiny_gradients.safetensors", &format!("mse/{name}"));
        let is_table = ["word", "position", "table"]
            .iter()
            .any(|table| path.contains(table));
        if shape.len() == 2 && !is_table {
            // burn's linear layers hold the transposed weights.
            expected = transposed(&expected, expected_shape[0], expected_shape[1]);
        }
        // A key's bias shifts all scores of a query alike, which the softmax takes out again. That
        // gradient is rounding noise on both sides: it is held against the gradient of the weights.
        let scale = if path.ends_with("attention.key.bias") {
            1e-3
        } else {
            largest(&expected)
        };
        assert!(
            scale > 1e-8,
            "{name} has no gradient to speak of: {scale:e}"
        );
        let what = format!("{layout:?}: {name}");
        let difference = assert_close(&what, values, &expected, RELATIVE_TOLERANCE * scale);
        largest_relative = largest_relative.max(difference / scale);
    }
    report(
        &format!("tiny model, gradients, {layout:?}, relative"),
        largest_relative,
    );
}

/// The name of a parameter in the reference file.
fn checkpoint_name(path: &str) -> String {
    let (module, part) = path.rsplit_once('.').unwrap();
    let module = module.strip_prefix("network.").unwrap();
    let module = match module {
        "embeddings.word" => "embeddings.word_embeddings".to_owned(),
        "embeddings.position" => "embeddings.position_embeddings".to_owned(),
        "embeddings.norm" => "embeddings.LayerNorm".to_owned(),
        "relative_bias.table" => "encoder.relative_attention_bias".to_owned(),
        module => {
            let layer = module.strip_prefix("layers.").unwrap();
            let (number, module) = layer.split_once('.').unwrap();
            let module = match module {
                "attention.query" => "attention.attn.q",
                "attention.key" => "attention.attn.k",
                "attention.value" => "attention.attn.v",
                "attention.output" => "attention.attn.o",
                "attention_norm" => "attention.LayerNorm",
                "intermediate" => "intermediate.dense",
                "output" => "output.dense",
                "output_norm" => "output.LayerNorm",
                other => panic!("{other} has no name in the reference file"),
            };
            format!("encoder.layer.{number}.{module}")
        }
    };
    let part = match part {
        "gamma" => "weight",
        "beta" => "bias",
        other => other,
    };
    format!("{module}.{part}")
}
