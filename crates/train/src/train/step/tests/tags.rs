//! Steps of a tagger, whose rows are tokens.

use std::sync::Arc;

use burn::tensor::{Tensor, TensorData};
use model::TagLabels;
use model::hub::{self, HubOptions};

use super::*;
use crate::data::{TaggedOptions, TextTable};

const LABELS: [&str; 2] = ["brand", "colour"];

/// Rows with spans, of different lengths; the last one says nothing about colours.
const ROWS: &str = r#"{"text": "acme red kettle", "spans": [{"start": 0, "end": 4, "label": "brand"}, {"start": 5, "end": 8, "label": "colour"}]}
{"text": "wireless keyboard by north wind for a long day at a desk, with a cable and a red speaker", "spans": [{"start": 21, "end": 31, "label": "brand"}]}
{"text": "desk", "spans": []}
{"text": "dark blue water bottle", "spans": [{"start": 0, "end": 9, "label": "colour"}]}
{"text": "speaker of acme in red", "spans": [{"start": 11, "end": 15, "label": "brand"}], "open": ["colour"]}
"#;

fn tagger() -> Checkpoint {
    let tiny = tiny_model();
    let found = hub::resolve(tiny.to_str().unwrap(), &HubOptions::default()).unwrap();
    let mut checkpoint = Checkpoint::new_tagger(&found, &LABELS.map(str::to_owned), 3).unwrap();
    checkpoint.set_dropout(0.0);
    checkpoint
}

fn batch_of(rows: &[usize]) -> TrainingBatch {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.jsonl");
    std::fs::write(&path, ROWS).unwrap();
    let table = TextTable::read_tagged(&[path], &TaggedOptions::default()).unwrap();
    let batcher = TokenBatcher::new(Arc::new(tagger().tokenizer().unwrap()));
    let batcher = batcher.of_tags(TagLabels::new(LABELS.map(str::to_owned)));
    batcher.tokenize_tagged(&table, rows).unwrap()
}

fn of_tags(activations: Activations, replicas: usize, texts: usize) -> StepSettings {
    StepSettings {
        objective: Objective::new(Loss::OfTags),
        ..settings(activations, replicas, texts)
    }
}

fn step_of<B: TrainingBackend>(
    model: &SentenceModel<B>,
    settings: StepSettings,
    batch: TrainingBatch,
) -> (f64, Paths) {
    let training_model = TrainingModel::new(model.clone(), settings);
    let output = TrainStep::step(&training_model, batch);
    (
        output.item.loss,
        by_path::<B, _>(&training_model, &output.grads),
    )
}

/// By one graph over a padded batch, token by token.
fn plain_tags<B: TrainingBackend>(model: &SentenceModel<B>) -> (f64, Paths) {
    let device = &model.network.device();
    let batch = batch_of(&[0, 1, 2, 3, 4]);
    let tokens = TokenBatch::new(batch.texts.iter().map(Vec::as_slice), 1);
    let (ids, mask) = tokens.to_tensors(device);
    let logits = model.forward(ids, mask);
    let length = tokens.length();
    let places = batch.texts.iter().enumerate();
    let places = places
        .flat_map(|(text, ids)| (0..ids.len()).map(move |token| (text * length + token) as i32));
    let places: Vec<i32> = places.collect();
    let count = places.len();
    let places = Tensor::from_data(TensorData::new(places, [count]), device);
    let targets = batch.targets.unwrap();
    let targets = Tensor::from_floats(targets.as_slice(), device);
    let loss = Objective::new(Loss::OfTags).forward(&[logits.select(0, places)], Some(&targets));
    let value = loss.clone().into_data().iter::<f64>().next().unwrap();
    let training_model = TrainingModel::new(model.clone(), of_tags(Activations::Stored, 1, 100));
    let gradients = GradientsParams::from_grads(loss.backward(), &training_model);
    (value, by_path::<B, _>(&training_model, &gradients))
}

#[test]
fn a_tagger_has_the_gradients_of_one_graph_in_every_way() {
    fn body<B: TrainingBackend>(device: &B::Device) {
        let model = tagger().load::<B>(device).unwrap();
        let expected = plain_tags::<B>(&model);
        assert!(expected.0 > 0.1 && expected.1.len() > 20, "{}", expected.0);
        for activations in [
            Activations::Stored,
            Activations::Checkpointed,
            Activations::GradCache,
            Activations::GradCacheCheckpointed,
        ] {
            for (replicas, texts) in [(1, 100), (1, 1), (2, 2)] {
                let settings = of_tags(activations, replicas, texts);
                let found = step_of::<B>(&model, settings, batch_of(&[0, 1, 2, 3, 4]));
                assert_same(
                    &format!("{activations:?} {replicas} {texts}"),
                    found,
                    &expected,
                );
            }
        }
        let validated =
            TrainingModel::new(model.clone(), of_tags(Activations::Stored, 2, 2)).valid();
        let output = InferenceStep::step(&validated, batch_of(&[0, 1, 2, 3, 4]));
        assert!(
            (output.loss - expected.0).abs() < 1e-5,
            "{} {}",
            output.loss,
            expected.0
        );
    }
    on_test_device!(body with gradients);
}

#[test]
fn accumulated_batches_count_by_their_scored_tokens() {
    fn body<B: TrainingBackend>(device: &B::Device) {
        let model = tagger().load::<B>(device).unwrap();
        let whole = plain_tags::<B>(&model);
        let parts = [batch_of(&[0, 1]), batch_of(&[2, 3, 4])];
        let weight: usize = parts.iter().map(TrainingBatch::weight).sum();
        assert_eq!(weight, batch_of(&[0, 1, 2, 3, 4]).weight());
        let (mut loss, mut sum) = (0.0, Paths::new());
        for mut part in parts {
            part.rows_of_step = weight;
            let share = part.share();
            let (of_part, gradients) =
                step_of::<B>(&model, of_tags(Activations::Stored, 1, 100), part);
            loss += of_part * share;
            for (path, values) in gradients {
                let total = sum.entry(path).or_insert_with(|| vec![0.0; values.len()]);
                for (total, value) in total.iter_mut().zip(values) {
                    *total += value;
                }
            }
        }
        assert_same("two batches", (loss, sum), &whole);
    }
    on_test_device!(body with gradients);
}
