//! The evaluators against sentence-transformers for models with prompts, dimensions and similarities of
//! their own. `tests/fixtures/settings.py` writes the right values.

use std::collections::BTreeMap;
use std::path::Path;

use model::{Device, SentenceEncoder};
use serde_json::{Map, Value};
use tempfile::TempDir;

use super::testing::{assert_reference, numbers, reference, strings};
use super::{
    Evaluator, Judgement, RetrievalEvaluator, RetrievalOptions, SimilarityEvaluator,
    TripletEvaluator,
};
use crate::testing::{json_fixture, tiny_model};

/// The tiny model with a JSON merge patch for each of some files.
fn model(merge: &Value) -> (TempDir, SentenceEncoder) {
    let folder = tempfile::tempdir().unwrap();
    copy(&tiny_model(), folder.path());
    for (file, patch) in merge.as_object().unwrap() {
        let path = folder.path().join(file);
        let mut value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        apply(&mut value, patch);
        std::fs::write(path, value.to_string()).unwrap();
    }
    let name = folder.path().to_str().unwrap();
    let encoder = SentenceEncoder::from_pretrained(name, Device::Auto).unwrap();
    (folder, encoder)
}

fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            std::fs::create_dir(&target).unwrap();
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// JSON merge patch (RFC 7396).
fn apply(value: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *value = patch.clone();
        return;
    };
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    let fields = value.as_object_mut().unwrap();
    for (name, new) in patch {
        apply(fields.entry(name.clone()).or_insert(Value::Null), new);
    }
}

fn pairs() -> [Vec<String>; 2] {
    let data = reference("similarity");
    ["a", "b"].map(|side| strings(&data[side]))
}

fn similarity() -> SimilarityEvaluator {
    let scores = numbers(&reference("similarity")["gold"]);
    SimilarityEvaluator::new(pairs(), scores).unwrap()
}

fn paired() -> RetrievalEvaluator {
    RetrievalEvaluator::of_pairs(pairs()).unwrap()
}

fn triplet() -> TripletEvaluator {
    let data = reference("triplet");
    let columns = ["anchors", "positives", "negatives"].map(|side| strings(&data[side]));
    TripletEvaluator::new(columns).unwrap()
}

fn retrieval() -> RetrievalEvaluator {
    let data = reference("retrieval");
    let texts = |side: &str| -> BTreeMap<String, String> {
        serde_json::from_value(data[side].clone()).unwrap()
    };
    let (queries, documents) = (texts("queries"), texts("corpus"));
    let mut judgements = Vec::new();
    for (query, id) in queries.keys().enumerate() {
        for document in strings(&data["relevant"][id]) {
            judgements.push(Judgement {
                query,
                document: documents.keys().position(|key| *key == document).unwrap(),
                relevance: 1.0,
            });
        }
    }
    RetrievalEvaluator::new(
        queries.into_values().collect(),
        documents.into_values().collect(),
        &judgements,
        RetrievalOptions::default(),
    )
    .unwrap()
}

#[test]
fn models_with_settings_are_scored_as_by_sentence_transformers() {
    let reference = json_fixture("settings_evaluators.json");
    let cases = reference["cases"].as_object().unwrap();
    assert_eq!(cases.len(), 5);
    for case in cases.values() {
        let (_folder, encoder) = model(&case["merge"]);
        let evaluators: [(&str, &dyn Evaluator); 4] = [
            ("similarity", &similarity()),
            ("retrieval", &retrieval()),
            ("triplet", &triplet()),
            ("pairs", &paired()),
        ];
        for (name, evaluator) in evaluators {
            let scores = evaluator.evaluate(&encoder).unwrap();
            assert_reference(&scores, &case[name]);
        }
    }
}
