//! Rerankers that training opens and writes.

use std::path::Path;

use model::backend::EncoderOps;
use model::hub::{self, HubOptions};
use model::{Checkpoint, ModelError, PairScorer, Precision};
use safetensors::SafeTensors;

use super::{MODELS, answers};
use crate::common::{TOLERANCE, assert_close, fixture};
use crate::test_device::{on_test_device, test_device};

fn open(folder: &Path, seed: u64) -> Result<Checkpoint, ModelError> {
    let found = hub::resolve(folder.to_str().unwrap(), &HubOptions::default()).unwrap();
    Checkpoint::open_reranker(&found, seed)
}

/// The tensors of a folder by name.
fn tensors(folder: &Path) -> Vec<(String, Vec<f32>)> {
    let bytes = std::fs::read(folder.join("model.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let floats = |bytes: &[u8]| -> Vec<f32> {
        let (values, _) = bytes.as_chunks::<4>();
        values
            .iter()
            .map(|bytes| f32::from_le_bytes(*bytes))
            .collect()
    };
    let mut tensors: Vec<(String, Vec<f32>)> = file
        .iter()
        .map(|(name, tensor)| (name.to_owned(), floats(tensor.data())))
        .collect();
    tensors.sort_by(|one, other| one.0.cmp(&other.0));
    tensors
}

#[test]
fn a_reranker_that_is_saved_is_the_same_reranker() {
    fn body<B: EncoderOps>(device: &B::Device) {
        for name in MODELS {
            let folder = fixture("rerankers").join(name);
            let checkpoint = open(&folder, 0).unwrap();
            assert_eq!(
                (checkpoint.width(), checkpoint.notes().len()),
                (1, 0),
                "{name}"
            );
            assert!(checkpoint.ignored_tensors().unwrap().is_empty(), "{name}");
            let model = checkpoint.load::<B>(device).unwrap();
            let parent = tempfile::tempdir().unwrap();
            let saved = parent.path().join("saved");
            checkpoint.save(&model, &saved).unwrap();
            assert!(tensors(&saved) == tensors(&folder), "{name}");

            let answers = answers(name);
            let builder = PairScorer::builder().device(test_device());
            let opened = builder.clone().load(saved.to_str().unwrap()).unwrap();
            let scores = opened.scores(&answers.pairs).unwrap();
            assert_close(name, &scores, &answers.scores, TOLERANCE);
            // A model in memory has the same activation.
            let scorer = builder.with_model(&checkpoint, model).unwrap();
            let scores = scorer.scores(&answers.pairs).unwrap();
            assert_close(name, &scores, &answers.scores, TOLERANCE);
            // Its head would be lost.
            let error = checkpoint.export(Precision::Int8, &parent.path().join("int8"));
            assert!(
                error.unwrap_err().to_string().contains("reranker"),
                "{name}"
            );
        }
    }
    on_test_device!(body);
}

#[test]
fn an_encoder_gets_a_head_of_its_seed() {
    fn saved<B: EncoderOps>(
        device: &B::Device,
        folder: &Path,
        seed: u64,
    ) -> Vec<(String, Vec<f32>)> {
        let checkpoint = open(folder, seed).unwrap();
        assert!(
            checkpoint.notes()[0].contains("no reranker yet"),
            "{:?}",
            checkpoint.notes()
        );
        let model = checkpoint.load::<B>(device).unwrap();
        let parent = tempfile::tempdir().unwrap();
        let target = parent.path().join("saved");
        checkpoint.save(&model, &target).unwrap();
        tensors(&target)
    }
    fn body<B: EncoderOps>(device: &B::Device) {
        for (name, dense, own) in [
            ("architectures/bert", "bert.pooler.dense", true),
            ("architectures/roberta", "classifier.dense", false),
            ("tiny-mpnet", "classifier.dense", false),
        ] {
            let folder = fixture(name);
            let get = |tensors: &[(String, Vec<f32>)], name: &str| {
                let found = tensors.iter().find(|(known, _)| known == name);
                found.unwrap_or_else(|| panic!("{name}")).1.clone()
            };
            let (one, again, other) = (
                saved::<B>(device, &folder, 1),
                saved::<B>(device, &folder, 1),
                saved::<B>(device, &folder, 2),
            );
            assert!(one == again && one != other, "{name}");
            let weight = get(&one, &format!("{dense}.weight"));
            if own {
                // BERT's pooler is part of the file.
                assert_eq!(weight, get(&tensors(&folder), "pooler.dense.weight"));
                assert_eq!(weight, get(&other, &format!("{dense}.weight")));
            } else {
                // 1,024 values of the deviation 0.2: their own is off by more than a tenth once in a million seeds.
                let squares: f32 = weight.iter().map(|value| value * value).sum();
                let deviation = (squares / weight.len() as f32).sqrt();
                assert!((deviation - 0.2).abs() < 0.02, "{name}: {deviation}");
                assert!(
                    get(&one, &format!("{dense}.bias"))
                        .iter()
                        .all(|value| *value == 0.0)
                );
            }
        }
    }
    on_test_device!(body);
}

#[test]
fn what_cannot_be_a_reranker_is_refused() {
    let error = open(&fixture("architectures/modernbert"), 0).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("a reranker of \"modernbert\" is not supported"),
        "{error}"
    );
    let folder = crate::copy(&fixture("rerankers/mpnet"));
    let labels = serde_json::json!({ "id2label": { "0": "no", "1": "yes" } });
    super::change(
        &folder.path().join("config.json"),
        labels.as_object().unwrap(),
    );
    let error = open(folder.path(), 0).unwrap_err();
    assert!(error.to_string().contains("2 labels"), "{error}");
    // The dropout of the head is checked too.
    let folder = crate::copy(&fixture("rerankers/bert"));
    let dropout = serde_json::json!({ "classifier_dropout": 1.5 });
    super::change(
        &folder.path().join("config.json"),
        dropout.as_object().unwrap(),
    );
    let error = open(folder.path(), 0).unwrap_err();
    assert!(error.to_string().contains("classifier_dropout"), "{error}");
}
