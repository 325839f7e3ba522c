//! Every way to take a step gives the gradients of the plain one.

mod adapters;
mod dropout;
mod gist;
mod tags;
#[cfg(feature = "cpu")]
mod two_devices;

use std::collections::BTreeMap;
use std::sync::Arc;

use burn::module::{AutodiffModule, Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;
use burn::tensor::backend::AutodiffBackend;
use burn::train::{InferenceStep, TrainStep};
use model::Checkpoint;
use model::backend::TrainingBackend;
use model::parts::{BatchCost, BatchLimit, SentenceModel, TokenBatch};

use super::super::micro_batch::plan_micro_batches;
use super::{Activations, DropoutRng, Padding, StepSettings, TrainingModel};
use crate::batch::{TokenBatcher, TrainingBatch};
use crate::data::Example;
use crate::losses::{Loss, Matryoshka, Objective};
use crate::test_device::on_test_device;
use crate::testing::{json_fixture, tiny_model};

/// Relative to the largest gradient of a tensor: sums run in another order.
const TOLERANCE: f32 = 1e-4;

fn checkpoint(dropout: f64) -> Checkpoint {
    let mut checkpoint = Checkpoint::open(&tiny_model()).unwrap();
    checkpoint.config.hidden_dropout = dropout;
    checkpoint.config.attention_dropout = dropout;
    checkpoint
}

/// The pairs of the reference, with texts of very different lengths.
fn batch() -> TrainingBatch {
    let reference = json_fixture("tiny_losses.json");
    let texts =
        |name: &str| -> Vec<String> { serde_json::from_value(reference[name].clone()).unwrap() };
    let rows: Vec<Example> = texts("queries")
        .into_iter()
        .zip(texts("descriptions"))
        .map(|(query, description)| Example {
            texts: vec![query, description],
            target: None,
        })
        .collect();
    let tokenizer = Arc::new(checkpoint(0.0).tokenizer().unwrap());
    let mut batch = TokenBatcher::new(tokenizer).tokenize(&rows, 0);
    batch.seed = 11;
    batch
}

fn settings(activations: Activations, replicas: usize, texts: usize) -> StepSettings {
    StepSettings {
        objective: Objective::new(Loss::MultipleNegativesRanking { scale: 20.0 }),
        pad_token_id: 1,
        micro_batch: BatchLimit { tokens: 512, texts },
        padding: None,
        activations,
        dropout_rng: DropoutRng::Host,
        replicas_per_device: replicas,
        loss_rows: usize::MAX,
        devices: Vec::new(),
    }
}

/// Gradients by the path of their parameter.
fn by_path<B: TrainingBackend, M: AutodiffModule<B>>(
    module: &M,
    gradients: &GradientsParams,
) -> Paths {
    struct Visitor<'a> {
        path: Vec<String>,
        gradients: &'a GradientsParams,
        found: Paths,
    }
    impl<B: AutodiffBackend> ModuleVisitor<B> for Visitor<'_> {
        fn enter_module(&mut self, name: &str, _: &str) {
            self.path.push(name.to_owned());
        }
        fn exit_module(&mut self, _: &str, _: &str) {
            self.path.pop();
        }
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
            if let Some(gradient) = self.gradients.get::<B::InnerBackend, D>(param.id) {
                let values = gradient.into_data().convert::<f32>().to_vec().unwrap();
                self.found.insert(self.path.join("."), values);
            }
        }
    }
    let mut visitor = Visitor {
        path: Vec::new(),
        gradients,
        found: Paths::new(),
    };
    module.visit(&mut visitor);
    visitor.found
}

type Paths = BTreeMap<String, Vec<f32>>;

/// Loss and gradients of a step.
fn step<B: TrainingBackend>(model: &SentenceModel<B>, settings: StepSettings) -> (f64, Paths) {
    let training_model = TrainingModel::new(model.clone(), settings);
    let output = TrainStep::step(&training_model, batch());
    (
        output.item.loss,
        by_path::<B, _>(&training_model, &output.grads),
    )
}

/// The same by one graph over whole columns, as one would write it without replicas.
fn plain<B: TrainingBackend>(model: &SentenceModel<B>) -> (f64, Paths) {
    let device = &model.network.device();
    let batch = batch();
    let column = |column: usize| {
        let texts = &batch.texts[column * batch.rows..(column + 1) * batch.rows];
        let tokens = TokenBatch::new(texts.iter().map(Vec::as_slice), 1);
        let (ids, mask) = tokens.to_tensors(device);
        model.forward(ids, mask)
    };
    let loss = settings(Activations::Stored, 1, 100)
        .objective
        .forward(&[column(0), column(1)], None);
    let value = loss.clone().into_data().iter::<f64>().next().unwrap();
    let training_model = TrainingModel::new(model.clone(), settings(Activations::Stored, 1, 100));
    let gradients = GradientsParams::from_grads(loss.backward(), &training_model);
    (value, by_path::<B, _>(&training_model, &gradients))
}

#[track_caller]
fn assert_same(what: &str, (loss, found): (f64, Paths), (expected_loss, expected): &(f64, Paths)) {
    assert!(
        (loss - expected_loss).abs() <= 1e-5 * expected_loss.abs(),
        "{what}: loss {loss}, expected {expected_loss}"
    );
    let names = |paths: &Paths| paths.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&found), names(expected), "{what}: parameters");
    for (path, values) in &found {
        let expected = &expected[path];
        let scale = expected.iter().fold(0f32, |a, b| a.max(b.abs()));
        // The gradient of a key's bias is zero except for rounding: it cancels out in the softmax.
        let scale = if path.ends_with("key.bias") {
            1e-2
        } else {
            scale
        };
        for (index, (a, b)) in values.iter().zip(expected).enumerate() {
            assert!(
                (a - b).abs() <= TOLERANCE * scale,
                "{what}: {path}[{index}] is {a}, expected {b} within {TOLERANCE} of {scale}"
            );
        }
    }
}

const ALL: [Activations; 4] = [
    Activations::Stored,
    Activations::Checkpointed,
    Activations::GradCache,
    Activations::GradCacheCheckpointed,
];

#[test]
fn micro_batches_replicas_and_grad_cache_change_no_gradient() {
    fn body<B: TrainingBackend>(device: &B::Device) {
        let model = checkpoint(0.0).load::<B>(device).unwrap();
        let expected = plain(&model);
        assert_eq!(expected.1.len(), 37);
        for activations in ALL {
            for (replicas, texts) in [(1, 100), (2, 3), (3, 1)] {
                let found = step(&model, settings(activations, replicas, texts));
                assert_same(
                    &format!("{activations:?} {replicas} {texts}"),
                    found,
                    &expected,
                );
            }
        }
    }
    on_test_device!(body with gradients);
}

/// At every dimension, and with a last block that is not full.
#[test]
fn a_loss_in_blocks_of_rows_is_that_of_the_whole_batch() {
    fn body<B: TrainingBackend>(device: &B::Device) {
        let model = checkpoint(0.0).load::<B>(device).unwrap();
        let loss = Loss::MultipleNegativesRanking { scale: 20.0 };
        let matryoshka = Objective::new(loss).with_matryoshka(Matryoshka::new(vec![8, 32]));
        for objective in [Objective::new(loss), matryoshka] {
            let in_blocks = |loss_rows| StepSettings {
                objective: objective.clone(),
                loss_rows,
                ..settings(Activations::GradCache, 2, 3)
            };
            let expected = step(&model, in_blocks(usize::MAX));
            for rows in [1, 3, 7] {
                assert_same(
                    &format!("{rows} rows"),
                    step(&model, in_blocks(rows)),
                    &expected,
                );
            }
            // The bits of a batch that is one block do not change.
            let whole = step(&model, in_blocks(batch().rows));
            assert_eq!(whole.1, expected.1);
        }
        // Another loss is not cut.
        let symmetric = |loss_rows| StepSettings {
            objective: Objective::new(Loss::MultipleNegativesSymmetric { scale: 20.0 }),
            loss_rows,
            ..settings(Activations::GradCache, 2, 3)
        };
        assert_eq!(
            step(&model, symmetric(3)).1,
            step(&model, symmetric(usize::MAX)).1
        );
    }
    on_test_device!(body with gradients);
}

#[test]
fn frozen_layers_have_no_gradient_and_the_others_the_same() {
    fn body<B: TrainingBackend>(device: &B::Device) {
        let model = checkpoint(0.0).load::<B>(device).unwrap();
        let (loss, mut expected) = plain(&model);
        expected.retain(|path, _| path.contains("layers.1"));
        assert_eq!(expected.len(), 16);
        let mut frozen = model;
        frozen.network = frozen.network.freeze(1);
        for activations in ALL {
            let found = step(&frozen, settings(activations, 2, 3));
            assert_same(
                &format!("{activations:?}"),
                found,
                &(loss, expected.clone()),
            );
        }
    }
    on_test_device!(body with gradients);
}

#[test]
fn validation_gives_the_loss_without_dropout() {
    fn body<B: TrainingBackend>(device: &B::Device) {
        let model = checkpoint(0.3).load::<B>(device).unwrap();
        let (expected, _) = plain(&checkpoint(0.0).load::<B>(device).unwrap());
        let training_model = TrainingModel::new(model, settings(Activations::Stored, 2, 3)).valid();
        let output = InferenceStep::step(&training_model, batch());
        assert!(
            (output.loss - expected).abs() <= 1e-5 * expected,
            "{}",
            output.loss
        );
        assert_eq!((output.rows, output.texts), (5, 10));
    }
    on_test_device!(body with gradients);
}

/// As on a GPU: padded to length buckets.
#[test]
fn padding_changes_no_gradient() {
    fn body<B: TrainingBackend>(device: &B::Device) {
        let model = checkpoint(0.0).load::<B>(device).unwrap();
        let expected = plain(&model);
        for activations in ALL {
            let padded = StepSettings {
                padding: Some(Padding {
                    cost: BatchCost::GPU,
                    longest: 128,
                }),
                ..settings(activations, 1, 100)
            };
            let found = step(&model, padded);
            assert_same(&format!("{activations:?} padded"), found, &expected);
        }
    }
    on_test_device!(body with gradients);
}

/// On two devices, which refuse operands of the other one as those of a GPU backend do.
#[cfg(feature = "cpu")]
#[test]
fn two_devices_share_a_batch() {
    use self::two_devices::{TestDevice, TwoDevices};
    use burn::tensor::backend::DeviceOps;
    type B = burn::backend::Autodiff<TwoDevices>;
    let devices = [TestDevice(0), TestDevice(1)];
    let model = checkpoint(0.0).load::<B>(&devices[0]).unwrap();
    let expected = plain(&model);
    for activations in ALL {
        let settings = StepSettings {
            devices: devices.iter().map(|device| device.id()).collect(),
            ..settings(activations, 1, 3)
        };
        let found = step(&model, settings);
        assert_same(&format!("{activations:?} on two devices"), found, &expected);
    }
}

#[test]
fn only_computed_tokens_are_counted_and_only_losses_without_negatives_look_for_a_collapse() {
    fn body<B: TrainingBackend>(device: &B::Device) {
        let model = checkpoint(0.0).load::<B>(device).unwrap();
        let lengths: Vec<usize> = batch().texts.iter().map(Vec::len).collect();
        let longest = lengths.iter().max().unwrap();
        let mut one_batch = settings(Activations::Stored, 1, 100);
        one_batch.micro_batch.tokens = usize::MAX;
        // Without a share of the tokens, the batch is one micro-batch.
        one_batch.padding = Some(Padding {
            cost: BatchCost {
                batch: 1.0,
                token: 0.0,
            },
            longest: 0,
        });
        let output = TrainStep::step(&TrainingModel::new(model.clone(), one_batch), batch()).item;
        let expected = if B::VARLEN {
            lengths.iter().sum()
        } else {
            lengths.len() * longest
        };
        assert_eq!(output.tokens, expected);
        assert_eq!(output.mean_cosine, None);
        let mut without_negatives = settings(Activations::Stored, 2, 3);
        without_negatives.objective = Objective::new(Loss::MeanSquaredError);
        let output = TrainStep::step(&TrainingModel::new(model, without_negatives), batch()).item;
        assert!(output.mean_cosine.is_some_and(|cosine| cosine > 0.0));
    }
    on_test_device!(body with gradients);
}
