//! `index`, and `search` and `recommend` over an index.

use std::path::Path;

use serde_json::Value;

use crate::json::results;
use crate::support::{Run, TINY, bare_infer, file, infer, run, run_with_input, text};

const PRODUCTS: &str = "\
sku,title,brand,price,mpn
A,steel water bottle,Acme,\"12,50 €\",XJ-4520
B,wireless keyboard,Keys,49.99,KB 7
C,smart speaker,Acme,99,SP-1
D,water bottle,Hydra,8,
";

/// The corpus and an index of it.
struct Built {
    folder: tempfile::TempDir,
}

impl Built {
    fn new() -> Self {
        let (folder, path) = file("p.csv", PRODUCTS);
        let built = Self { folder };
        let note = built.build(&path, &[]).ok_note();
        assert!(note.contains("embedded 4 texts"), "{note}");
        built
    }

    fn index(&self) -> String {
        text(&self.folder.path().join("p.index")).to_owned()
    }

    fn build(&self, corpus: &Path, more: &[&str]) -> Run {
        let index = self.index();
        let arguments = [
            "index",
            "build",
            "--corpus",
            text(corpus),
            "--column",
            "title",
            "--id-column",
            "sku",
            "--filter-column",
            "brand",
            "--filter-column",
            "price:number",
            "--filter-column",
            "mpn:key",
            "--output",
            &index,
        ];
        run(infer(&arguments).args(more))
    }

    /// The lines of a search, as JSON that has its schema.
    fn search(&self, arguments: &[&str]) -> Vec<Value> {
        let index = self.index();
        results(&[&["search", "--index", &index, "--json"], arguments].concat())
    }

    fn ids(&self, arguments: &[&str]) -> Vec<String> {
        let line = &self.search(arguments)[0];
        let hits = line["hits"].as_array().unwrap().iter();
        hits.map(|hit| hit["id"].as_str().unwrap().to_owned())
            .collect()
    }
}

impl Run {
    #[track_caller]
    fn ok_note(self) -> String {
        assert_eq!(self.code, 0, "{}", self.err);
        self.err
    }
}

#[test]
fn an_index_finds_what_the_corpus_finds() {
    let built = Built::new();
    let corpus = built.folder.path().join("p.csv");
    let of_corpus = run(infer(&[
        "search",
        "water bottle",
        "--json",
        "--corpus",
        text(&corpus),
    ])
    .args(["--column", "title", "--id-column", "sku"]))
    .ok();
    let of_corpus: Value = serde_json::from_str(&of_corpus).unwrap();
    let of_index = &built.search(&["water bottle", "--mode", "meaning"])[0];
    let scores = |line: &Value| -> Vec<(String, u64)> {
        let hits = line["hits"].as_array().unwrap().iter();
        hits.map(|hit| {
            (
                hit["id"].to_string(),
                hit["score"].as_f64().unwrap().to_bits(),
            )
        })
        .collect()
    };
    // To the bit.
    assert_eq!(scores(of_index), scores(&of_corpus));
    assert_eq!(of_index["metric"], "cosine");
}

#[test]
fn words_keys_and_both() {
    let built = Built::new();
    // No model is needed for words.
    let index = built.index();
    let out = run(bare_infer()
        .args([
            "search", "keyboard", "--index", &index, "--mode", "words", "--json",
        ])
        .args(["--model", "/none"]))
    .ok();
    let line: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(line["hits"].as_array().unwrap().len(), 1);
    assert_eq!(line["hits"][0]["id"], "B");
    assert_eq!(
        line["hits"][0]["highlights"]["title"],
        serde_json::json!([[9, 17]])
    );
    // One typing error, unless it is forbidden.
    assert_eq!(built.ids(&["keybaord", "--mode", "words"]), ["B"]);
    assert!(
        built
            .ids(&["keybaord", "--mode", "words", "--no-typos"])
            .is_empty()
    );
    // A part number and an id come first, whatever the weight.
    for weight in ["0", "0.3", "1"] {
        assert_eq!(built.ids(&["sp-1", "--weight", weight])[0], "C");
        assert_eq!(built.ids(&["d", "--weight", weight])[0], "D");
    }
    let line = &built.search(&["water bottle", "--explain", "-k", "1"])[0];
    assert_eq!(line["metric"], "hybrid");
    let because = &line["hits"][0]["explanation"];
    assert_eq!(because["bm25_rank"], 1);
    assert_eq!(because["similarity_rank"], 1);
    assert_eq!(because["key"], false);
}

#[test]
fn filters_facets_and_orders() {
    let built = Built::new();
    let mut cheap = built.ids(&["gift", "--filter", "price < 50 AND NOT brand = keys"]);
    cheap.sort();
    assert_eq!(cheap, ["A", "D"]);
    assert_eq!(
        built.ids(&[
            "gift",
            "--sort",
            "price",
            "--filter",
            "brand IN (acme, hydra)",
            "--mode",
            "meaning"
        ]),
        ["D", "A", "C"]
    );
    assert_eq!(
        built.ids(&[
            "gift", "--sort", "-price", "--offset", "1", "-k", "2", "--mode", "meaning"
        ]),
        ["B", "A"]
    );
    let line = &built.search(&["gift", "--facets", "brand", "--mode", "meaning"])[0];
    assert_eq!(
        line["facets"]["brand"][0],
        serde_json::json!({"value": "Acme", "rows": 2})
    );
    assert_eq!(line["hits"][0]["values"].as_object().unwrap().len(), 3);
    let index = built.index();
    let wrong = run(&mut infer(&[
        "search",
        "gift",
        "--index",
        &index,
        "--filter",
        "colour = red",
    ]))
    .failed(2);
    assert!(
        wrong.contains("colour") && wrong.contains("brand, price, mpn"),
        "{wrong}"
    );
    let wrong = run(&mut infer(&[
        "search",
        "gift",
        "--index",
        &index,
        "--filter",
        "price < cheap",
    ]))
    .failed(2);
    assert!(wrong.contains("'cheap' is not a number"), "{wrong}");
}

#[test]
fn rows_are_added_replaced_and_removed() {
    let built = Built::new();
    let index = built.index();
    let changes =
        "sku,title,brand,price,mpn\nA,steel water bottle,Acme,11,XJ-4520\nE,desk lamp,Lumo,30,\n";
    let (_folder, path) = file("changes.csv", changes);
    let note = run(&mut infer(&[
        "index",
        "add",
        &index,
        "--corpus",
        text(&path),
    ]))
    .ok_note();
    // The texts of A are the same: only E is embedded.
    assert!(
        note.contains("wrote 2 rows, embedded 1 text ") && note.contains("holds 5 rows"),
        "{note}"
    );
    assert_eq!(built.ids(&["lamp", "--filter", "price = 11"]), ["A"]);
    assert_eq!(built.ids(&["desk lamp"])[0], "E");
    let note = run(bare_infer().args(["index", "remove", &index, "E", "none"])).ok_note();
    assert!(
        note.contains("1 id of no row: `none`") && note.contains("holds 4 rows"),
        "{note}"
    );
    assert!(!built.ids(&["desk lamp"]).contains(&"E".to_owned()));
    let removed = run_with_input(
        bare_infer().args(["index", "remove", &index, "--ids", "-"]),
        "B\nC\n",
    )
    .ok_note();
    assert!(removed.contains("removed 2 rows"), "{removed}");
    run(bare_infer().args(["index", "merge", &index])).ok_note();
    let info = run(bare_infer().args(["index", "info", &index, "--json"])).ok();
    let info: Value = serde_json::from_str(&info).unwrap();
    assert_eq!(
        (&info["rows"], &info["removed_rows"]),
        (&2.into(), &0.into())
    );
    let verified = run(bare_infer().args(["index", "verify", &index])).ok();
    assert!(verified.contains("2 rows"), "{verified}");
}

#[test]
fn a_build_goes_on_where_it_ended() {
    let built = Built::new();
    let corpus = built.folder.path().join("p.csv");
    let note = built.build(&corpus, &[]).ok_note();
    assert!(
        note.contains("embedded 0 texts") && note.contains("4 rows in the index already"),
        "{note}"
    );
    // Only the weight of words can change.
    built.build(&corpus, &["--weight", "0.5"]).ok_note();
    let index = built.index();
    let info = run(bare_infer().args(["index", "info", &index])).ok();
    assert!(info.contains("weighted sum, words 0.5"), "{info}");
    // An index of other settings is not overwritten.
    let other = built.build(&corpus, &["--language", "german"]).failed(2);
    assert!(
        other.contains("holds an index with other columns"),
        "{other}"
    );
    let other = built.build(&corpus, &["--max-length", "5"]).failed(2);
    assert!(other.contains("maximum length"), "{other}");
    // A bad value is found before the model is loaded.
    let (_folder, path) = file("bad.csv", PRODUCTS.replace(",99,", ",cheap,"));
    let bad = run(bare_infer()
        .args([
            "index",
            "build",
            "--corpus",
            text(&path),
            "--column",
            "title",
            "--id-column",
            "sku",
        ])
        .args([
            "--filter-column",
            "price:number",
            "--output",
            "/none/x",
            "--model",
            "/none",
        ]))
    .failed(1);
    assert!(
        bad.contains("line 4, column `price`: 'cheap' is not a number"),
        "{bad}"
    );
    let missing = run(infer(&["index", "build", "--corpus", text(&corpus)])
        .args(["--column", "title", "--output", "x"]))
    .failed(2);
    assert!(missing.contains("--id-column"), "{missing}");
}

#[test]
fn vectors_of_another_model_are_refused_by_name() {
    let built = Built::new();
    let other = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(TINY).unwrap() {
        let entry = entry.unwrap();
        let to = other.path().join(entry.file_name());
        if entry.path().is_dir() {
            std::fs::create_dir(&to).unwrap();
            for inner in std::fs::read_dir(entry.path()).unwrap() {
                let inner = inner.unwrap();
                std::fs::copy(inner.path(), to.join(inner.file_name())).unwrap();
            }
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
    let config = other.path().join("config.json");
    let changed = std::fs::read_to_string(&config).unwrap() + " ";
    std::fs::write(&config, changed).unwrap();
    let index = built.index();
    let error = run(bare_infer().args([
        "search",
        "bottle",
        "--index",
        &index,
        "--model",
        text(other.path()),
    ]))
    .failed(2);
    assert!(
        error.contains("the index was built with") && error.contains(TINY),
        "{error}"
    );
    let error =
        run(infer(&["search", "bottle", "--index", &index]).args(["--dimensions", "8"])).failed(2);
    assert!(
        error.contains("--dimensions cannot be given with --index"),
        "{error}"
    );
}

#[test]
fn several_examples_are_recommended_from() {
    let built = Built::new();
    let index = built.index();
    let line = |arguments: &[&str]| -> Value {
        let mut command = bare_infer();
        let out = run(command
            .arg("recommend")
            .args(arguments)
            .args(["--index", &index, "--json"]))
        .ok();
        serde_json::from_str(&out).unwrap()
    };
    // Without a model: the vectors of products are in the index.
    let one = line(&["A"]);
    assert_eq!(one["id"], "A");
    assert_eq!(one["hits"][0]["id"], "D");
    assert_eq!(one["hits"].as_array().unwrap().len(), 3);
    let several = line(&["A", "D", "--not", "B"]);
    assert_eq!(several["ids"], serde_json::json!(["A", "D"]));
    assert_eq!(several["not"], serde_json::json!(["B"]));
    assert_eq!(several["hits"].as_array().unwrap().len(), 1);
    let corpus = built.folder.path().join("p.csv");
    let of_corpus = run(infer(&[
        "recommend",
        "A",
        "D",
        "--not",
        "B",
        "--corpus",
        text(&corpus),
        "--json",
    ])
    .args(["--column", "title", "--id-column", "sku"]))
    .ok();
    let of_corpus: Value = serde_json::from_str(&of_corpus).unwrap();
    assert_eq!(of_corpus["hits"][0]["id"], several["hits"][0]["id"]);
    assert_eq!(of_corpus["hits"][0]["score"], several["hits"][0]["score"]);
    let unknown = run(bare_infer().args(["recommend", "Z", "--index", &index])).failed(2);
    assert!(unknown.contains("no row has the id `Z`"), "{unknown}");
}

#[test]
fn an_index_is_rebuilt_with_another_model() {
    let built = Built::new();
    let index = built.index();
    let before = built.ids(&["water bottle", "--mode", "meaning"]);
    let note = run(&mut infer(&[
        "index",
        "rebuild",
        &index,
        "--dimensions",
        "16",
    ]))
    .ok_note();
    assert!(
        note.contains("embedded 4 texts") && note.contains("holds 4 rows"),
        "{note}"
    );
    let info = run(bare_infer().args(["index", "info", &index, "--json"])).ok();
    let info: Value = serde_json::from_str(&info).unwrap();
    assert_eq!(info["dimensions"], 16);
    // Queries have as many dimensions, without an option.
    let after = built.ids(&["water bottle", "--mode", "meaning"]);
    assert_eq!((before.len(), after.len(), &after[0]), (4, 4, &before[0]));
    let table = run(bare_infer().args(["index", "info", &index])).ok();
    assert!(
        table.contains("filter columns   brand (text), price (number), mpn (key)"),
        "{table}"
    );
}
