//! Values and gradients on fixed embeddings against sentence-transformers: `losses.json` and
//! `distillation.json`, written by the scripts beside them. Defaults and other parameters, zero rows, equal
//! columns, batches of one row and of one label, Matryoshka.

use std::collections::HashMap;

use burn::backend::Autodiff;
use burn::tensor::Tensor;
use model::backend::EncoderOps;
use serde::Deserialize;
use serde_json::Value;

use super::{loss, objective};
use crate::losses::{Objective, TargetKind};
use crate::test_device::on_test_device;
use crate::testing::{assert_close, json_fixture, values};

/// Relative to the largest number compared: some thirty roundings in f32, and a scale of 20.
const TOLERANCE: f32 = 2e-5;

/// Rows of columns.
type Columns = Vec<Vec<Vec<f32>>>;

#[derive(Deserialize)]
struct Fixture {
    inputs: HashMap<String, Inputs>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Inputs {
    columns: Columns,
    scores: Vec<f32>,
    labels: Vec<f32>,
}

#[derive(Deserialize)]
struct Case {
    objective: Value,
    inputs: String,
    target: Option<String>,
    value: f32,
    gradients: Columns,
}

#[derive(Deserialize)]
struct Distillation {
    inputs: HashMap<String, Columns>,
    cases: Vec<DistillationCase>,
}

#[derive(Deserialize)]
struct DistillationCase {
    loss: String,
    #[serde(default)]
    scale: Value,
    #[serde(default)]
    margin: Value,
    #[serde(default)]
    matryoshka: Value,
    inputs: String,
    targets: Vec<Vec<f32>>,
    value: f32,
    gradients: Columns,
}

fn tensor<B: EncoderOps>(device: &B::Device, rows: &[Vec<f32>]) -> Tensor<Autodiff<B>, 2> {
    let values = Tensor::<Autodiff<B>, 1>::from_floats(rows.concat().as_slice(), device);
    values.reshape([rows.len(), rows[0].len()]).require_grad()
}

/// Compares the value of a batch, and its gradients for all columns that it has in the reference.
fn assert_case<B: EncoderOps>(
    device: &B::Device,
    objective: &Objective,
    columns: &Columns,
    targets: Option<&[f32]>,
    (value, gradients): (f32, &Columns),
) {
    let name = format!("{objective:?} of {} rows", columns[0].len());
    assert!(
        objective.loss.needs().takes_columns(gradients.len()),
        "{name}"
    );
    objective.validate(columns[0][0].len()).unwrap();
    let targets = targets.map(|targets| Tensor::from_floats(targets, device));
    let columns: Vec<_> = columns[..gradients.len()]
        .iter()
        .map(|rows| tensor::<B>(device, rows))
        .collect();
    let loss = objective.forward(&columns, targets.as_ref());
    let scale = value.abs().max(1.0);
    assert_close(&name, &values(loss.clone()), &[value], TOLERANCE * scale);

    // Sums of a batch are rounded by its largest gradients, but a zero row has gradients of its own size,
    // the cosines' divided by 1e-8 or 1e-12.
    let largest = |row: &[f32]| row.iter().fold(0.0f32, |most, value| most.max(value.abs()));
    let of_zero_row = |size: &f32| *size > 1e6;
    let sizes = gradients.iter().flatten().map(|row| largest(row));
    let ordinary = sizes.filter(|size| !of_zero_row(size)).fold(0.1, f32::max);
    let actual = loss.backward();
    for (column, (tensor, expected)) in columns.iter().zip(gradients).enumerate() {
        let actual = values(tensor.grad(&actual).unwrap());
        for (row, expected) in expected.iter().enumerate() {
            let what = format!("{name}: gradient of row {row} in column {column}");
            let scale = Some(largest(expected))
                .filter(of_zero_row)
                .unwrap_or(ordinary);
            let actual = &actual[row * expected.len()..][..expected.len()];
            assert_close(&what, actual, expected, TOLERANCE * scale);
        }
    }
}

#[test]
fn values_and_gradients_match_sentence_transformers() {
    fn body<B: EncoderOps>(device: &B::Device) {
        let Fixture { inputs, cases } =
            serde_json::from_value(json_fixture("losses.json")).unwrap();
        assert_eq!(cases.len(), 97);
        for case in cases {
            let inputs = &inputs[&case.inputs];
            let written = &case.objective["loss"];
            let matryoshka = &case.objective["matryoshka"];
            let loss = loss(written["name"].as_str().unwrap(), written);
            let objective = objective(loss, &matryoshka["dimensions"], &matryoshka["weights"]);
            let targets = match (case.target.as_deref(), loss.needs().target) {
                (Some("scores"), TargetKind::Score) => Some(inputs.scores.as_slice()),
                (Some("labels"), TargetKind::Label) => Some(inputs.labels.as_slice()),
                (None, TargetKind::None) => None,
                other => panic!("{loss}: {other:?}"),
            };
            let expected = (case.value, &case.gradients);
            assert_case::<B>(device, &objective, &inputs.columns, targets, expected);
        }
    }
    on_test_device!(body);
}

#[test]
fn distillation_matches_sentence_transformers() {
    fn body<B: EncoderOps>(device: &B::Device) {
        let Distillation { inputs, cases } =
            serde_json::from_value(json_fixture("distillation.json")).unwrap();
        assert_eq!(cases.len(), 41);
        for case in cases {
            let parameters = serde_json::json!({"scale": case.scale, "margin": case.margin});
            let loss = loss(&case.loss, &parameters);
            let objective = objective(loss, &case.matryoshka, &Value::Null);
            let targets = case.targets.concat();
            let expected = (case.value, &case.gradients);
            assert_case::<B>(
                device,
                &objective,
                &inputs[&case.inputs],
                Some(&targets),
                expected,
            );
        }
    }
    on_test_device!(body);
}
