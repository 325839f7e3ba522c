//! Values and gradients on fixed embeddings against sentence-transformers (`losses.json`, written
//! by `losses.py` beside it): defaults and other parameters, zero rows, equal columns, batches of
//! one row and of one label, Matryoshka.

use std::collections::HashMap;

use burn::backend::Autodiff;
use burn::tensor::Tensor;
use model::backend::EncoderOps;
use serde::Deserialize;

use crate::losses::{Objective, TargetKind};
use crate::test_device::on_test_device;
use crate::testing::{assert_close, json_fixture, values};

/// Relative to the largest number compared: some thirty roundings in f32, and a scale of 20.
const TOLERANCE: f32 = 2e-5;

#[derive(Deserialize)]
struct Fixture {
    inputs: HashMap<String, Inputs>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Inputs {
    columns: Vec<Vec<Vec<f32>>>,
    scores: Vec<f32>,
    labels: Vec<f32>,
}

#[derive(Deserialize)]
struct Case {
    objective: Objective,
    inputs: String,
    target: Option<String>,
    value: f32,
    gradients: Vec<Vec<Vec<f32>>>,
}

fn tensor<B: EncoderOps>(device: &B::Device, rows: &[Vec<f32>]) -> Tensor<Autodiff<B>, 2> {
    let values = Tensor::<Autodiff<B>, 1>::from_floats(rows.concat().as_slice(), device);
    values.reshape([rows.len(), rows[0].len()]).require_grad()
}

#[test]
fn values_and_gradients_match_sentence_transformers() {
    fn body<B: EncoderOps>(device: &B::Device) {
        let Fixture { inputs, cases } =
            serde_json::from_value(json_fixture("losses.json")).unwrap();
        assert_eq!(cases.len(), 97);
        for case in cases {
            let inputs = &inputs[&case.inputs];
            let name = format!("{:?} on {}", case.objective, case.inputs);
            let needs = case.objective.loss.needs();
            assert!(needs.takes_columns(case.gradients.len()), "{name}");
            case.objective.validate(inputs.columns[0][0].len()).unwrap();
            let targets = match (case.target.as_deref(), needs.target) {
                (Some("scores"), TargetKind::Score) => Some(&inputs.scores),
                (Some("labels"), TargetKind::Label) => Some(&inputs.labels),
                (None, TargetKind::None) => None,
                other => panic!("{name}: {other:?}"),
            };
            let targets = targets.map(|t| Tensor::from_floats(t.as_slice(), device));

            let columns: Vec<_> = inputs.columns[..case.gradients.len()]
                .iter()
                .map(|rows| tensor::<B>(device, rows))
                .collect();
            let loss = case.objective.forward(&columns, targets.as_ref());
            let scale = case.value.abs().max(1.0);
            assert_close(
                &name,
                &values(loss.clone()),
                &[case.value],
                TOLERANCE * scale,
            );

            // Sums of a batch are rounded by its largest gradients, but a zero row has gradients of its
            // own size, the cosines' divided by 1e-8 or 1e-12.
            let largest =
                |row: &[f32]| row.iter().fold(0.0f32, |most, value| most.max(value.abs()));
            let of_zero_row = |size: &f32| *size > 1e6;
            let sizes = case.gradients.iter().flatten().map(|row| largest(row));
            let ordinary = sizes.filter(|size| !of_zero_row(size)).fold(0.1, f32::max);
            let gradients = loss.backward();
            for (column, (tensor, expected)) in columns.iter().zip(&case.gradients).enumerate() {
                let actual = values(tensor.grad(&gradients).unwrap());
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
    }
    on_test_device!(body);
}
