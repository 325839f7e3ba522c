//! Gradients under autodiff against PyTorch, for the mean squared error between the seed's queries
//! and descriptions.

use crate::common::{TestBackend, assert_close, fixture, reference_tensor, report};
use burn::backend::Autodiff;
use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;
use burn::tensor::backend::AutodiffBackend;
use model::{Checkpoint, SentenceModel, TokenBatch};

type B = Autodiff<TestBackend>;

/// Relative to the largest gradient of the tensor: backward sums run in another order than
/// PyTorch's.
const RELATIVE_TOLERANCE: f32 = 1e-4;

fn gradients() -> (SentenceModel<B>, GradientsParams) {
    let mut checkpoint = Checkpoint::open(&fixture("tiny-mpnet")).unwrap();
    // As the reference, which was made in PyTorch's eval mode.
    checkpoint.config.hidden_dropout_prob = 0.0;
    checkpoint.config.attention_probs_dropout_prob = 0.0;
    let device = Default::default();
    let model = checkpoint.load::<B>(&device).unwrap();
    let pairs: Vec<[String; 2]> =
        serde_json::from_slice(&std::fs::read(fixture("seed_pairs.json")).unwrap()).unwrap();
    let tokenizer = checkpoint.tokenizer().unwrap();
    let embed = |side: usize| -> Tensor<B, 2> {
        let texts: Vec<&str> = pairs.iter().map(|pair| pair[side].as_str()).collect();
        let tokens = tokenizer.encode(&texts).unwrap();
        let batch = TokenBatch::new(
            tokens.iter().map(|t| t.ids.as_slice()),
            checkpoint.config.pad_token_id,
        );
        let (input_ids, attention_mask) = batch.to_tensors(&device);
        model.forward(input_ids, attention_mask)
    };
    let loss = (embed(0) - embed(1)).square().mean();
    let value: f32 = loss.clone().into_scalar();
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

/// Collects the gradient of every parameter by its path, and the paths of parameters without one.
struct Gradients<'a> {
    gradients: &'a GradientsParams,
    path: Vec<String>,
    found: Vec<(String, Vec<usize>, Vec<f32>)>,
    without: Vec<String>,
}

impl<B: AutodiffBackend> ModuleVisitor<B> for Gradients<'_> {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        let path = self.path.join(".");
        match self.gradients.get::<B::InnerBackend, D>(param.id) {
            Some(gradient) => {
                let shape = gradient.dims().to_vec();
                let values = gradient.into_data().convert::<f32>().to_vec().unwrap();
                self.found.push((path, shape, values));
            }
            None => self.without.push(path),
        }
    }
}

#[test]
fn gradients_reach_every_parameter_and_match_pytorch() {
    let (model, gradients) = gradients();
    let mut visitor = Gradients {
        gradients: &gradients,
        path: Vec::new(),
        found: Vec::new(),
        without: Vec::new(),
    };
    model.visit(&mut visitor);
    assert_eq!(visitor.without, [""; 0], "parameters without a gradient");
    // 2 layers of 16 tensors, 4 of the embeddings, the relative bias.
    assert_eq!(visitor.found.len(), 37);

    let (mut compared, mut largest_relative) = (0, 0.0f32);
    for (path, shape, values) in &visitor.found {
        // A key's bias shifts all scores of a query alike, which the softmax takes out again.
        let cancels = path.ends_with("attention.key.bias");
        let largest = values
            .iter()
            .fold(0.0f32, |largest, value| largest.max(value.abs()));
        assert!(
            values.iter().all(|value| value.is_finite()),
            "{path} has a gradient that is not finite"
        );
        assert!(
            cancels || largest > 1e-8,
            "{path} has no gradient to speak of: {largest:e}"
        );

        let Some(name) = checkpoint_name(path) else {
            continue;
        };
        let (expected_shape, mut expected) =
            reference_tensor("tiny_gradients.safetensors", &format!("mse/{name}"));
        if name.ends_with(".weight")
            && shape.len() == 2
            && !path.contains("table")
            && !path.contains("position")
        {
            expected = transposed(&expected, expected_shape[0], expected_shape[1]);
        }
        let scale = expected
            .iter()
            .fold(0.0f32, |scale, value| scale.max(value.abs()));
        // The cancelling gradient is rounding noise on both sides: it is held against the gradient
        // of the weights.
        let scale = if cancels { 1e-3 } else { scale };
        let difference = assert_close(&name, values, &expected, RELATIVE_TOLERANCE * scale);
        largest_relative = largest_relative.max(difference / scale);
        compared += 1;
    }
    // Layer 0, the embeddings' positions and norm, the relative bias.
    assert_eq!(compared, 20);
    report("tiny model, gradients, relative", largest_relative);
}

/// The name of a parameter in the reference file, which holds layer 0 and what is shared.
fn checkpoint_name(path: &str) -> Option<String> {
    let (module, part) = path.rsplit_once('.')?;
    let module = match module.strip_prefix("network.")? {
        "embeddings.position" => "embeddings.position_embeddings",
        "embeddings.norm" => "embeddings.LayerNorm",
        "relative_bias.table" => "encoder.relative_attention_bias",
        "layers.0.attention.query" => "encoder.layer.0.attention.attn.q",
        "layers.0.attention.key" => "encoder.layer.0.attention.attn.k",
        "layers.0.attention.value" => "encoder.layer.0.attention.attn.v",
        "layers.0.attention.output" => "encoder.layer.0.attention.attn.o",
        "layers.0.attention_norm" => "encoder.layer.0.attention.LayerNorm",
        "layers.0.intermediate" => "encoder.layer.0.intermediate.dense",
        "layers.0.output" => "encoder.layer.0.output.dense",
        "layers.0.output_norm" => "encoder.layer.0.output.LayerNorm",
        _ => return None,
    };
    let part = match part {
        "gamma" => "weight",
        "beta" => "bias",
        other => other,
    };
    Some(format!("{module}.{part}"))
}

fn transposed(values: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    (0..columns)
        .flat_map(|column| (0..rows).map(move |row| values[row * columns + column]))
        .collect()
}
