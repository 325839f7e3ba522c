//! A model with a Router: queries and documents take different parts of it.

use std::path::Path;

use model::{Embeddings, SentenceEncoder};
use serde_json::Value;

use crate::support::{Run, bare_infer, file, run, text};
use crate::test_device::test_device;

const ROUTER: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../model/tests/fixtures/router"
);
const PRODUCTS: &str = "sku,title\nA,steel kettle\nB,red mug\nC,garden chair\nD,blue kettle\n";
const TITLES: [&str; 4] = ["steel kettle", "red mug", "garden chair", "blue kettle"];
const COLUMNS: [&str; 4] = ["--id-column", "sku", "--column", "title"];

fn infer(arguments: &[&str]) -> Run {
    let mut command = bare_infer();
    command.args(arguments).args(["--model", ROUTER]);
    run(command.args(["--device", &test_device().to_string()]))
}

fn encoder() -> SentenceEncoder {
    let builder = SentenceEncoder::builder().device(test_device());
    builder.load(ROUTER).unwrap()
}

/// The vectors that `embed` prints.
fn embedded(arguments: &[&str]) -> Vec<f32> {
    let printed = infer(&[&["embed"], arguments].concat()).ok();
    let lines = printed
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines
        .flat_map(|line| line["embedding"].as_array().unwrap().clone())
        .map(|number| number.as_f64().unwrap() as f32)
        .collect()
}

#[track_caller]
fn near(found: &[f32], expected: &[f32]) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() < 1e-5, "{found} {expected}");
    }
}

#[test]
fn a_text_is_embedded_by_its_task() {
    let encoder = encoder();
    let text = ["steel kettle"];
    let values = |vectors: Result<Embeddings, _>| vectors.unwrap().into_values();
    near(&embedded(&text), &values(encoder.encode(&text)));
    let query = embedded(&["steel kettle", "--task", "query"]);
    near(&query, &values(encoder.encode_query(&text)));
    let document = embedded(&["steel kettle", "--task", "document"]);
    near(&document, &values(encoder.encode_document(&text)));
    // A prompt that is given replaces that of the task and leaves the route.
    for (task, prompt, own) in [
        ("query", "find: ", &query),
        ("document", "product: ", &document),
    ] {
        near(
            &embedded(&["steel kettle", "--task", task, "--prompt", prompt]),
            own,
        );
        let without = embedded(&["steel kettle", "--task", task, "--prompt", ""]);
        assert_ne!(&without, own);
    }
}

/// Ids and scores of the hits.
fn hits(run: Run) -> Vec<(String, f32)> {
    let printed = run.ok();
    let found: Value = serde_json::from_str(printed.lines().next().unwrap()).unwrap();
    let hits = found["hits"].as_array().unwrap().iter();
    hits.map(|hit| {
        let id = hit["id"].as_str().unwrap().to_owned();
        (id, hit["score"].as_f64().unwrap() as f32)
    })
    .collect()
}

/// All products for a vector, best first.
fn expected(query: &Embeddings) -> Vec<(String, f32)> {
    let documents = encoder().encode_document(&TITLES).unwrap();
    let score = |row: &[f32]| row.iter().zip(query.values()).map(|(a, b)| a * b).sum();
    let ids = ["A", "B", "C", "D"].map(str::to_owned);
    let mut hits: Vec<(String, f32)> = ids.into_iter().zip(documents.rows().map(score)).collect();
    hits.sort_by(|(_, one), (_, other)| other.total_cmp(one));
    hits
}

#[track_caller]
fn same(found: &[(String, f32)], expected: &[(String, f32)]) {
    let ids = |hits: &[(String, f32)]| hits.iter().map(|hit| hit.0.clone()).collect::<Vec<_>>();
    assert_eq!(ids(found), ids(expected));
    let scores = |hits: &[(String, f32)]| hits.iter().map(|hit| hit.1).collect::<Vec<_>>();
    near(&scores(found), &scores(expected));
}

#[test]
fn search_and_recommend_route_both_sides() {
    let (folder, corpus) = file("p.csv", PRODUCTS);
    let of_corpus = [&["--json", "--corpus", text(&corpus)][..], &COLUMNS].concat();
    let query = encoder().encode_query(&["kettle"]).unwrap();
    let found = hits(infer(&[&["search", "kettle"], &of_corpus[..]].concat()));
    same(&found, &expected(&query));
    // Products are compared with products.
    let document = encoder().encode_document(&["kettle"]).unwrap();
    let found = hits(infer(
        &[&["recommend", "--text", "kettle"], &of_corpus[..]].concat(),
    ));
    same(&found, &expected(&document));

    let index = folder.path().join("p.index");
    let build = [
        "index",
        "build",
        "--corpus",
        text(&corpus),
        "--output",
        text(&index),
    ];
    infer(&[&build[..], &COLUMNS].concat()).ok();
    let ask = |command: &[&str]| {
        let mode = ["--index", text(&index), "--json"];
        hits(infer(&[command, &mode].concat()))
    };
    same(
        &ask(&["search", "kettle", "--mode", "meaning"]),
        &expected(&query),
    );
    same(
        &ask(&["recommend", "--text", "kettle"]),
        &expected(&document)[..4],
    );
}

#[test]
fn saved_vectors_belong_to_a_route() {
    let (folder, corpus) = file("p.csv", PRODUCTS);
    let saved = |name: &str, task: &[&str]| {
        let path = folder.path().join(name);
        let embed = ["embed", "--input", text(&corpus), "--output", text(&path)];
        infer(&[&embed[..], &COLUMNS, task].concat()).ok();
        path
    };
    let search = |vectors: &Path| {
        let search = ["search", "kettle", "--corpus", text(&corpus), "--json"];
        infer(&[&search[..], &COLUMNS, &["--vectors", text(vectors)]].concat())
    };
    let documents = saved("documents.safetensors", &["--task", "document"]);
    let query = encoder().encode_query(&["kettle"]).unwrap();
    same(&hits(search(&documents)), &expected(&query));
    let queries = saved(
        "queries.safetensors",
        &["--task", "query", "--prompt", "product: "],
    );
    let error = search(&queries).failed(2);
    assert!(
        error.contains("made with route query, not document; give"),
        "{error}"
    );
}

#[test]
fn what_a_router_cannot_do_is_one_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("exported");
    let mut export = bare_infer();
    export.args(["export", "--model", ROUTER, "--output", text(&output)]);
    let error = run(&mut export).failed(1);
    assert!(error.contains("is neither trained nor exported"), "{error}");
    let (_folder, corpus) = file("p.csv", PRODUCTS);
    let rerank = ["rerank", "kettle", "--corpus", text(&corpus)];
    let error = infer(&[&rerank[..], &COLUMNS].concat()).failed(1);
    assert!(error.contains("is no reranker"), "{error}");
}
