//! Settings of a model's own files against sentence-transformers 5.7.0: prompts, pooling, dimensions,
//! similarity and tokenizer. `fixtures/settings.py` writes the right values.

use std::collections::BTreeMap;
use std::path::Path;

use model::{Checkpoint, Prompt, SentenceEncoder};
use search::{VectorsView, similarity_matrix};
use serde_json::{Map, Value};
use tempfile::TempDir;

use crate::checkpoint::{change_json, copy, load_and_save};
use crate::common::{TOLERANCE, assert_close, fixture, packs_for_amx, reference_tokens};
use crate::test_device::test_device;

/// `settings.json`.
#[derive(serde::Deserialize)]
struct Reference {
    texts: Vec<String>,
    special: Vec<String>,
    cases: BTreeMap<String, Case>,
}

/// A model with settings of its own, and what sentence-transformers answers.
#[derive(serde::Deserialize)]
struct Case {
    #[serde(default)]
    merge: BTreeMap<String, Value>,
    #[serde(default)]
    remove: Vec<String>,
    width: usize,
    max_seq_length: usize,
    similarity: String,
    prompts: BTreeMap<String, String>,
    vectors: Option<Vec<f32>>,
    query: Option<Vec<f32>>,
    document: Option<Vec<f32>>,
    scores: Option<Vec<f32>>,
    special_ids: Option<Vec<Vec<u32>>>,
    #[serde(default)]
    other_ids: BTreeMap<usize, Vec<u32>>,
}

fn reference() -> Reference {
    serde_json::from_slice(&std::fs::read(fixture("settings.json")).unwrap()).unwrap()
}

/// JSON merge patch (RFC 7396).
fn merge(value: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *value = patch.clone();
        return;
    };
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    let fields = value.as_object_mut().unwrap();
    for (name, new) in patch {
        if new.is_null() {
            fields.remove(name);
        } else {
            merge(fields.entry(name.clone()).or_insert(Value::Null), new);
        }
    }
}

/// The tiny model with the changes of a case.
fn folder(case: &Case) -> TempDir {
    let folder = copy();
    for (file, patch) in &case.merge {
        change_json(folder.path(), file, |value| merge(value, patch));
    }
    for file in &case.remove {
        std::fs::remove_file(folder.path().join(file)).unwrap();
    }
    folder
}

fn load(folder: &Path) -> SentenceEncoder {
    SentenceEncoder::from_pretrained(folder.to_str().unwrap(), test_device()).unwrap()
}

/// The vectors of the reference's texts with the three prompts.
fn vectors(encoder: &SentenceEncoder, texts: &[String]) -> [Vec<f32>; 3] {
    [
        encoder.encode(texts),
        encoder.encode_query(texts),
        encoder.encode_document(texts),
    ]
    .map(|vectors| vectors.unwrap().into_values())
}

/// Sums of hidden states without a division are up to 60 tokens long, and vectors without normalisation
/// have a norm of about 4. AMX leaves up to 2^-15 (3e-5) of each product out.
fn tolerance(expected: &[f32]) -> f32 {
    let largest = expected
        .iter()
        .fold(1.0f32, |largest, value| largest.max(value.abs()));
    let share = if packs_for_amx() { 3.0 } else { 1.0 };
    share * TOLERANCE * largest
}

#[test]
fn vectors_are_those_of_sentence_transformers() {
    let reference = reference();
    let mut compared = 0;
    for (name, case) in &reference.cases {
        let Some(expected) = &case.vectors else {
            continue;
        };
        let folder = folder(case);
        let encoder = load(folder.path());
        assert_eq!(encoder.width(), case.width, "{name}");
        let max_length = encoder.tokenizer().max_length();
        assert_eq!(max_length, case.max_seq_length, "{name}");
        assert_eq!(encoder.similarity().name(), case.similarity, "{name}");
        let prompts = &encoder.prompts();
        let found: BTreeMap<String, String> = prompts
            .names()
            .map(|name| (name.to_owned(), prompts.get(name).unwrap().to_owned()))
            .collect();
        assert_eq!(found, case.prompts, "{name}");

        let found = vectors(&encoder, &reference.texts);
        let expected = [
            expected,
            case.query.as_ref().unwrap_or(expected),
            case.document.as_ref().unwrap_or(expected),
        ];
        for ((found, expected), side) in found.iter().zip(expected).zip(["", "query", "document"]) {
            let what = format!("{name} {side}");
            assert_close(&what, found, expected, tolerance(expected));
            compared += 1;
        }
        // Written and read again, the model has the same settings and the same vectors.
        let written = folder.path().join("written");
        load_and_save(encoder.checkpoint().unwrap(), &written).unwrap();
        assert_eq!(vectors(&load(&written), &reference.texts), found, "{name}");
    }
    assert_eq!(compared, 16 * 3);
}

#[test]
fn scores_are_those_of_sentence_transformers() {
    let reference = reference();
    let mut compared = 0;
    for (name, case) in &reference.cases {
        let Some(expected) = &case.scores else {
            continue;
        };
        let folder = folder(case);
        let encoder = load(folder.path());
        let vectors = encoder.encode(&reference.texts).unwrap();
        let view = VectorsView::new(vectors.values(), vectors.width()).unwrap();
        let scores = similarity_matrix(view, view, encoder.similarity()).unwrap();
        // A dot product of vectors with the norm 4, or a distance of them.
        assert_close(name, &scores, expected, 10.0 * tolerance(expected));
        compared += 1;
    }
    assert_eq!(compared, 3);
}

#[test]
fn token_ids_are_those_of_transformers() {
    let reference = reference();
    let edge_cases = reference_tokens("tiny_tokens.json");
    let mut compared = 0;
    for (name, case) in &reference.cases {
        let Some(special) = &case.special_ids else {
            continue;
        };
        let folder = folder(case);
        let tokenizer = Checkpoint::open(folder.path())
            .unwrap()
            .tokenizer()
            .unwrap();
        let found = tokenizer.encode(&reference.special).unwrap();
        for ((text, ids), found) in reference.special.iter().zip(special).zip(&found) {
            assert_eq!(&found.ids, ids, "{name}: {text:?}");
        }
        let found = tokenizer.encode(&edge_cases.texts).unwrap();
        let known = edge_cases.texts.iter().zip(&edge_cases.input_ids);
        for (number, ((text, known), found)) in known.zip(&found).enumerate() {
            let expected = case.other_ids.get(&number).unwrap_or(known);
            assert_eq!(&found.ids, expected, "{name}: {text:?}");
            compared += 1;
        }
    }
    assert_eq!(compared, 19 * 65);
}

/// The ids are those of sentence-transformers 5.7.0.
#[test]
fn arguments_of_the_sentence_file_choose_the_tokens() {
    const FILE: &str = "sentence_bert_config.json";
    let text = "Red KETTLE and a blue house with many green trees in the old town";
    let whole: &[u32] = &[
        0, 577, 350, 143, 354, 277, 39, 413, 231, 46, 284, 137, 136, 275, 240, 132, 145, 45, 279,
        342, 241, 291, 137, 368, 234, 53, 329, 435, 679, 2,
    ];
    // The first or the last tokens of the whole.
    let first = |count: usize| [&whole[..count - 1], &[2]].concat();
    let last = |count: usize| [&[0], &whole[whole.len() + 1 - count..]].concat();
    let left = || serde_json::json!({ "truncation_side": "left" });
    let cases = [
        (
            FILE,
            serde_json::json!({ "processor_kwargs": left(), "max_seq_length": 6 }),
            last(6),
        ),
        (
            FILE,
            serde_json::json!({ "tokenizer_args": left(), "max_seq_length": 6 }),
            last(6),
        ),
        // The older name counts more.
        (
            FILE,
            serde_json::json!({ "processor_kwargs": left(), "tokenizer_args": {}, "max_seq_length": 6 }),
            first(6),
        ),
        (
            FILE,
            serde_json::json!({ "processor_kwargs": { "model_max_length": 7 }, "max_seq_length": 6 }),
            first(7),
        ),
        (
            FILE,
            serde_json::json!({ "processor_kwargs": { "max_length": 5 }, "max_seq_length": 8 }),
            first(8),
        ),
        (
            FILE,
            serde_json::json!({ "processing_kwargs": { "text": { "max_length": 12 } }, "max_seq_length": 8 }),
            first(12),
        ),
        (
            FILE,
            serde_json::json!({
                "processing_kwargs": { "text": { "max_length": 6 }, "common": { "max_length": 5 } },
                "max_seq_length": 8,
            }),
            first(5),
        ),
        (
            FILE,
            serde_json::json!({ "processor_kwargs": { "do_lower_case": false } }),
            [&[0, 3, 3], &whole[5..]].concat(),
        ),
        (
            "sentence_roberta_config.json",
            serde_json::json!({ "max_seq_length": 6 }),
            first(6),
        ),
        (
            "sentence_xlnet_config.json",
            serde_json::json!({ "max_seq_length": 6 }),
            first(6),
        ),
        (
            "other.json",
            serde_json::json!({ "max_seq_length": 6 }),
            whole.to_vec(),
        ),
    ];
    for (file, settings, expected) in cases {
        let folder = copy();
        // An empty file does not hide an older one.
        std::fs::write(folder.path().join(FILE), "{}").unwrap();
        std::fs::write(folder.path().join(file), settings.to_string()).unwrap();
        let checkpoint = Checkpoint::open(folder.path()).unwrap();
        let ids = |checkpoint: &Checkpoint| {
            checkpoint.tokenizer().unwrap().encode(&[text]).unwrap()[0]
                .ids
                .clone()
        };
        assert_eq!(ids(&checkpoint), expected, "{file}: {settings}");
        let written = folder.path().join("written");
        load_and_save(&checkpoint, &written).unwrap();
        let written = Checkpoint::open(&written).unwrap();
        assert_eq!(ids(&written), expected, "written: {settings}");
    }
}

#[test]
fn prompts_can_be_chosen() {
    let folder = copy();
    change_json(folder.path(), SETTINGS, |settings| {
        settings["prompts"] = serde_json::json!({ "query": "query: ", "document": "title: " });
        settings["default_prompt_name"] = "query".into();
    });
    let name = folder.path().to_str().unwrap();
    let builder = || SentenceEncoder::builder().device(test_device());
    let encoder = builder().load(name).unwrap();
    let text = ["red kettle"];
    let with = |encoder: &SentenceEncoder, text: &[&str], prompt: &Prompt| {
        let progress = |_| std::ops::ControlFlow::Continue(());
        let vectors = encoder.encode_with_progress(text, prompt, progress);
        vectors.unwrap().into_values()
    };
    let none = Prompt::Text(String::new());
    let plain = |text: &str| with(&encoder, &[text], &none);
    assert_eq!(
        with(&encoder, &text, &Prompt::Default),
        plain("query: red kettle")
    );
    assert_eq!(
        with(&encoder, &text, &Prompt::Document),
        plain("title: red kettle")
    );
    let named = Prompt::Named("document".to_owned());
    assert_eq!(with(&encoder, &text, &named), plain("title: red kettle"));
    let own = Prompt::Text("a ".to_owned());
    assert_eq!(with(&encoder, &text, &own), plain("a red kettle"));
    assert_ne!(plain("red kettle"), plain("a red kettle"));

    // The builder's prompts count more than those of the model.
    let chosen = builder()
        .prompt(own.clone())
        .query_prompt(none.clone())
        .document_prompt(Prompt::Query)
        .load(name)
        .unwrap();
    let found = vectors(&chosen, &text.map(str::to_owned));
    let expected = ["a red kettle", "red kettle", "query: red kettle"].map(plain);
    assert_eq!(found, expected);
    assert_eq!(chosen.prompt_text(&Prompt::Document).unwrap(), "query: ");

    let unknown = builder().query_prompt(Prompt::Named("quarry".to_owned()));
    let error = unknown.load(name).err().unwrap().to_string();
    assert!(
        error.ends_with("its prompts are: document, query"),
        "{error}"
    );
}

#[test]
fn dimensions_of_the_caller_count_more_than_those_of_the_model() {
    let folder = copy();
    change_json(folder.path(), SETTINGS, |settings| {
        settings["truncate_dim"] = 8.into();
    });
    let name = folder.path().to_str().unwrap();
    let text = ["red kettle"];
    let norm = |values: &[f32]| values.iter().map(|value| value * value).sum::<f32>().sqrt();
    // As in sentence-transformers, the model's own dimensions are cut after its normalisation.
    let own = load(folder.path()).encode(&text).unwrap();
    assert_eq!(own.width(), 8);
    assert!(norm(own.values()) < 0.9, "{}", norm(own.values()));
    let builder = || SentenceEncoder::builder().device(test_device());
    for dimensions in [8, 16, 32] {
        let encoder = builder().dimensions(dimensions).load(name).unwrap();
        let vectors = encoder.encode(&text).unwrap();
        assert_eq!(vectors.width(), dimensions);
        assert!((norm(vectors.values()) - 1.0).abs() < 1e-6);
    }
    let encoder = builder().normalize(true).load(name).unwrap();
    let vectors = encoder.encode(&text).unwrap();
    assert!((norm(vectors.values()) - 1.0).abs() < 1e-6);
}

const SETTINGS: &str = "config_sentence_transformers.json";

#[test]
fn wrong_settings_are_named() {
    let cases = [
        (
            "config_sentence_transformers.json",
            serde_json::json!({ "default_prompt_name": "search" }),
            "field `default_prompt_name`: `prompts` has no prompt `search`",
        ),
        (
            "config_sentence_transformers.json",
            serde_json::json!({ "similarity_fn_name": "angle" }),
            "field `similarity_fn_name`: \"angle\" is not one of cosine, dot, euclidean, manhattan",
        ),
        (
            "config_sentence_transformers.json",
            serde_json::json!({ "truncate_dim": 0 }),
            "field `truncate_dim`: 0 is not a number of at least 1",
        ),
        (
            "config_sentence_transformers.json",
            serde_json::json!({ "prompts": { "query": 1 } }),
            "prompts.query: invalid type: integer `1`, expected a string",
        ),
        (
            "config_sentence_transformers.json",
            serde_json::json!({ "model_type": "SparseEncoder" }),
            "field `model_type`: \"SparseEncoder\" is not supported",
        ),
        (
            "1_Pooling/config.json",
            serde_json::json!({ "include_prompt": "no" }),
            "field `include_prompt`: \"no\" is neither true nor false",
        ),
        (
            "tokenizer_config.json",
            serde_json::json!({ "truncation_side": "middle" }),
            "truncation_side: unknown variant `middle`, expected `left` or `right`",
        ),
        (
            "sentence_bert_config.json",
            serde_json::json!({ "tokenizer_args": { "strip_accents": false } }),
            "field `tokenizer_args`: `strip_accents` is not supported",
        ),
        (
            "sentence_bert_config.json",
            serde_json::json!({ "processor_kwargs": { "truncation_side": "middle" } }),
            "field `processor_kwargs`: `truncation_side`: unknown variant `middle`",
        ),
        (
            "sentence_bert_config.json",
            serde_json::json!({ "processing_kwargs": { "text": { "truncation": false } } }),
            "field `processing_kwargs`: `text.truncation` is not supported",
        ),
        (
            "sentence_bert_config.json",
            serde_json::json!({ "config_args": { "num_hidden_layers": 1 } }),
            "field `config_args`: `num_hidden_layers` is not supported; set it in config.json",
        ),
        (
            "sentence_bert_config.json",
            serde_json::json!({
                "modality_config": { "text": { "method_output_name": "pooler_output" } },
            }),
            "field `modality_config`: ",
        ),
        (
            "sentence_bert_config.json",
            serde_json::json!({ "transformer_task": "fill-mask" }),
            "field `transformer_task`: \"fill-mask\" is not supported (only \"feature-extraction\")",
        ),
    ];
    for (file, change, expected) in cases {
        let folder = copy();
        change_json(folder.path(), file, |value| merge(value, &change));
        let error =
            SentenceEncoder::from_pretrained(folder.path().to_str().unwrap(), test_device());
        let error = error.err().unwrap().to_string();
        assert!(error.contains(&format!("{file}: ")), "{error}");
        assert!(
            error.contains(expected),
            "{error}\nshould contain\n{expected}"
        );
    }
}

#[test]
fn a_prompt_of_null_is_not_pooled() {
    let folder = copy();
    change_json(folder.path(), "1_Pooling/config.json", |pooling| {
        pooling["include_prompt"] = Value::Null;
    });
    assert!(!Checkpoint::open(folder.path()).unwrap().include_prompt);
}

#[test]
fn a_module_of_another_package_is_named() {
    let folder = copy();
    change_json(folder.path(), "modules.json", |modules| {
        modules[1]["type"] = "custom_pooling.Pooling".into();
    });
    let error = Checkpoint::open(folder.path()).unwrap_err().to_string();
    assert!(error.contains("custom_pooling.Pooling"), "{error}");
}

#[test]
fn a_folder_without_a_tokenizer_says_what_to_do() {
    let folder = copy();
    for file in ["tokenizer.json", "vocab.txt"] {
        std::fs::remove_file(folder.path().join(file)).unwrap();
    }
    let tokenizer = || Checkpoint::open(folder.path()).unwrap().tokenizer();
    let error = tokenizer().unwrap_err().to_string();
    assert!(
        error.contains("holds neither tokenizer.json nor vocab.txt"),
        "{error}"
    );
    assert!(error.contains("AutoTokenizer.from_pretrained"), "{error}");

    // A vocabulary without the tokens that begin and end a text, or of a class that we do not know.
    std::fs::write(folder.path().join("vocab.txt"), "a\nb\n[UNK]\n</s>\n").unwrap();
    let error = tokenizer().unwrap_err().to_string();
    assert!(
        error.ends_with("vocab.txt: field `cls_token`: `<s>` is not in the vocabulary"),
        "{error}"
    );
    change_json(folder.path(), "tokenizer_config.json", |config| {
        config["tokenizer_class"] = "RobertaTokenizer".into();
    });
    let error = tokenizer().unwrap_err().to_string();
    assert!(error.contains("field `tokenizer_class`"), "{error}");
    assert!(error.contains("RobertaTokenizer"), "{error}");
}

#[test]
fn a_plain_transformer_says_so() {
    let folder = copy();
    assert_eq!(Checkpoint::open(folder.path()).unwrap().notes(), [""; 0]);
    std::fs::remove_file(folder.path().join("modules.json")).unwrap();
    let notes = Checkpoint::open(folder.path()).unwrap().notes();
    let [note] = notes.as_slice() else {
        panic!("{notes:?}");
    };
    assert!(note.contains("has no modules.json"), "{note}");
    assert!(note.contains("mean over the tokens"), "{note}");
    assert!(note.contains("at most 62 tokens"), "{note}");
}
