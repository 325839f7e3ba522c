//! `rerank`, and the second ranking of `search`.

use model::PairScorer;
use serde_json::Value;

use crate::support::{bare_infer, infer, run, text};
use crate::test_device::test_device;

const CATALOGUE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/catalogue/plain.csv");
const RERANKER: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../model/tests/fixtures/rerankers/bert"
);
const COLUMNS: [&str; 4] = ["--id-column", "id", "--column", "title"];

/// The lines of JSON that a command prints.
fn lines(arguments: &[&str]) -> Vec<Value> {
    let printed = run(&mut infer(arguments)).ok();
    let lines = printed
        .lines()
        .map(|line| serde_json::from_str(line).unwrap());
    lines.collect()
}

fn hits(line: &Value) -> Vec<(String, f32)> {
    let hits = line["hits"].as_array().unwrap().iter();
    hits.map(|hit| {
        let id = hit["id"].as_str().unwrap().to_owned();
        (id, hit["score"].as_f64().unwrap() as f32)
    })
    .collect()
}

/// Every text of the corpus scored by the library, best first.
fn expected(query: &str) -> Vec<(String, f32)> {
    let all = lines(
        &[
            &["search", query, "-k", "99", "--json", "--corpus", CATALOGUE],
            &COLUMNS[..],
        ]
        .concat(),
    );
    let found = all[0]["hits"].as_array().unwrap();
    let pairs: Vec<(&str, &str)> = found
        .iter()
        .map(|hit| (query, hit["text"].as_str().unwrap()))
        .collect();
    assert_eq!(pairs.len(), 12);
    let scorer = PairScorer::builder().device(test_device());
    let scores = scorer.load(RERANKER).unwrap().scores(&pairs).unwrap();
    let ids = found
        .iter()
        .map(|hit| hit["id"].as_str().unwrap().to_owned());
    let mut expected: Vec<(String, f32)> = ids.zip(scores).collect();
    expected.sort_by(|(_, one), (_, other)| other.total_cmp(one));
    expected
}

#[test]
fn a_file_is_ordered_by_the_scores_of_the_reranker() {
    let device = test_device().to_string();
    let arguments = [
        &["rerank", "garden seat", "-k", "5", "--json"][..],
        &["--corpus", CATALOGUE, "--model", RERANKER],
        &["--device", &device],
        &COLUMNS,
    ]
    .concat();
    let printed = run(bare_infer().args(arguments)).ok();
    let found: [Value; 1] = [serde_json::from_str(&printed).unwrap()];
    assert_eq!(found[0]["metric"], "rerank");
    assert_eq!(found[0]["query"], "garden seat");
    assert_same(&hits(&found[0]), &expected("garden seat")[..5]);
}

#[test]
fn search_orders_its_best_hits_again() {
    let query = "garden seat";
    let search = |more: &[&str]| {
        let arguments = [
            &["search", query, "--json", "--corpus", CATALOGUE][..],
            &COLUMNS,
            more,
        ];
        lines(&arguments.concat()).remove(0)
    };
    // All twelve rows are read, so the order is that of the scores alone.
    let found = search(&["-k", "3", "--rerank", RERANKER]);
    assert_eq!(found["metric"], "rerank");
    assert_same(&hits(&found), &expected(query)[..3]);
    // Four are read: the same as without it, in another order.
    let found = search(&["-k", "2", "--rerank", RERANKER, "--rerank-depth", "4"]);
    let first: Vec<String> = hits(&search(&["-k", "4"]))
        .into_iter()
        .map(|(id, _)| id)
        .collect();
    let mut read = expected(query);
    read.retain(|(id, _)| first.contains(id));
    assert_same(&hits(&found), &read[..2]);
}

/// Scores of a batch may differ in their last bits on a graphics processor.
#[track_caller]
fn assert_same(found: &[(String, f32)], expected: &[(String, f32)]) {
    assert_eq!(found.len(), expected.len());
    for ((id, score), (expected_id, expected_score)) in found.iter().zip(expected) {
        assert_eq!(id, expected_id);
        assert!(
            (score - expected_score).abs() < 1e-5,
            "{score} {expected_score}"
        );
    }
}

#[test]
fn what_cannot_rerank_is_refused_before_anything_is_printed() {
    let arguments = ["rerank", "seat", "--corpus", CATALOGUE, "--column", "title"];
    let message = run(&mut infer(&arguments)).failed(1);
    assert!(message.contains("is no reranker"), "{message}");
    let mut bare = bare_infer();
    let message = run(bare.args(arguments)).failed(2);
    assert!(message.contains("name one with --model"), "{message}");
}

#[test]
fn hits_of_an_index_are_ordered_again_from_the_first_on() {
    let tiny = crate::support::TINY;
    let folder = tempfile::tempdir().unwrap();
    let index = text(&folder.path().join("p.index")).to_owned();
    let build = [
        &[
            "index", "build", "--corpus", CATALOGUE, "--output", &index, "--model", tiny,
        ][..],
        &COLUMNS,
    ];
    let mut command = bare_infer();
    command
        .args(build.concat())
        .args(["--device", &test_device().to_string()]);
    run(&mut command).ok();
    let search = |more: &[&str]| {
        let arguments = [
            &["search", "garden seat", "--index", &index, "--json"][..],
            more,
        ]
        .concat();
        lines(&arguments).remove(0)
    };
    let found = search(&["-k", "3", "--rerank", RERANKER]);
    assert_same(&hits(&found), &expected("garden seat")[..3]);
    let second = search(&["-k", "1", "--offset", "1", "--rerank", RERANKER]);
    assert_same(&hits(&second), &expected("garden seat")[1..2]);
}

/// The snapshot of a reranker in the cache of Python, as `transformers` leaves it.
#[test]
fn a_reranker_of_the_cache_needs_no_list_of_modules() {
    let folder = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../model/tests/fixtures/rerankers/roberta"
    );
    let cache = tempfile::tempdir().unwrap();
    let repository = cache.path().join("models--owner--reranker");
    let snapshot = repository.join("snapshots/e8c3b32edf5434bc2275fc9bab85f82640a19130");
    for folder in [&snapshot, &repository.join("refs")] {
        std::fs::create_dir_all(folder).unwrap();
    }
    let commit = "e8c3b32edf5434bc2275fc9bab85f82640a19130";
    std::fs::write(repository.join("refs/main"), commit).unwrap();
    for name in [
        "config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    ] {
        let from = std::path::Path::new(folder).join(name);
        std::fs::copy(from, snapshot.join(name)).unwrap();
    }
    let rerank = |model: &str| {
        let mut command = bare_infer();
        command
            .env("HF_HUB_CACHE", cache.path())
            .args(["rerank", "garden seat", "--json"]);
        command.args(["--corpus", CATALOGUE, "--model", model, "--offline"]);
        run(command
            .args(["--device", &test_device().to_string()])
            .args(COLUMNS))
    };
    let of_cache = rerank("owner/reranker");
    assert!(
        of_cache.err.contains("scores may be wrong"),
        "{}",
        of_cache.err
    );
    assert_eq!(of_cache.ok(), rerank(folder).ok());
}

#[test]
fn truncated_pairs_are_counted_once() {
    let rerank = |length: &str| {
        let device = test_device().to_string();
        let arguments = [
            &["rerank", "garden seat", "--corpus", CATALOGUE][..],
            &[
                "--model",
                RERANKER,
                "--max-length",
                length,
                "--device",
                &device,
            ],
            &COLUMNS,
        ]
        .concat();
        run(bare_infer().args(arguments)).err
    };
    let noted = rerank("7");
    assert!(
        noted.contains("note: 12 of 12 pairs truncated to 7 tokens"),
        "{noted}"
    );
    assert!(!rerank("62").contains("truncated"));

    let long = "steel kettle ".repeat(60);
    let (_folder, corpus) = crate::support::file("p.txt", format!("{long}\nred mug\n"));
    let search = [
        "search",
        "kettle",
        "mug",
        "--corpus",
        text(&corpus),
        "--rerank",
        RERANKER,
    ];
    let noted = run(&mut infer(&search)).err;
    let note = "note: 2 of 4 pairs truncated to 62 tokens";
    assert_eq!(noted.matches(note).count(), 1, "{noted}");
    assert_eq!(noted.matches("pairs").count(), 1, "{noted}");
}
