//! Logits and spans of tokens against `transformers`.

use std::ops::ControlFlow;
use std::path::Path;

use model::backend::EncoderOps;
use model::hub::{self, HubOptions};
use model::{
    Checkpoint, ModelError, Precision, SentenceEncoder, TagOptions, TaggedTexts, Tagger,
    TaggerSettings,
};
use serde_json::{Value, json};

use crate::common::{assert_close, fixture, on_cpu, report};
use crate::copy;
use crate::test_device::{on_test_device, test_device};

/// Models of the folder `taggers`.
const MODELS: [&str; 5] = ["bert", "roberta", "xlm-roberta", "mpnet", "distilbert"];

/// Logits reach from -10 to 10: ten times the numbers of a vector, whose tolerance is 1e-5, would have 1e-4. The largest
/// difference is below this on `cpu`.
const TOLERANCE: f32 = 1e-5;

/// What `taggers.py` writes.
#[derive(serde::Deserialize)]
struct Answers {
    texts: Vec<String>,
    /// Of all tokens of each text, special ones included.
    logits: Vec<Vec<Vec<f32>>>,
    /// Label, start and end.
    spans: Option<Vec<Vec<(String, usize, usize)>>>,
}

fn answers(name: &str) -> Answers {
    let path = fixture("taggers").join(format!("{name}.json"));
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn load(folder: &Path) -> Tagger {
    let builder = Tagger::builder().device(test_device());
    builder.load(folder.to_str().unwrap()).unwrap()
}

/// The logits of the tokens that have a place, text by text.
fn logits(tagger: &Tagger, texts: &[String]) -> Vec<f32> {
    let logits = tagger.logits(texts, |_| ControlFlow::Continue(())).unwrap();
    logits.into_iter().flat_map(|text| text.values).collect()
}

/// The same of `transformers`.
fn expected(tagger: &Tagger, answers: &Answers) -> Vec<f32> {
    let tokens = tagger
        .tokenizer()
        .encode_with_places(&answers.texts)
        .unwrap();
    let mut expected = Vec::new();
    for (text, rows) in tokens.iter().zip(&answers.logits) {
        assert_eq!(text.places.len(), rows.len());
        for (place, row) in text.places.iter().zip(rows) {
            if place.is_some() {
                expected.extend_from_slice(row);
            }
        }
    }
    expected
}

/// Label, start and end of the spans of each text.
fn found(tagged: &TaggedTexts) -> Vec<Vec<(String, usize, usize)>> {
    let spans = |spans: &Vec<model::Span>| {
        let spans = spans
            .iter()
            .map(|span| (span.label.clone(), span.start, span.end));
        spans.collect()
    };
    tagged.spans.iter().map(spans).collect()
}

#[test]
fn logits_are_those_of_transformers() {
    for name in MODELS {
        let answers = answers(name);
        let folder = fixture("taggers").join(name);
        for tokens in [100, 1 << 20] {
            let builder = Tagger::builder().device(test_device()).batch_tokens(tokens);
            let tagger = builder.load(folder.to_str().unwrap()).unwrap();
            let ours = logits(&tagger, &answers.texts);
            let largest = assert_close(name, &ours, &expected(&tagger, &answers), TOLERANCE);
            report(
                &format!("{name}, logits of tokens, batches of {tokens} tokens"),
                largest,
            );
        }
    }
}

#[test]
fn spans_are_those_of_the_pipeline_in_every_precision() {
    let answers = answers("mpnet");
    let folder = fixture("taggers/mpnet");
    let precisions: &[Precision] = if on_cpu() {
        &[Precision::Float32, Precision::Bfloat16, Precision::Int8]
    } else {
        &[Precision::Float32]
    };
    for &precision in precisions {
        let builder = Tagger::builder().device(test_device()).precision(precision);
        let tagger = builder.load(folder.to_str().unwrap()).unwrap();
        let tagged = tagger.tag(&answers.texts, &TagOptions::default()).unwrap();
        assert_eq!(
            &found(&tagged),
            answers.spans.as_ref().unwrap(),
            "{precision}"
        );
        assert_eq!(tagged.truncated, 1);
        for span in tagged.spans.iter().flatten() {
            assert!(span.score > 0.0 && span.score <= 1.0, "{span:?}");
        }
    }
}

#[test]
fn a_tagger_that_is_saved_is_the_same_tagger() {
    fn body<B: EncoderOps>(device: &B::Device) {
        for name in MODELS {
            let folder = fixture("taggers").join(name);
            let mut checkpoint = Checkpoint::open_tagger(&folder).unwrap();
            assert!(checkpoint.ignored_tensors().unwrap().is_empty(), "{name}");
            let mut settings = TaggerSettings::default();
            settings.temperature = 1.5;
            settings.single_valued = vec!["brand".to_owned()];
            settings
                .categories
                .insert("lamps".to_owned(), vec!["colour".to_owned()]);
            checkpoint.set_tagger_settings(settings.clone());
            let model = checkpoint.load::<B>(device).unwrap();
            let parent = tempfile::tempdir().unwrap();
            let saved = parent.path().join("saved");
            checkpoint.save(&model, &saved).unwrap();
            // A folder of our own can be replaced.
            checkpoint.save(&model, &saved).unwrap();

            let answers = answers(name);
            let opened = load(&saved);
            assert_eq!(opened.settings(), &settings);
            assert_eq!(opened.labels(), checkpoint.tag_labels().unwrap());
            let in_memory = Tagger::builder()
                .device(test_device())
                .with_model(&checkpoint, model)
                .unwrap();
            for tagger in [&opened, &in_memory] {
                let ours = logits(tagger, &answers.texts);
                assert_close(name, &ours, &expected(tagger, &answers), TOLERANCE);
            }
            let config = |folder: &Path| -> Value {
                serde_json::from_slice(&std::fs::read(folder.join("config.json")).unwrap()).unwrap()
            };
            let (before, after) = (config(&folder), config(&saved));
            for field in ["architectures", "id2label", "label2id", "model_type"] {
                assert_eq!(before[field], after[field], "{name} {field}");
            }
            // Its vectors mean nothing.
            let error = SentenceEncoder::from_pretrained(saved.to_str().unwrap(), test_device());
            assert!(
                matches!(error, Err(ModelError::UnsupportedModule { .. })),
                "{name}"
            );
            let error = checkpoint.export(Precision::Int8, &parent.path().join("int8"));
            assert!(error.unwrap_err().to_string().contains("tagger"), "{name}");
        }
    }
    on_test_device!(body);
}

fn new_tagger(folder: &Path, labels: &[&str], seed: u64) -> Result<Checkpoint, ModelError> {
    let found = hub::resolve(
        folder.to_str().unwrap(),
        &HubOptions::default().of_reranker(),
    )
    .unwrap();
    let labels: Vec<String> = labels.iter().map(|&label| label.to_owned()).collect();
    Checkpoint::new_tagger(&found, &labels, seed)
}

#[test]
fn an_encoder_gets_a_head_of_its_seed_and_a_tagger_keeps_its_own() {
    fn body<B: EncoderOps>(device: &B::Device) {
        let of = |checkpoint: &Checkpoint| {
            let model = checkpoint.load::<B>(device).unwrap();
            let tagger = Tagger::builder()
                .device(test_device())
                .with_model(checkpoint, model)
                .unwrap();
            logits(&tagger, &["acme red kettle".to_owned()])
        };
        let encoder = fixture("tiny-mpnet");
        let new = new_tagger(&encoder, &["size", "brand"], 1).unwrap();
        assert_eq!((new.width(), new.notes().len()), (5, 1));
        assert_eq!(
            of(&new),
            of(&new_tagger(&encoder, &["size", "brand"], 1).unwrap())
        );
        assert_ne!(
            of(&new),
            of(&new_tagger(&encoder, &["size", "brand"], 2).unwrap())
        );
        // The head of a reranker has the same name and another shape.
        let reranker = new_tagger(&fixture("rerankers/bert"), &["brand"], 1).unwrap();
        assert_eq!(reranker.width(), 3);
        of(&reranker);

        let tagger = fixture("taggers/mpnet");
        let own = of(&Checkpoint::open_tagger(&tagger).unwrap());
        // In any order of the labels.
        let same = new_tagger(&tagger, &["colour", "brand"], 1).unwrap();
        assert!(same.notes().is_empty());
        assert_eq!(of(&same), own);
        assert_ne!(
            of(&new_tagger(&tagger, &["brand", "size"], 1).unwrap()),
            own
        );
    }
    on_test_device!(body);
}

/// The refusal of a folder whose JSON files are changed so.
fn refusal(changes: &[(&str, Value)]) -> String {
    let folder = copy(&fixture("taggers/mpnet"));
    for (file, patch) in changes {
        let path = folder.path().join(file);
        let mut content: Value = std::fs::read(&path).map_or_else(
            |_| json!({}),
            |bytes| serde_json::from_slice(&bytes).unwrap(),
        );
        for (field, value) in patch.as_object().unwrap() {
            content[field] = value.clone();
        }
        std::fs::write(&path, serde_json::to_vec(&content).unwrap()).unwrap();
    }
    let loaded = Tagger::builder()
        .device(test_device())
        .load(folder.path().to_str().unwrap());
    loaded.err().expect("a refusal").to_string()
}

#[test]
fn folders_that_are_no_taggers_are_refused() {
    for (changes, part) in [
        (
            vec![("config.json", json!({ "architectures": ["MPNetModel"] }))],
            "`train tag` makes one",
        ),
        (
            vec![(
                "config.json",
                json!({ "id2label": { "0": "O", "1": "NOUN" } }),
            )],
            "`NOUN` is neither O",
        ),
        (
            vec![("config.json", json!({ "id2label": { "0": "O" } }))],
            "`classifier.weight` has the shape",
        ),
        (
            vec![("tagger.json", json!({ "temperature": 0 }))],
            "field `temperature`: 0 is not",
        ),
        (
            vec![("tagger.json", json!({ "single_valued": ["size"] }))],
            "`size` is no label",
        ),
        (
            vec![("tagger.json", json!({ "categories": { "a": ["size"] } }))],
            "`size` is no label",
        ),
        (
            vec![("tagger.json", json!({ "temperatures": 1 }))],
            "temperatures",
        ),
    ] {
        let refusal = refusal(&changes);
        assert!(refusal.contains(part), "{refusal}");
    }
    let error = new_tagger(&fixture("architectures/modernbert"), &["brand"], 0).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("a tagger of \"modernbert\" is not supported"),
        "{error}"
    );
}

#[test]
fn categories_thresholds_and_single_values_choose_spans() {
    let folder = copy(&fixture("taggers/mpnet"));
    let settings =
        json!({ "categories": { "lamps": ["colour"], "none": [] }, "single_valued": ["brand"] });
    std::fs::write(folder.path().join("tagger.json"), settings.to_string()).unwrap();
    let tagger = load(folder.path());
    let text = "acme red kettle and orbit black kettle";
    let all = &load(&fixture("taggers/mpnet"))
        .tag(&[text], &TagOptions::default())
        .unwrap()
        .spans[0]
        .clone();
    let brands = all.iter().filter(|span| span.label == "brand");
    let best = brands
        .max_by(|one, other| one.score.total_cmp(&other.score))
        .unwrap();
    let mut options = TagOptions::default();
    options.categories = vec![None, Some("lamps"), Some("none"), Some("unknown")];
    let spans = tagger.tag(&[text; 4], &options).unwrap().spans;
    let single: Vec<_> = all
        .iter()
        .filter(|span| span.label == "colour" || *span == best)
        .cloned()
        .collect();
    assert_eq!(single.len(), 3);
    assert_eq!(spans[0], single);
    assert_eq!(spans[3], single);
    // Where a brand is no choice, a tag that was less likely may be the best one.
    assert!(
        spans[1].iter().all(|span| span.label == "colour"),
        "{:?}",
        spans[1]
    );
    let places: Vec<usize> = spans[1].iter().map(|span| span.start).collect();
    assert!(places.contains(&5) && places.contains(&26), "{places:?}");
    assert!(spans[2].is_empty());
    options.categories = Vec::new();
    options.threshold = best.score;
    let spans = tagger.tag(&[text], &options).unwrap().spans;
    let likely: Vec<_> = single
        .into_iter()
        .filter(|span| span.score >= best.score)
        .collect();
    assert_eq!(spans[0], likely);
    assert!(tagger.tag::<&str>(&[], &options).unwrap().spans.is_empty());
}
