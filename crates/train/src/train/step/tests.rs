//! Every way to take a step gives the gradients of the plain one.

mod adapters;
mod gist;

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
use crate::losses::{Loss, Objective};
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
    let mut batch = TokenBatcher::new(tokenizer).tokenize(&rows);
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

#[test]
fn dropout_is_the_same_in_the_second_pass() {
    fn body<B: TrainingBackend>(device: &B::Device) {
        let model = checkpoint(0.3).load::<B>(device).unwrap();
        let (loss, kept) = step(&model, settings(Activations::Stored, 2, 3));
        // The gradient belongs to the loss only if both passes drop the same elements.
        let forgotten = step(&model, settings(Activations::GradCache, 2, 3));
        assert_same("forgotten", forgotten, &(loss, kept.clone()));
        // Per layer the seeds are others, but the two ways over layers have them in common.
        let layers = step(&model, settings(Activations::Checkpointed, 2, 3));
        assert!((layers.0 - loss).abs() > 1e-6);
        let again = step(&model, settings(Activations::GradCacheCheckpointed, 2, 3));
        assert_same("layers", again, &layers);
        // And a step can be had again, bit for bit.
        assert_eq!(
            step(&model, settings(Activations::Stored, 2, 3)),
            (loss, kept)
        );
        let (undropped, _) = plain(&checkpoint(0.0).load::<B>(device).unwrap());
        assert!((undropped - loss).abs() > 1e-4, "dropout acts");
    }
    on_test_device!(body with gradients);
}

/// Masks of the device's generator, too, are drawn again: with and without gradients, in the second pass as in the first.
///
/// Runs in a child process: other tests draw from the same generator.
#[test]
fn the_device_draws_the_same_masks_again() {
    fn body<B: TrainingBackend>(device: &B::Device) {
        let model = checkpoint(0.3).load::<B>(device).unwrap();
        let on_device = |activations| StepSettings {
            dropout_rng: DropoutRng::Device,
            ..settings(activations, 2, 3)
        };
        let stored = step(&model, on_device(Activations::Stored));
        let again = step(&model, on_device(Activations::GradCache));
        assert_same("GradCache", again, &stored);
        let layers = step(&model, on_device(Activations::Checkpointed));
        let again = step(&model, on_device(Activations::GradCacheCheckpointed));
        assert_same("layers", again, &layers);
        let (undropped, _) = plain(&checkpoint(0.0).load::<B>(device).unwrap());
        assert!((undropped - stored.0).abs() > 1e-4, "dropout acts");
        assert!((undropped - layers.0).abs() > 1e-4, "dropout acts");
    }
    const CHILD: &str = "TRAIN_TEST_DEVICE_DROPOUT";
    if std::env::var_os(CHILD).is_some() {
        on_test_device!(body with gradients);
        return;
    }
    let name = "train::step::tests::the_device_draws_the_same_masks_again";
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name])
        .env(CHILD, "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
    assert!(text.contains("1 passed"), "{text}");
}

/// Recomputed layers against one graph over all of them, which draws the same random numbers once.
#[test]
fn layers_computed_again_drop_what_they_dropped() {
    fn body<B: TrainingBackend>(device: &B::Device) {
        let model = checkpoint(0.3).load::<B>(device).unwrap();
        let settings = || settings(Activations::Checkpointed, 1, 100);
        let found = step(&model, settings());

        let batch = batch();
        let mut vectors: BTreeMap<usize, Tensor<B, 2>> = BTreeMap::new();
        for micro_batch in plan_micro_batches(&batch, settings().micro_batch, None, 1, 1) {
            let seed = |index: usize| crate::random::derive_seed(micro_batch.seed, index as u64);
            let (network, tokens) = (&model.network, &micro_batch.tokens);
            let bias = network.position_bias(tokens.length());
            let (mut hidden, context) =
                model::parts::with_dropout_seed(seed(0), || network.embed_batch(tokens, bias));
            for (index, layer) in network.layers().iter().enumerate() {
                let forward = || layer.forward(hidden, &context);
                hidden = model::parts::with_dropout_seed(seed(index + 1), forward);
            }
            let rows = model.batch_vectors(hidden, tokens);
            let places = micro_batch.texts.iter().enumerate();
            vectors.extend(places.map(|(row, &text)| (text, rows.clone().narrow(0, row, 1))));
        }
        let all = Tensor::cat(vectors.into_values().collect(), 0);
        let columns = [0, batch.rows].map(|first| all.clone().narrow(0, first, batch.rows));
        let loss = settings().objective.forward(&columns, None);
        let value = loss.clone().into_data().iter::<f64>().next().unwrap();
        let training_model = TrainingModel::new(model.clone(), settings());
        let gradients = GradientsParams::from_grads(loss.backward(), &training_model);
        assert_same(
            "layers",
            found,
            &(value, by_path::<B, _>(&training_model, &gradients)),
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
    use super::two_devices::{TestDevice, TwoDevices};
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

/// The device's generator belongs to all replicas: one must not draw between the seed and the pass of another.
#[test]
fn replicas_take_turns_at_the_generator_of_the_device() {
    use std::sync::atomic::{AtomicUsize, Ordering};
    fn body<B: model::backend::EncoderOps>(device: &B::Device) {
        let inside = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for seed in 0..4 {
                let inside = &inside;
                scope.spawn(move || {
                    DropoutRng::Device.run::<B, _>(seed, device, || {
                        assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                        std::thread::sleep(std::time::Duration::from_millis(5));
                        inside.fetch_sub(1, Ordering::SeqCst);
                    });
                });
            }
        });
    }
    on_test_device!(body);
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
