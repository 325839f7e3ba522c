//! The gradients of the first step.

use burn::module::ModuleVisitor;
use burn::tensor::backend::AutodiffBackend;
use safetensors::SafeTensors;

use super::*;

/// Relative to the largest gradient of the tensor: backward sums run in another order than
/// PyTorch's.
const GRADIENT_TOLERANCE: f32 = 1e-4;

#[test]
fn gradients_match_pytorch() {
    fn body<B: TrainingBackend>(device: &B::Device) {
        let reference = reference();
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/fixtures/tiny_gradients.safetensors");
        let bytes = std::fs::read(path).unwrap();
        let tensors = SafeTensors::deserialize(&bytes).unwrap();
        let mut training_model = TrainingModel::<B>::load(device);
        let cases = [
            ("mse", "mse", 2),
            ("cosent", "cosent", 2),
            ("triplet_euclidean", "triplet-euclidean", 3),
            ("multiple_negatives_ranking", "mnrl", 2),
        ];
        let mut compared = 0;
        for (production, (name, loss, columns)) in [false, true]
            .into_iter()
            .flat_map(|production| cases.map(|case| (production, case)))
        {
            training_model.production = production;
            let run = run(name, loss, columns, &reference);
            let loss = training_model.loss(&run, &reference);
            let gradients = GradientsParams::from_grads(loss.backward(), &training_model.model);
            let mut comparison = Comparison {
                loss: name,
                expected: &tensors,
                gradients: &gradients,
                path: Vec::new(),
                compared: 0,
            };
            training_model.model.visit(&mut comparison);
            compared += comparison.compared;
        }
        assert_eq!(compared, 2 * tensors.len());
    }
    on_test_device!(body with gradients);
}

/// Compares the gradient of every parameter that the reference has.
struct Comparison<'a> {
    loss: &'a str,
    expected: &'a SafeTensors<'a>,
    gradients: &'a GradientsParams,
    path: Vec<String>,
    compared: usize,
}

impl<B: AutodiffBackend> ModuleVisitor<B> for Comparison<'_> {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        let path = self.path.join(".");
        let Some(name) = checkpoint_name(&path) else {
            return;
        };
        let name = format!("{}/{name}", self.loss);
        let expected = self.expected.tensor(&name).unwrap();
        let mut expected_values = floats(expected.data());
        let is_table = path.contains("table") || path.contains("position");
        if D == 2 && !is_table {
            let [rows, columns] = expected.shape() else {
                panic!("{name}: {:?}", expected.shape());
            };
            // burn's linear layers hold the transposed weights.
            expected_values = transposed(&expected_values, *rows, *columns);
        }
        // A key's bias shifts all scores of a query alike, which the softmax takes out again: what
        // is left is rounding on both sides, held against the gradient of the key's weights.
        let scale = if path.ends_with("attention.key.bias") {
            let weights = self.expected.tensor(&name.replace(".bias", ".weight"));
            largest(&floats(weights.unwrap().data()))
        } else {
            largest(&expected_values)
        };
        let actual = self.gradients.get::<B::InnerBackend, D>(param.id).unwrap();
        assert_close(
            &name,
            &values(actual),
            &expected_values,
            GRADIENT_TOLERANCE * scale,
        );
        self.compared += 1;
    }
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

fn floats(bytes: &[u8]) -> Vec<f32> {
    let (values, _) = bytes.as_chunks::<4>();
    values
        .iter()
        .map(|bytes| f32::from_le_bytes(*bytes))
        .collect()
}

fn largest(values: &[f32]) -> f32 {
    values
        .iter()
        .fold(0.0, |largest, value| value.abs().max(largest))
}

fn transposed(values: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    (0..columns)
        .flat_map(|column| (0..rows).map(move |row| values[row * columns + column]))
        .collect()
}
