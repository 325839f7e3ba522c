//! Scores of pairs against the `CrossEncoder` of sentence-transformers.

mod training;

use std::collections::BTreeMap;

use model::PairScorer;
use serde_json::{Map, Value};

use crate::common::{TOLERANCE, assert_close, fixture, report};
use crate::copy;
use crate::test_device::test_device;

/// Models of the folder `rerankers`.
const MODELS: [&str; 6] = [
    "bert",
    "roberta",
    "xlm-roberta",
    "mpnet",
    "distilbert",
    "trained",
];

/// What `rerankers.py` and `train_reranker.py` write.
#[derive(serde::Deserialize)]
struct Answers {
    pairs: Vec<(String, String)>,
    scores: Vec<f32>,
}

fn answers(name: &str) -> Answers {
    let path = fixture("rerankers").join(format!("{name}.json"));
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

#[test]
fn scores_are_those_of_sentence_transformers() {
    for name in MODELS {
        let answers = answers(name);
        let folder = fixture("rerankers").join(name);
        for tokens in [100, 1 << 20] {
            let builder = PairScorer::builder()
                .device(test_device())
                .batch_tokens(tokens);
            let scorer = builder.load(folder.to_str().unwrap()).unwrap();
            let scores = scorer.scores(&answers.pairs).unwrap();
            let largest = assert_close(name, &scores, &answers.scores, TOLERANCE);
            report(
                &format!("{name}, scores of pairs, batches of {tokens} tokens"),
                largest,
            );
        }
    }
}

/// Changes of a reranker's files, as `rerankers.py` makes them.
#[derive(serde::Deserialize)]
struct Variant {
    model: String,
    changes: BTreeMap<String, Map<String, Value>>,
    #[serde(flatten)]
    answers: Answers,
}

/// Replaces fields of a JSON file; fields that are objects keep what is not replaced.
fn change(path: &std::path::Path, patch: &Map<String, Value>) {
    let bytes = std::fs::read(path).unwrap();
    let mut content: Map<String, Value> = serde_json::from_slice(&bytes).unwrap();
    for (name, value) in patch {
        match (content.get_mut(name), value) {
            (Some(Value::Object(old)), Value::Object(new)) => old.extend(new.clone()),
            _ => drop(content.insert(name.clone(), value.clone())),
        }
    }
    std::fs::write(path, serde_json::to_vec(&content).unwrap()).unwrap();
}

#[test]
fn settings_of_a_folder_count_as_in_sentence_transformers() {
    let bytes = std::fs::read(fixture("rerankers/settings.json")).unwrap();
    let variants: BTreeMap<String, Variant> = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(variants.len(), 6);
    for (name, variant) in variants {
        let folder = copy(&fixture("rerankers").join(&variant.model));
        for (file, patch) in &variant.changes {
            change(&folder.path().join(file), patch);
        }
        let builder = PairScorer::builder().device(test_device());
        let scorer = builder.load(folder.path().to_str().unwrap()).unwrap();
        let scores = scorer.scores(&variant.answers.pairs).unwrap();
        assert_close(&name, &scores, &variant.answers.scores, TOLERANCE);
    }
}

/// What would give wrong scores, or fail at the first pair, is refused with its file.
#[test]
fn settings_that_are_not_supported_are_named() {
    let template = serde_json::json!({
        "type": "TemplateProcessing",
        "single": [
            { "SpecialToken": { "id": "[CLS]", "type_id": 0 } },
            { "Sequence": { "id": "A", "type_id": 0 } },
        ],
        "pair": [
            { "SpecialToken": { "id": "[X]", "type_id": 0 } },
            { "Sequence": { "id": "A", "type_id": 0 } },
            { "Sequence": { "id": "B", "type_id": 2 } },
        ],
        "special_tokens": {
            "[CLS]": { "id": "[CLS]", "ids": [2], "tokens": ["[CLS]"] },
            "[X]": { "id": "[X]", "ids": [2], "tokens": ["[X]"] },
        },
    });
    let mut beyond = template.clone();
    beyond["special_tokens"]["[X]"]["ids"] = serde_json::json!([9999]);
    for (file, field, value, message) in [
        (
            "tokenizer.json",
            "post_processor",
            template,
            "token type 2 of a pair is not below type_vocab_size 2",
        ),
        (
            "tokenizer.json",
            "post_processor",
            beyond,
            "token id 9999 of a pair is outside",
        ),
        (
            "tokenizer_config.json",
            "model_max_length",
            4.into(),
            "4 is not a length from 5 to 64 tokens",
        ),
        (
            "config_sentence_transformers.json",
            "model_type",
            "SentenceTransformer".into(),
            "is no reranker",
        ),
        (
            "config_sentence_transformers.json",
            "activation_fn",
            "my.Foo".into(),
            "\"my.Foo\" is not supported",
        ),
        (
            "config.json",
            "id2label",
            serde_json::json!({"0": "no", "1": "yes"}),
            "2 labels",
        ),
        (
            "config.json",
            "model_type",
            "deberta-v2".into(),
            "\"deberta-v2\" is not supported",
        ),
    ] {
        let folder = copy(&fixture("rerankers/bert"));
        change(
            &folder.path().join(file),
            &Map::from_iter([(field.to_owned(), value)]),
        );
        let builder = PairScorer::builder().device(test_device());
        let error = builder
            .load(folder.path().to_str().unwrap())
            .err()
            .unwrap()
            .to_string();
        assert!(error.contains(message), "{error}");
    }
}

#[test]
fn an_encoder_without_a_head_of_one_label_is_refused() {
    let load = |folder: &str| {
        let scorer = PairScorer::builder().device(test_device()).load(folder);
        scorer.err().unwrap().to_string()
    };
    let error = load(fixture("architectures/bert").to_str().unwrap());
    assert!(
        error.contains("config_sentence_transformers.json") && error.contains("is no reranker"),
        "{error}"
    );
}
