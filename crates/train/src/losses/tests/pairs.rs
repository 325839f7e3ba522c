//! Losses of rerankers against sentence-transformers: `reranking.json`, written by the script beside it. Values and
//! gradients on fixed scores, and whole runs of random cross-encoders against PyTorch, dropout off.

use std::path::PathBuf;
use std::sync::Arc;

use burn::backend::Autodiff;
use burn::module::Module;
use burn::optim::Optimizer;
use burn::tensor::{Tensor, TensorData};
use burn::train::TrainStep;
use model::Checkpoint;
use model::backend::{EncoderOps, TrainingBackend};
use model::hub::{self, HubOptions};
use model::parts::BatchLimit;
use serde::Deserialize;

use super::tiny_model::{DecayedVectors, RATE, assert_steps, reference};
use crate::batch::{PairInput, TokenBatcher};
use crate::data::Example;
use crate::losses::{GAP, Loss, Objective, PairLoss};
use crate::test_device::on_test_device;
use crate::testing::{assert_close, json_fixture, values};
use crate::train::optimizer::{AdamWSettings, DecoupledAdamW};
use crate::train::step::{Activations, DropoutRng, StepSettings, TrainingModel};

#[derive(Deserialize)]
struct Case {
    name: String,
    loss: String,
    scale: Option<f64>,
    scores: Vec<Vec<f32>>,
    targets: Option<Vec<Vec<f32>>>,
    value: f32,
    gradients: Vec<Vec<f32>>,
}

fn loss(name: &str) -> Loss {
    Loss::OfPairs(PairLoss::of_name(name).unwrap())
}

/// Relative to the largest number compared, as of the losses over embeddings: a scale of 10, and exponentials. Gradients
/// get an epsilon more: the derivative of a sigmoid `s` is `s * (1 - s)`, and near 1 the difference is rounded by half of
/// an epsilon.
const TOLERANCE: f32 = 2e-5;

#[test]
fn values_and_gradients_match_sentence_transformers() {
    fn body<B: EncoderOps>(device: &B::Device) {
        let cases: Vec<Case> =
            serde_json::from_value(json_fixture("reranking.json")["cases"].take()).unwrap();
        assert_eq!(cases.len(), 20);
        for case in cases {
            let name = format!("{} {}", case.loss, case.name);
            let mut loss = loss(&case.loss);
            if let Some(scale) = case.scale {
                loss = loss.with_scale(scale).unwrap();
            }
            let rows = case.scores.len();
            let columns: Vec<Tensor<Autodiff<B>, 2>> = (0..case.scores[0].len())
                .map(|column| {
                    let scores: Vec<f32> = case.scores.iter().map(|row| row[column]).collect();
                    Tensor::from_data(TensorData::new(scores, [rows, 1]), device).require_grad()
                })
                .collect();
            let targets = case.targets.map(|targets| targets.concat());
            let targets = targets.map(|targets| Tensor::from_floats(targets.as_slice(), device));
            let value = Objective::new(loss).forward(&columns, targets.as_ref());
            assert_close(
                &name,
                &values(value.clone()),
                &[case.value],
                TOLERANCE * case.value.max(1.0),
            );
            let gradients = value.backward();
            let largest = case
                .gradients
                .iter()
                .flatten()
                .fold(0.0f32, |most, value| most.max(value.abs()));
            for (place, column) in columns.iter().enumerate() {
                let expected: Vec<f32> = case.gradients.iter().map(|row| row[place]).collect();
                let actual = values(column.grad(&gradients).unwrap());
                assert_close(
                    &format!("{name}: gradient of column {place}"),
                    &actual,
                    &expected,
                    TOLERANCE * largest + f32::EPSILON,
                );
            }
        }
    }
    on_test_device!(body);
}

/// A row with fewer negatives counts as it would in a batch of its own.
#[test]
fn gaps_do_not_count() {
    fn body<B: EncoderOps>(device: &B::Device) {
        let column = |scores: &[f32]| -> Tensor<B, 2> {
            Tensor::from_data(TensorData::new(scores.to_vec(), [scores.len(), 1]), device)
        };
        let labels = |labels: &[f32]| -> Tensor<B, 1> { Tensor::from_floats(labels, device) };
        // The second row has one negative, the third none.
        let columns = [
            column(&[0.3, -0.2, 1.0]),
            column(&[0.9, 0.4, 7.0]),
            column(&[-0.5, 7.0, 7.0]),
        ];
        let gaps = labels(&[1.0, 0.0, 0.0, 1.0, 0.0, GAP, 1.0, GAP, GAP]);
        let rows: [&[f32]; 3] = [&[0.3, 0.9, -0.5], &[-0.2, 0.4], &[1.0]];
        for (name, of_scores) in [("bce", true), ("mnrl", false)] {
            let objective = Objective::new(loss(name));
            let value = |columns: &[Tensor<B, 2>], targets: Option<&Tensor<B, 1>>| {
                values(objective.forward(columns, targets))[0]
            };
            // A mean over scores, or over rows.
            let weights = rows.map(|row| if of_scores { row.len() as f32 } else { 1.0 });
            let alone = rows.map(|row| {
                value(
                    &row.iter()
                        .map(|score| column(&[*score]))
                        .collect::<Vec<_>>(),
                    None,
                )
            });
            let sum: f32 = alone
                .iter()
                .zip(weights)
                .map(|(loss, weight)| loss * weight)
                .sum();
            let expected = sum / weights.iter().sum::<f32>();
            let actual = value(&columns, Some(&gaps));
            assert_close(name, &[actual], &[expected], TOLERANCE);
            // Without a gap the labels change nothing, to the bit.
            let full = labels(&[1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0]);
            assert_eq!(
                value(&columns, Some(&full)),
                value(&columns, None),
                "{name}"
            );
        }
    }
    on_test_device!(body);
}

/// One row without negatives takes none from the others.
#[test]
fn a_batch_keeps_the_negatives_of_its_other_rows() {
    let folder =
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../model/tests/fixtures/rerankers/mpnet");
    let found = hub::resolve(folder.to_str().unwrap(), &HubOptions::default()).unwrap();
    let tokenizer = Checkpoint::open_reranker(&found, 0)
        .unwrap()
        .tokenizer()
        .unwrap();
    let batcher = TokenBatcher::new(Arc::new(tokenizer)).of_pairs(PairInput {
        token_types: false,
        negatives: 2,
    });
    let row = |texts: [&str; 2]| Example {
        texts: texts.map(str::to_owned).to_vec(),
        target: None,
    };
    // All texts of the batch are right for the first anchor but one.
    let rows = [
        ["chair", "red"],
        ["chair", "steel"],
        ["cable", "wireless"],
        ["chair", "compact"],
    ]
    .map(row);
    let batch = batcher.tokenize(&rows, 5);
    assert_eq!((batch.columns(), batch.texts.len()), (3, 12));
    let chair = [1.0, 0.0, GAP];
    let cable = [1.0, 0.0, 0.0];
    assert_eq!(
        batch.targets.unwrap(),
        [chair, chair, cable, chair].concat()
    );
    // Without a gap a batch has no labels.
    assert_eq!(batcher.tokenize(&rows[1..3], 5).targets, None);
}

/// The losses of 20 steps of a run, as its loader and its step compute them.
fn losses_of_a_run<B: TrainingBackend>(
    device: &B::Device,
    name: &str,
    activations: Activations,
) -> Vec<f32> {
    let (model, words) = name.split_once(' ').unwrap();
    let loss_name = words.split(' ').next().unwrap();
    let folder =
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../model/tests/fixtures/rerankers");
    let found = hub::resolve(folder.join(model).to_str().unwrap(), &HubOptions::default()).unwrap();
    let mut checkpoint = Checkpoint::open_reranker(&found, 0).unwrap();
    // As the reference, which was made in PyTorch's eval mode.
    checkpoint.set_dropout(0.0);
    let columns =
        if words.contains("negatives") && !words.contains("ranking") || words == "margin-mse" {
            3
        } else {
            2
        };
    let reference = reference();
    let texts = reference.texts();
    let rows: Vec<Example> = (0..texts[0].len())
        .map(|row| Example {
            texts: texts[..columns]
                .iter()
                .map(|texts| texts[row].clone())
                .collect(),
            target: None,
        })
        .collect();
    let objective = Objective::new(loss(loss_name));
    let Loss::OfPairs(pairs) = objective.loss else {
        panic!("{name}")
    };
    let batcher =
        TokenBatcher::new(Arc::new(checkpoint.tokenizer().unwrap())).of_pairs(PairInput {
            token_types: checkpoint.config.token_types > 1,
            negatives: pairs.negatives(),
        });
    let mut batch = batcher.tokenize(&rows, 3);
    let targets = json_fixture("reranking.json")["targets"][name].take();
    let targets: Option<Vec<Vec<f32>>> = serde_json::from_value(targets).unwrap();
    batch.targets = targets.map(|targets| targets.concat());
    let settings = StepSettings {
        objective,
        pad_token_id: checkpoint.config.pad_token_id,
        micro_batch: BatchLimit {
            tokens: 512,
            texts: 3,
        },
        padding: None,
        activations,
        dropout_rng: DropoutRng::Host,
        replicas_per_device: 2,
        loss_rows: usize::MAX,
        devices: Vec::new(),
    };
    let mut model = TrainingModel::<B>::new(checkpoint.load(device).unwrap(), settings);
    let mut optimizer = DecoupledAdamW::optimizer(AdamWSettings::default());
    (0..20)
        .map(|_| {
            let output = TrainStep::step(&model, batch.clone());
            model = optimizer.step(RATE, model.clone().map(&mut DecayedVectors), output.grads);
            output.item.loss as f32
        })
        .collect()
}

/// The head is trained with the network: without it the curves would part at the second step.
#[test]
fn cross_encoders_train_as_in_pytorch() {
    fn body<B: TrainingBackend>(device: &B::Device) {
        let fixture = json_fixture("reranking.json");
        let curves = fixture["curves"].as_object().unwrap();
        assert_eq!(curves.len(), 6);
        for name in curves.keys() {
            let curve = |part: &str| -> Vec<f32> {
                serde_json::from_value(fixture[part][name].clone()).unwrap()
            };
            let actual = losses_of_a_run::<B>(device, name, Activations::Stored);
            let from_exact = assert_steps(name, &actual, &curve("double_precision"), 0.0);
            let from_single = assert_steps(name, &actual, &curve("curves"), 0.0);
            println!(
                "{name}: largest relative difference {from_single:.1e}, from double precision {from_exact:.1e}"
            );
        }
    }
    on_test_device!(body with gradients);
}

#[test]
fn gradient_checkpointing_trains_the_head_too() {
    fn body<B: TrainingBackend>(device: &B::Device) {
        let name = "bert binary-cross-entropy negatives";
        let expected = losses_of_a_run::<B>(device, name, Activations::Stored);
        for activations in [
            Activations::Checkpointed,
            Activations::GradCache,
            Activations::GradCacheCheckpointed,
        ] {
            let actual = losses_of_a_run::<B>(device, name, activations);
            // Sums run in another order, and twenty steps build on each other.
            assert_close(&format!("{activations:?}"), &actual, &expected, 1e-4);
        }
    }
    on_test_device!(body with gradients);
}
