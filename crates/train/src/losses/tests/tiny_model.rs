//! Whole training runs of the random 2-layer model against PyTorch, dropout off: the loss of 20
//! steps for every loss except `triplet-cosine`, the gradients of the first step for four, and who collapses.
//! `distillation.json` has the curves of losses with a teacher or a guide.

mod gradients;

use std::collections::HashMap;
use std::sync::Arc;

use burn::module::{Module, ModuleMapper, Param};
use burn::optim::{AdamWConfig, GradientsParams, Optimizer};
use burn::tensor::Tensor;
use burn::train::TrainStep;
use model::backend::TrainingBackend;
use model::parts::BatchLimit;
use model::parts::{SentenceModel, TokenBatch};
use model::{Checkpoint, SentenceTokenizer};
use serde::Deserialize;

use crate::batch::TokenBatcher;
use crate::data::Example;
use crate::losses::collapse::{has_collapsed, mean_pairwise_cosine};
use crate::losses::{Objective, TargetKind};
use crate::test_device::on_test_device;
use crate::testing::{assert_close, json_fixture, tiny_model, values};
use crate::train::optimizer::{AdamWSettings, DecoupledAdamW};
use crate::train::step::{self, Activations, DropoutRng, StepSettings};

/// The learning rate of all curves.
pub(super) const RATE: f64 = 1e-3;

/// `tiny_losses.json`: the texts, and the loss of every step by the name of the run.
#[derive(Deserialize)]
pub(super) struct Reference {
    queries: Vec<String>,
    descriptions: Vec<String>,
    negatives: Vec<String>,
    scores: Vec<f32>,
    labels: Vec<f32>,
    losses: HashMap<String, Vec<f32>>,
}

impl Reference {
    /// Column by column.
    pub(super) fn texts(&self) -> [&Vec<String>; 3] {
        [&self.queries, &self.descriptions, &self.negatives]
    }
}

pub(super) fn reference() -> Reference {
    serde_json::from_value(json_fixture("tiny_losses.json")).unwrap()
}

struct TrainingModel<B: TrainingBackend> {
    model: SentenceModel<B>,
    tokenizer: SentenceTokenizer,
    pad_token_id: u32,
    /// Whether batches have the layout of a run (a varlen batch on the device `cpu`) and not the padded one.
    production: bool,
}

impl<B: TrainingBackend> TrainingModel<B> {
    fn load(device: &B::Device) -> Self {
        let mut checkpoint = Checkpoint::open(&tiny_model()).unwrap();
        // As the reference, which was made in PyTorch's eval mode.
        checkpoint.config.hidden_dropout = 0.0;
        checkpoint.config.attention_dropout = 0.0;
        Self {
            model: checkpoint.load(device).unwrap(),
            tokenizer: checkpoint.tokenizer().unwrap(),
            pad_token_id: checkpoint.config.pad_token_id,
            production: false,
        }
    }

    fn embed(&self, texts: &[String]) -> Tensor<B, 2> {
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let tokens = self.tokenizer.encode(&texts).unwrap();
        let ids = tokens.iter().map(|tokens| tokens.ids.as_slice());
        let batch = TokenBatch::new(ids, self.pad_token_id);
        if self.production {
            return self.model.forward_batch(&batch);
        }
        let (ids, mask) = batch.to_tensors(&self.model.network.device());
        self.model.forward(ids, mask)
    }

    fn loss(&self, run: &Run, reference: &Reference) -> Tensor<B, 1> {
        let columns: Vec<_> = reference.texts()[..run.columns]
            .iter()
            .map(|texts| self.embed(texts))
            .collect();
        let device = self.model.network.device();
        let targets = run.targets.as_ref();
        let targets = targets.map(|targets| Tensor::from_floats(targets.as_slice(), &device));
        run.objective.forward(&columns, targets.as_ref())
    }

    /// Mean cosine of all texts.
    fn mean_cosine(&self, reference: &Reference) -> f32 {
        let texts = [reference.queries.clone(), reference.descriptions.clone()].concat();
        mean_pairwise_cosine(self.embed(&texts)).unwrap()
    }
}

/// A training run of the reference.
struct Run {
    objective: Objective,
    columns: usize,
    /// The numbers of all rows, one row after the other.
    targets: Option<Vec<f32>>,
    expected: Vec<f32>,
    /// The same in double precision: what PyTorch computes without its own roundings.
    exact: Vec<f32>,
}

/// Name in the reference, loss and columns of the runs without a teacher.
const RUNS: [(&str, &str, usize); 10] = [
    ("mse", "mse", 2),
    ("cosine", "cosine", 2),
    ("cosine_similarity", "cosine-similarity", 2),
    ("cosent", "cosent", 2),
    ("contrastive", "contrastive", 2),
    ("online_contrastive", "online-contrastive", 2),
    ("triplet_euclidean", "triplet-euclidean", 3),
    ("multiple_negatives_ranking", "mnrl", 2),
    ("multiple_negatives_ranking_hard", "mnrl", 3),
    (
        "multiple_negatives_symmetric",
        "multiple-negatives-symmetric",
        2,
    ),
];

fn run(name: &str, loss: &str, columns: usize, reference: &Reference) -> Run {
    let objective = Objective::new(loss.parse().unwrap());
    let mut exact = json_fixture("losses.json")["double_precision"].take();
    Run {
        columns,
        targets: match objective.loss.needs().target {
            TargetKind::Score => Some(reference.scores.clone()),
            TargetKind::Label => Some(reference.labels.clone()),
            _ => None,
        },
        objective,
        expected: reference.losses[name].clone(),
        exact: serde_json::from_value(exact[name].take()).unwrap(),
    }
}

fn distillation(name: &str, loss: &str, columns: usize) -> Run {
    let fixture = json_fixture("distillation.json");
    let numbers = |part: &str| serde_json::from_value(fixture[part][name].clone()).unwrap();
    let targets: Vec<Vec<f32>> = serde_json::from_value(fixture["targets"][name].clone()).unwrap();
    Run {
        objective: Objective::new(super::loss(loss, &serde_json::Value::Null)),
        columns,
        targets: Some(targets.concat()),
        expected: numbers("curves"),
        exact: numbers("double_precision"),
    }
}

/// Trains as the reference and returns the trained model.
fn assert_curve<B: TrainingBackend>(
    device: &B::Device,
    name: &str,
    run: &Run,
    reference: &Reference,
) -> TrainingModel<B> {
    let mut training_model = TrainingModel::<B>::load(device);
    let mut optimizer = AdamWConfig::new()
        .with_beta_1(0.9)
        .with_beta_2(0.999)
        .with_epsilon(1e-8)
        .with_weight_decay(0.01)
        .init::<B, SentenceModel<B>>();
    let mut actual = Vec::new();
    for _ in &run.expected {
        let loss = training_model.loss(run, reference);
        let gradients = GradientsParams::from_grads(loss.backward(), &training_model.model);
        training_model.model = optimizer.step(RATE, training_model.model, gradients);
        actual.push(values(loss)[0]);
    }
    let from_exact = assert_steps(name, &actual, &run.exact, 0.0);
    // PyTorch's logits of a loss with a scale of 20 are that far from the real numbers. (Where the
    // losses that rank multiple negatives come down to 0.002 at the last steps, PyTorch moves by up
    // to 5e-4 with the number of threads, and is up to 3e-4 off its own double precision.)
    let rounding = run.objective.loss.scale().unwrap_or(0.0) as f32 * f32::EPSILON / 2.0;
    let from_single = assert_steps(name, &actual, &run.expected, rounding);
    println!(
        "{name}: 20 steps, largest relative difference {from_single:.1e}, from PyTorch in double \
         precision {from_exact:.1e}"
    );
    let of_a_run = losses_of_a_run::<B>(device, run, reference);
    let from_exact = assert_steps(name, &of_a_run, &run.exact, 0.0);
    println!("{name}: the same by the steps of a run, from double precision {from_exact:.1e}");
    training_model
}

/// The losses of a run's own steps (texts of all columns in small micro-batches, on two replicas) and of its
/// optimiser.
fn losses_of_a_run<B: TrainingBackend>(
    device: &B::Device,
    run: &Run,
    reference: &Reference,
) -> Vec<f32> {
    let rows: Vec<Example> = (0..reference.queries.len())
        .map(|row| Example {
            texts: reference.texts()[..run.columns]
                .iter()
                .map(|texts| texts[row].clone())
                .collect(),
            target: None,
        })
        .collect();
    let TrainingModel {
        model,
        tokenizer,
        pad_token_id,
        ..
    } = TrainingModel::<B>::load(device);
    let mut batch = TokenBatcher::new(Arc::new(tokenizer)).tokenize(&rows, 0);
    batch.targets.clone_from(&run.targets);
    let settings = StepSettings {
        objective: run.objective.clone(),
        pad_token_id,
        micro_batch: BatchLimit {
            tokens: 512,
            texts: 3,
        },
        padding: None,
        activations: Activations::Stored,
        dropout_rng: DropoutRng::Host,
        replicas_per_device: 2,
        loss_rows: usize::MAX,
        devices: Vec::new(),
    };
    let mut training_model = step::TrainingModel::<B>::new(model, settings);
    let mut optimizer = DecoupledAdamW::optimizer(AdamWSettings::default());
    let mut losses = Vec::new();
    for _ in 0..20 {
        let output = TrainStep::step(&training_model, batch.clone());
        training_model =
            optimizer.step(RATE, training_model.map(&mut DecayedVectors), output.grads);
        losses.push(output.item.loss as f32);
    }
    losses
}

/// The reference decays every parameter, a run only matrices and tables: this decays the others, before
/// the step.
pub(super) struct DecayedVectors;

impl<B: TrainingBackend> ModuleMapper<B> for DecayedVectors {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<B, D>>) -> Param<Tensor<B, D>> {
        if D > 1 {
            return param;
        }
        let kept = 1.0 - RATE * f64::from(AdamWSettings::default().weight_decay);
        param.map(|tensor| (tensor * kept).detach().require_grad())
    }
}

/// Relative. A value is rounded by 1e-7; a step divides gradients by their own size, which amplifies
/// small ones, and later steps build on the result.
const CURVE_TOLERANCE: f32 = 1e-4;

/// Returns the largest relative difference.
#[track_caller]
pub(super) fn assert_steps(name: &str, actual: &[f32], expected: &[f32], absolute: f32) -> f32 {
    assert_eq!((actual.len(), expected.len()), (20, 20));
    let mut largest = 0.0f32;
    for (step, (actual, expected)) in actual.iter().zip(expected).enumerate() {
        let tolerance = CURVE_TOLERANCE * expected + absolute;
        let difference = (actual - expected).abs();
        assert!(
            difference <= tolerance,
            "{name}: step {step} has {actual}, expected {expected} within {tolerance}"
        );
        if *expected != 0.0 {
            largest = largest.max(difference / expected);
        }
    }
    largest
}

#[test]
fn losses_train_as_in_pytorch() {
    fn body<B: TrainingBackend>(device: &B::Device) {
        let reference = reference();
        let before = TrainingModel::<B>::load(device).mean_cosine(&reference);
        assert!(!has_collapsed(before), "{before}");
        for (name, loss, columns) in RUNS {
            let run = run(name, loss, columns, &reference);
            let trained = assert_curve::<B>(device, name, &run, &reference);
            let mean = trained.mean_cosine(&reference);
            println!("mean cosine {mean} after {name}, {before} at first");
            match name {
                "mse" | "cosine" => assert!(has_collapsed(mean), "{mean}"),
                "multiple_negatives_ranking" => assert!(!has_collapsed(mean), "{mean}"),
                _ => {}
            }
        }
        assert_eq!(reference.losses.len(), RUNS.len());
    }
    on_test_device!(body with gradients);
}

/// The one curve that every backend runs.
#[test]
fn the_default_loss_trains_as_in_pytorch() {
    fn body<B: TrainingBackend>(device: &B::Device) {
        let default = |run: &&(&str, &str, usize)| run.0 == "multiple_negatives_ranking";
        let &(name, loss, columns) = RUNS.iter().find(default).unwrap();
        let reference = reference();
        let run = run(name, loss, columns, &reference);
        assert_curve::<B>(device, name, &run, &reference);
    }
    on_test_device!(body with gradients);
}

#[test]
fn losses_with_a_teacher_train_as_in_pytorch() {
    fn body<B: TrainingBackend>(device: &B::Device) {
        let reference = reference();
        for (name, loss, columns) in [
            ("margin_mse", "margin-mse", 3),
            ("kl_divergence", "kl-divergence", 3),
            ("gist", "gist", 2),
            ("gist_hard", "gist", 3),
            ("embed_distill", "embed-distill", 2),
        ] {
            let run = distillation(name, loss, columns);
            assert_curve::<B>(device, name, &run, &reference);
        }
    }
    on_test_device!(body with gradients);
}
