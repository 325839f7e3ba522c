//! The settings of a model's own files, and the options that replace them. The scores are those of
//! sentence-transformers 5.7.0 for the same folders.

use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{TINY, bare_infer, file, infer, run, text};
use crate::test_device::test_device;

const SETTINGS: &str = "config_sentence_transformers.json";

/// The tiny model with another value of some fields in a file.
fn model(file: &str, fields: Value) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    copy(Path::new(TINY), folder.path());
    let path = folder.path().join(file);
    let mut value: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    for (name, field) in fields.as_object().unwrap() {
        value[name] = field.clone();
    }
    std::fs::write(path, value.to_string()).unwrap();
    folder
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

/// The program with another model than the tiny one.
fn with(model: &TempDir, arguments: &[&str]) -> std::process::Command {
    let mut command = bare_infer();
    command.args(arguments).arg("--model").arg(model.path());
    command.args(["--device", &test_device().to_string()]);
    command
}

/// The score of the first line, as `similarity` prints it.
fn score(output: &str) -> f64 {
    output.split('\t').next().unwrap().trim().parse().unwrap()
}

/// The texts and scores of the hits of one search.
fn hits(json: &str) -> Vec<(String, f64)> {
    let value: Value = serde_json::from_str(json.lines().next().unwrap()).unwrap();
    let hit = |hit: &Value| {
        let id = hit["id"].as_str().unwrap().to_owned();
        (id, hit["score"].as_f64().unwrap())
    };
    value["hits"].as_array().unwrap().iter().map(hit).collect()
}

fn near(found: f64, expected: f64) {
    assert!((found - expected).abs() < 1e-4, "{found}, not {expected}");
}

#[test]
fn the_default_prompt_of_a_model_is_applied() {
    let prompts = json!({ "prompts": { "query": "query: " }, "default_prompt_name": "query" });
    let model = model(SETTINGS, prompts);
    let pair = ["similarity", "red kettle", "blue mug"];
    near(score(&run(&mut with(&model, &pair)).ok()), 0.8579);
    // Without a prompt, and by writing the prompt out.
    let none = run(with(&model, &pair).args(["--prompt", ""])).ok();
    near(score(&none), 0.6754);
    let named = run(with(&model, &pair).args(["--prompt-name", "document"])).ok();
    near(score(&named), 0.6754);
    let written = ["similarity", "query: red kettle", "query: blue mug"];
    near(score(&run(&mut infer(&written)).ok()), 0.8579);
    let given = run(infer(&pair).args(["--prompt", "query: "])).ok();
    near(score(&given), 0.8579);

    let embedded = run(&mut with(&model, &["embed", "red kettle"])).ok();
    let written = run(&mut infer(&["embed", "query: red kettle"])).ok();
    let vector = |line: &str| serde_json::from_str::<Value>(line).unwrap()["embedding"].clone();
    assert_eq!(vector(&embedded), vector(&written));

    let doctor = run(&mut with(&model, &["doctor"])).ok();
    assert!(
        doctor.contains("prompts       query \"query: \" (default)"),
        "{doctor}"
    );
}

#[test]
fn an_unknown_prompt_lists_those_of_the_model() {
    for option in ["--prompt-name", "--corpus-prompt-name"] {
        let (_folder, corpus) = file("c.txt", "red kettle\n");
        let arguments = [
            "search",
            "kettle",
            "--corpus",
            text(&corpus),
            option,
            "quarry",
        ];
        let error = run(&mut infer(&arguments)).failed(2);
        let expected = "the model has no prompt `quarry`; its prompts are: document, query";
        assert!(error.contains(expected), "{error}");
    }
    let arguments = ["embed", "a", "--prompt", "b", "--prompt-name", "query"];
    run(&mut infer(&arguments)).failed(2);
}

const PRODUCTS: &str = "sku,title\nA,steel kettle\nB,red mug\nC,garden chair\nD,blue kettle\n";

#[test]
fn a_search_has_a_prompt_for_queries_and_another_for_the_corpus() {
    let prompts = json!({ "prompts": { "query": "query: ", "document": "title: " } });
    let model = model(SETTINGS, prompts);
    let (_folder, corpus) = file("p.csv", PRODUCTS);
    let prefixed = PRODUCTS
        .replace(",", ",title: ")
        .replace("title: title", "title");
    let (_folder, written) = file("p.csv", prefixed);
    let of = |query: &'static str, corpus| {
        [
            "search",
            query,
            "--corpus",
            text(corpus),
            "--column",
            "title",
            "--id-column",
            "sku",
            "--json",
        ]
    };
    let own = hits(&run(&mut with(&model, &of("kettle", &corpus))).ok());
    let expected = hits(&run(&mut infer(&of("query: kettle", &written))).ok());
    assert_eq!(own.len(), 4);
    for (own, expected) in own.iter().zip(&expected) {
        assert_eq!(own.0, expected.0);
        near(own.1, expected.1);
    }
    // Both options.
    let mut options = infer(&of("kettle", &corpus));
    let given = run(options.args(["--prompt", "query: ", "--corpus-prompt", "title: "])).ok();
    assert_eq!(hits(&given)[0].0, own[0].0);
    near(hits(&given)[0].1, own[0].1);

    // Products are compared with products.
    let like = |corpus| {
        [
            "recommend",
            "A",
            "--corpus",
            text(corpus),
            "--column",
            "title",
            "--id-column",
            "sku",
            "--json",
        ]
    };
    let own = hits(&run(&mut with(&model, &like(&corpus))).ok());
    let expected = hits(&run(&mut infer(&like(&written))).ok());
    for (own, expected) in own.iter().zip(&expected) {
        assert_eq!(own.0, expected.0);
        near(own.1, expected.1);
    }
}

#[test]
fn a_prompt_that_sentence_transformers_passes_over_is_noted() {
    let model = model(SETTINGS, json!({ "prompts": { "passage": "text: " } }));
    let (_folder, corpus) = file("c.txt", "red kettle\nblue mug\n");
    let search = ["search", "kettle", "--corpus", text(&corpus)];
    let noted = run(&mut with(&model, &search));
    let note = "for the prompt `passage` of the model give --corpus-prompt-name passage";
    assert!(noted.err.contains(note), "{}", noted.err);
    let chosen = run(with(&model, &search).args(["--corpus-prompt-name", "passage"]));
    assert!(!chosen.err.contains("passage"), "{}", chosen.err);
    assert_ne!(noted.ok(), chosen.ok());
}

#[test]
fn the_similarity_of_a_model_is_its_own() {
    let (_folder, corpus) = file(
        "p.csv",
        "sku,title\nA,steel kettle\nB,red mug\nC,garden chair\n",
    );
    let search = [
        "search",
        "garden seat",
        "--corpus",
        text(&corpus),
        "--column",
        "title",
        "--id-column",
        "sku",
        "--json",
    ];
    let without_normalize = |name: &str| {
        let model = model(SETTINGS, json!({ "similarity_fn_name": name }));
        let path = model.path().join("modules.json");
        let modules: Vec<Value> = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        std::fs::write(&path, Value::from(modules[..2].to_vec()).to_string()).unwrap();
        model
    };
    let dot = without_normalize("dot");
    let found = run(&mut with(&dot, &search)).ok();
    assert!(found.contains("\"metric\":\"dot\""), "{found}");
    let [(id, score), ..] = &hits(&found)[..] else {
        panic!("{found}");
    };
    // 10.30 by `model.similarity`.
    assert!(id == "C" && (score - 10.30).abs() < 0.005, "{found}");
    let cosine = run(with(&dot, &search).args(["--similarity", "cosine"])).ok();
    assert!((hits(&cosine)[0].1 - 0.8197).abs() < 1e-4, "{cosine}");

    for name in ["euclidean", "manhattan"] {
        let own = run(&mut with(&without_normalize(name), &search)).ok();
        assert!(own.contains(&format!("\"metric\":\"{name}\"")), "{own}");
        let given = run(with(&dot, &search).args(["--similarity", name])).ok();
        assert_eq!(own, given);
        let scores: Vec<f64> = hits(&own).iter().map(|hit| hit.1).collect();
        assert!(scores.iter().all(|score| *score < 0.0), "{own}");
        assert!(scores.is_sorted_by(|a, b| a >= b), "{own}");
    }
    let doctor = run(&mut with(&dot, &["doctor", "--json"])).ok();
    assert!(doctor.contains("\"similarity\": \"dot\""), "{doctor}");
}

#[test]
fn the_dimensions_of_a_model_are_its_own() {
    let model = model(SETTINGS, json!({ "truncate_dim": 8 }));
    let width = |options: &[&str]| {
        let line = run(with(&model, &["embed", "x"]).args(options)).ok();
        let value: Value = serde_json::from_str(&line).unwrap();
        value["embedding"].as_array().unwrap().len()
    };
    assert_eq!(width(&[]), 8);
    assert_eq!(width(&["--dimensions", "16"]), 16);
}

#[test]
fn the_end_of_a_text_is_kept_where_the_tokenizer_truncates_on_the_left() {
    let sides = json!({ "truncation_side": "left", "model_max_length": 10 });
    let model = model("tokenizer_config.json", sides);
    let pair = [
        "similarity",
        "one two three four five six seven eight nine ten",
        "six seven eight nine ten",
    ];
    near(score(&run(&mut with(&model, &pair)).ok()), 1.0);
}

#[test]
fn a_folder_without_modules_is_noted() {
    let model = model(SETTINGS, json!({}));
    std::fs::remove_file(model.path().join("modules.json")).unwrap();
    let found = run(&mut with(&model, &["similarity", "red kettle", "blue mug"]));
    assert!(found.err.contains("note: "), "{}", found.err);
    assert!(found.err.contains("has no modules.json"), "{}", found.err);
    near(score(&found.ok()), 0.6754);
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("exported");
    let mut export = bare_infer();
    export.args([
        "export",
        "--model",
        text(model.path()),
        "--output",
        text(&output),
    ]);
    let found = run(&mut export);
    assert!(found.err.contains("has no modules.json"), "{}", found.err);
    found.ok();
}
