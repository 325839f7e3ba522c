//! Gradients of every parameter of the encoder, for the mean squared error between the queries and descriptions of the
//! demo pairs.

use burn::backend::Autodiff;
use burn::optim::GradientsParams;
use burn::tensor::{ElementConversion, Tensor};
use model::Checkpoint;
use model::backend::EncoderOps;
use model::parts::TokenBatch;

use crate::common::gradients::{largest, of_every_parameter, transposed};
use crate::common::{assert_close, fixture, reference_tensor, report};
use crate::test_device::on_test_device;
use crate::{FAMILIES, Family, copy};

/// Relative to the largest gradient of the tensor: backward sums run in another order than PyTorch's.
const RELATIVE_TOLERANCE: f32 = 1e-4;

#[test]
fn gradients_of_every_parameter_are_those_of_pytorch() {
    fn body<B: EncoderOps>(device: &B::Device) {
        for family in &FAMILIES {
            compare::<B>(family, device, true);
            compare::<B>(family, device, false);
        }
    }
    on_test_device!(body);
}

fn compare<B: EncoderOps>(family: &Family, device: &B::Device, padded: bool) {
    // Without dropout, as the reference, which was made in PyTorch's eval mode.
    let folder = copy(&family.folder());
    for entry in folder.path().read_dir().unwrap() {
        let path = entry.unwrap().path();
        if path.ends_with("4_Dropout") {
            std::fs::write(path.join("config.json"), r#"{"dropout": 0.0}"#).unwrap();
        }
    }
    let mut checkpoint = Checkpoint::open(folder.path()).unwrap();
    checkpoint.config.hidden_dropout = 0.0;
    checkpoint.config.attention_dropout = 0.0;
    let model = checkpoint.load::<Autodiff<B>>(device).unwrap();
    let pairs: Vec<[String; 2]> =
        serde_json::from_slice(&std::fs::read(fixture("seed_pairs.json")).unwrap()).unwrap();
    let tokenizer = checkpoint.tokenizer().unwrap();
    let embed = |side: usize| -> Tensor<Autodiff<B>, 2> {
        let texts: Vec<&str> = pairs.iter().map(|pair| pair[side].as_str()).collect();
        let tokens = tokenizer.encode(&texts).unwrap();
        let ids = tokens.iter().map(|tokens| tokens.ids.as_slice());
        let batch = TokenBatch::new(ids, checkpoint.config.pad_token_id);
        if padded {
            let (input_ids, attention_mask) = batch.to_tensors(device);
            model.forward(input_ids, attention_mask)
        } else {
            model.forward_batch(&batch)
        }
    };
    let loss = (embed(0) - embed(1)).square().mean();
    let value: f32 = loss.clone().into_scalar().elem();
    let (_, expected) = reference_tensor(&family.answers(), "loss");
    let tolerance = RELATIVE_TOLERANCE * expected[0];
    assert_close(family.name, &[value], &expected, tolerance);

    let gradients = GradientsParams::from_grads(loss.backward(), &model.network);
    let found = of_every_parameter(&model.network, &gradients);
    let mut largest_relative = 0.0f32;
    for (path, shape, values) in &found {
        let name = format!("gradient/{}", family.tensor(path));
        let (expected_shape, mut expected) = reference_tensor(&family.answers(), &name);
        if shape.len() == 2 && !path.starts_with("embeddings.") {
            // burn's linear layers hold the transposed weights.
            let [outputs, inputs] = [expected_shape[0], expected_shape[1]];
            let part = ["query", "key", "value"].into_iter().position(|part| {
                name.contains("Wqkv") && path.ends_with(&format!("attention.{part}.weight"))
            });
            expected = match part {
                Some(part) => {
                    let rows = outputs / 3;
                    let of_part = part * rows * inputs..(part + 1) * rows * inputs;
                    transposed(&expected[of_part], rows, inputs)
                }
                None => transposed(&expected, outputs, inputs),
            };
        }
        // A key's bias shifts all scores of a query alike, which the softmax takes out again. That gradient is rounding
        // noise on both sides: it is held against the gradient of the weights.
        let scale = if path.ends_with("attention.key.bias") {
            let weight = name.replace(".bias", ".weight");
            largest(&reference_tensor(&family.answers(), &weight).1)
        } else {
            largest(&expected)
        };
        assert!(scale > 1e-8, "{name}: {scale:e} is no gradient to speak of");
        let what = format!("{}, padded: {padded}, {name}", family.name);
        let difference = assert_close(&what, values, &expected, RELATIVE_TOLERANCE * scale);
        largest_relative = largest_relative.max(difference / scale);
    }
    let what = format!("{}, gradients, relative, padded: {padded}", family.name);
    report(&what, largest_relative);
}

impl Family {
    /// The name of a parameter in `transformers`.
    fn tensor(&self, path: &str) -> String {
        let (module, part) = path.rsplit_once('.').unwrap();
        let module = match module {
            "embeddings.word" if self.name == "modernbert" => {
                "embeddings.tok_embeddings".to_owned()
            }
            "embeddings.norm" if self.name == "modernbert" => "embeddings.norm".to_owned(),
            "final_norm" => "final_norm".to_owned(),
            "embeddings.word" => "embeddings.word_embeddings".to_owned(),
            "embeddings.position" => "embeddings.position_embeddings".to_owned(),
            "embeddings.token_type" => "embeddings.token_type_embeddings".to_owned(),
            "embeddings.norm" => "embeddings.LayerNorm".to_owned(),
            module => {
                const OURS: [&str; 8] = [
                    "attention.query",
                    "attention.key",
                    "attention.value",
                    "attention.output",
                    "attention_norm",
                    "intermediate",
                    "output",
                    "output_norm",
                ];
                let layer = module.strip_prefix("layers.").unwrap();
                let (number, module) = layer.split_once('.').unwrap();
                let place = OURS.iter().position(|name| *name == module).unwrap();
                format!("{}.{number}.{}", self.layers, self.layer[place])
            }
        };
        let part = match part {
            "gamma" => "weight",
            "beta" => "bias",
            other => other,
        };
        format!("{module}.{part}")
    }
}
