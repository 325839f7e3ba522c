//! Attributes of products: filters, facets and boosts of a corpus and of an index.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::json::results;
use crate::support::{Run, bare_infer, file, infer, run, text};

const PRODUCTS: &str = "\
sku,title
A,steel water bottle
B,wireless keyboard
C,smart speaker
D,water bottle
";

/// As `infer attributes` writes them: values by label, or parts of the text.
const ATTRIBUTES: &str = r#"{"id": "A", "attributes": {"brand": "Acme", "colour": "silver"}}
{"id": "B", "text": "wireless Keys keyboard", "spans": [{"start": 9, "end": 13, "label": "brand"}]}
{"id": "C", "attributes": {"brand": "Acme", "colour": ["Acme red", "black"]}}
{"id": "Z", "attributes": {"brand": "Hydra"}}
"#;

struct Files {
    folder: tempfile::TempDir,
    products: PathBuf,
    attributes: PathBuf,
}

impl Files {
    fn new() -> Self {
        let (folder, products) = file("p.csv", PRODUCTS);
        let attributes = folder.path().join("attributes.jsonl");
        std::fs::write(&attributes, ATTRIBUTES).unwrap();
        Self {
            folder,
            products,
            attributes,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Searches the corpus with its attributes.
    fn corpus<'a>(&'a self, arguments: &[&'a str]) -> Vec<&'a str> {
        let corpus = [
            "search",
            "--corpus",
            text(&self.products),
            "--column",
            "title",
        ];
        let attributes = ["--id-column", "sku", "--attributes", text(&self.attributes)];
        [&corpus[..], &attributes, arguments].concat()
    }

    fn found(&self, arguments: &[&str]) -> Value {
        results(&self.corpus(&[arguments, &["--json"]].concat())).remove(0)
    }

    fn build(&self, more: &[&str]) -> Run {
        let index = self.path("p.index");
        let arguments = [
            "index",
            "build",
            "--corpus",
            text(&self.products),
            "--column",
            "title",
        ];
        let output = ["--id-column", "sku", "--output", text(&index)];
        run(infer(&arguments).args(output).args(more))
    }

    fn of_index(&self, arguments: &[&str]) -> Value {
        let index = self.path("p.index");
        let arguments = [&["search", "--index", text(&index), "--json"], arguments].concat();
        results(&arguments).remove(0)
    }
}

fn ids(found: &Value) -> Vec<&str> {
    let hits = found["hits"].as_array().unwrap().iter();
    hits.map(|hit| hit["id"].as_str().unwrap()).collect()
}

/// Scores by id, to the bit.
fn scores(found: &Value) -> Vec<(String, u64)> {
    let hits = found["hits"].as_array().unwrap().iter();
    let score = |hit: &Value| hit["score"].as_f64().unwrap().to_bits();
    hits.map(|hit| (hit["id"].to_string(), score(hit)))
        .collect()
}

#[test]
fn a_corpus_is_filtered_and_counted_by_its_attributes() {
    let files = Files::new();
    let found = files.found(&[
        "gift",
        "--filter",
        "brand = acme",
        "--facets",
        "brand,colour",
    ]);
    let mut found_ids = ids(&found);
    found_ids.sort_unstable();
    assert_eq!(found_ids, ["A", "C"]);
    let value = |value: &str, rows: usize| json!({ "value": value, "rows": rows });
    // The chosen brand does not hide the others.
    assert_eq!(
        found["facets"]["brand"],
        json!([value("Acme", 2), value("Keys", 1)])
    );
    assert_eq!(
        found["facets"]["colour"],
        json!([value("Acme red", 1), value("silver", 1)])
    );
    let hit = found["hits"]
        .as_array()
        .unwrap()
        .iter()
        .find(|hit| hit["id"] == "A");
    assert_eq!(
        hit.unwrap()["values"],
        json!({ "brand": "Acme", "colour": "silver" })
    );
    let missing = files.found(&["gift", "--filter", "brand IS MISSING"]);
    assert_eq!(ids(&missing), ["D"]);
    assert_eq!(
        missing["hits"][0]["values"],
        json!({ "brand": null, "colour": null })
    );
    // Facets of what reaches a score.
    let all = files.found(&["water bottle", "--facets", "brand"]);
    assert_eq!(all["facets"]["brand"][0], value("Acme", 2));
    let best = all["hits"][0]["score"].to_string();
    let few = files.found(&["water bottle", "--facets", "brand", "--min-score", &best]);
    assert_eq!(few["hits"].as_array().unwrap().len(), 1);
    let page = files.found(&["water bottle", "--offset", "1", "-k", "2"]);
    assert_eq!(ids(&page), ids(&all)[1..3]);
    assert_eq!(page["hits"][0]["rank"], 1);

    let printed = run(&mut infer(&files.corpus(&[
        "acme gift",
        "--facets",
        "brand",
        "--boost",
        "brand=0.5",
    ])));
    let printed = printed.ok();
    assert!(
        printed.contains("boosted: brand = Acme +0.5\n"),
        "{printed}"
    );
    assert!(printed.ends_with("brand: Acme 2, Keys 1\n"), "{printed}");
}

#[test]
fn what_the_query_names_is_boosted() {
    let files = Files::new();
    let plain = files.found(&["a bottle by ACME"]);
    let boosted = files.found(&[
        "a bottle by ACME",
        "--boost",
        "Brand=0.5",
        "--boost",
        "colour=1",
    ]);
    assert_eq!(
        boosted["boosts"],
        json!([{ "column": "brand", "value": "Acme", "weight": 0.5 }])
    );
    let score = |found: &Value, id: &str| {
        let hits = found["hits"].as_array().unwrap();
        let hit = hits.iter().find(|hit| hit["id"] == id).unwrap();
        hit["score"].as_f64().unwrap() as f32
    };
    for (id, boost) in [("A", 0.5), ("B", 0.0), ("C", 0.5), ("D", 0.0)] {
        assert_eq!(score(&boosted, id), score(&plain, id) + boost, "{id}");
        let hits = boosted["hits"].as_array().unwrap();
        let hit = hits.iter().find(|hit| hit["id"] == id).unwrap();
        assert_eq!(hit["boost"], boost);
    }
    // The longest value takes its words.
    let red = files.found(&["acme red", "--boost", "brand=0.5", "--boost", "colour=1"]);
    assert_eq!(
        red["boosts"],
        json!([{ "column": "colour", "value": "Acme red", "weight": 1.0 }])
    );
    let none = files.found(&["bottle", "--boost", "brand=0.5"]);
    assert!(none.get("boosts").is_none() && none["hits"][0].get("boost").is_none());
}

#[test]
fn a_column_has_one_boost() {
    let files = Files::new();
    let twice = ["acme", "--boost", "brand=0.2", "--boost", "Brand=0.3"];
    let error = run(&mut infer(&files.corpus(&twice))).failed(2);
    assert!(
        error.contains("gives the column `Brand` two weights"),
        "{error}"
    );
}

#[test]
fn an_index_keeps_attributes_as_columns() {
    let files = Files::new();
    let attributes = text(&files.attributes);
    let built = files.build(&["--attributes", attributes]);
    assert_eq!(built.code, 0, "{}", built.err);
    assert!(built.err.contains("1 row without a line"), "{}", built.err);
    // The same, without a model where words are asked.
    for more in [
        &["acme bottle", "--boost", "brand=0.3", "--facets", "colour"][..],
        &[
            "acme red",
            "--boost",
            "colour=0.3",
            "--filter",
            "NOT brand = keys",
        ],
    ] {
        let of_corpus = files.found(more);
        let of_index = files.of_index(&[more, &["--mode", "meaning"]].concat());
        assert_eq!(scores(&of_index), scores(&of_corpus), "{more:?}");
        assert_eq!(of_index["facets"], of_corpus["facets"]);
        assert_eq!(of_index["boosts"], of_corpus["boosts"]);
    }
    let explained = files.of_index(&["acme gift", "--boost", "brand=0.25", "--explain", "-k", "1"]);
    assert_eq!(explained["hits"][0]["values"]["brand"], "Acme");
    assert_eq!(explained["hits"][0]["explanation"]["boost"], 0.25);
    let index = files.path("p.index");
    let info = run(bare_infer().args(["index", "info", text(&index)])).ok();
    assert!(info.contains("brand (text), colour (text)"), "{info}");
    assert!(info.contains("of attributes    brand, colour"), "{info}");

    // The same command goes on.
    let again = files.build(&["--attributes", attributes]);
    assert!(
        again.err.contains("4 rows in the index already"),
        "{}",
        again.err
    );
    // So it does with other lines: its labels come in another order, one is missing, or there is one more.
    let lines = files.path("lines.jsonl");
    let mut reversed: Vec<&str> = ATTRIBUTES.lines().rev().collect();
    reversed.insert(
        0,
        r#"{"id": "Y", "attributes": {"size": "XL", "colour": "red"}}"#,
    );
    for content in [
        reversed.join("\n"),
        r#"{"id": "A", "attributes": {"colour": "silver"}}"#.to_owned(),
        ATTRIBUTES.to_owned(),
    ] {
        std::fs::write(&lines, &content).unwrap();
        let built = files.build(&["--attributes", text(&lines)]);
        assert_eq!(built.code, 0, "{content}: {}", built.err);
        assert_eq!(
            built.err.contains("`size` does not count"),
            content.contains("size"),
            "{}",
            built.err
        );
    }
    // Rows that are added need theirs.
    let add = |more: &[&str]| {
        let products = text(&files.products);
        run(infer(&["index", "add", text(&index), "--corpus", products]).args(more))
    };
    let refused = add(&[]).failed(2);
    assert!(refused.contains("give --attributes"), "{refused}");
    let changed = files.path("changed.jsonl");
    std::fs::write(&changed, ATTRIBUTES.replace("Keys", "Acme")).unwrap();
    // The text is not embedded again, and its part is another.
    let added = add(&["--attributes", text(&changed)]);
    assert_eq!(added.code, 0, "{}", added.err);
    let acme = files.of_index(&["gift", "--filter", "brand = Acme"]);
    assert_eq!(acme["hits"].as_array().unwrap().len(), 3);
    let other = files.build(&[]).failed(2);
    assert!(other.contains("other columns"), "{other}");
}

#[test]
fn a_column_of_the_corpus_comes_before_an_attribute() {
    let files = Files::new();
    std::fs::write(
        &files.products,
        PRODUCTS
            .replace("title", "title,brand")
            .replace("bottle\n", "bottle,Own\n"),
    )
    .unwrap();
    let attributes = text(&files.attributes);
    let built = files.build(&[
        "--attributes",
        attributes,
        "--filter-column",
        "brand",
        "--skip-bad-rows",
    ]);
    assert_eq!(built.code, 0, "{}", built.err);
    assert!(
        built.err.contains("`brand` does not count"),
        "{}",
        built.err
    );
    let own = files.of_index(&["gift", "--filter", "brand = Own AND colour = silver"]);
    assert_eq!(ids(&own), ["A"]);
    let none = run(bare_infer().args(["index", "info", text(&files.path("p.index"))])).ok();
    assert!(none.contains("of attributes    colour\n"), "{none}");
}

#[test]
fn wrong_files_and_options_are_refused() {
    let files = Files::new();
    let search = |path: &Path, more: &[&str]| {
        let corpus = [
            "search",
            "gift",
            "--corpus",
            text(&files.products),
            "--column",
            "title",
        ];
        run(infer(&corpus).args(["--attributes", text(path)]).args(more))
    };
    let with = |content: &str| {
        let path = files.path("other.jsonl");
        std::fs::write(&path, content).unwrap();
        path
    };
    let ids = &["--id-column", "sku"][..];
    for (content, options, code, message) in [
        ("{\"id\": 1", ids, 1, "line 1"),
        (
            "{\"id\":\"Q\",\"attributes\":{}}",
            ids,
            2,
            "check --id-column",
        ),
        (ATTRIBUTES, &[], 2, "check --id-column"),
        ("{}\n{}\n", ids, 1, "2 lines for a corpus of 4 rows"),
        (
            ATTRIBUTES,
            &["--id-column", "sku", "--filter", "size = 1"],
            2,
            "brand, colour",
        ),
        (
            ATTRIBUTES,
            &["--id-column", "sku", "--facets", "size"],
            2,
            "`size`",
        ),
        (
            ATTRIBUTES,
            &["--id-column", "sku", "--boost", "size=1"],
            2,
            "`size`",
        ),
        (
            ATTRIBUTES,
            &["--id-column", "sku", "--boost", "brand=-1"],
            2,
            "above 0",
        ),
    ] {
        let error = search(&with(content), options).failed(code);
        assert!(error.contains(message), "{content}: {error}");
    }
    // Lines in the order of the rows, and by their numbers.
    let brand = |brand: &str| format!("{{\"attributes\":{{\"brand\":\"{brand}\"}}}}\n");
    let ordered: String = ["a", "b", "c", "d"].map(brand).concat();
    for content in [
        ordered.clone(),
        ordered.replace(
            "{\"attributes\":{\"brand\":\"b",
            "{\"row\":2,\"attributes\":{\"brand\":\"b",
        ),
    ] {
        let found = search(&with(&content), &["--filter", "brand = b", "--json"]);
        if content.contains("row") {
            assert!(found.failed(1).contains("in every line, or in none"));
            continue;
        }
        let found: Value = serde_json::from_str(&found.ok()).unwrap();
        assert_eq!(found["hits"][0]["row"], 2);
    }
    let numbered = with("{\"row\":2,\"attributes\":{\"brand\":\"b\"}}\n");
    let found = search(&numbered, &["--filter", "brand = b", "--json"]).ok();
    let found: Value = serde_json::from_str(&found).unwrap();
    assert_eq!(found["hits"][0]["row"], 2);
    let refused = files.build(&["--attributes", text(&numbered)]).failed(1);
    assert!(refused.contains("an index names rows by ids"), "{refused}");
    let alone = run(&mut infer(&[
        "search", "gift", "--corpus", "x", "--boost", "brand=1",
    ]))
    .failed(2);
    assert!(alone.contains("--attributes"), "{alone}");
    let both = ["search", "gift", "--index", "x", "--attributes", "y"];
    let both = run(&mut infer(&both)).failed(2);
    assert!(both.contains("cannot be used with"), "{both}");
}

#[test]
fn a_tagger_reads_the_query() {
    /// It finds brands and colours, also such as no product has.
    const TAGGER: &str = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../model/tests/fixtures/taggers/mpnet"
    );
    let files = Files::new();
    let built = files.build(&["--attributes", text(&files.attributes)]);
    assert_eq!(built.code, 0, "{}", built.err);
    let query = "acme red kettle";
    let tagged = run(bare_infer().args(["attributes", query, "--model", TAGGER])).ok();
    let tagged: Value = serde_json::from_str(&tagged).unwrap();
    let spans = tagged["spans"].as_array().unwrap();
    let named = |label: &str| {
        let spans = spans.iter().filter(|span| span["label"] == label);
        spans
            .map(|span| span["value"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(named("brand"), ["acme"]);
    assert_eq!(named("colour"), ["red"]);
    let options = [
        "--query-model",
        TAGGER,
        "--boost",
        "Brand=0.5",
        "--boost",
        "colour=1",
    ];
    let boosts = json!([
        { "column": "brand", "value": "acme", "weight": 0.5 },
        { "column": "colour", "value": "red", "weight": 1.0 },
    ]);
    let (of_corpus, of_index) = (
        files.found(&[&[query], &options[..]].concat()),
        files.of_index(&[&[query, "--mode", "meaning"], &options[..]].concat()),
    );
    for found in [&of_corpus, &of_index] {
        assert_eq!(found["boosts"], boosts);
        let mut best = ids(found)[..2].to_vec();
        best.sort_unstable();
        // No product is red, and two are of the brand.
        assert_eq!(best, ["A", "C"]);
    }
    assert_eq!(scores(&of_corpus), scores(&of_index));
    let more = ["--query-model", TAGGER, "--boost", "id=1"];
    let index = files.path("p.index");
    let other = files.path("sizes.jsonl");
    std::fs::write(
        &other,
        "{\"id\": \"A\", \"attributes\": {\"size\": \"XL\"}}\n",
    )
    .unwrap();
    let size = [
        "--attributes",
        text(&other),
        "--boost",
        "size=1",
        "--query-model",
        TAGGER,
    ];
    let corpus = [
        "search",
        query,
        "--corpus",
        text(&files.products),
        "--column",
        "title",
    ];
    let refused = run(infer(&corpus).args(["--id-column", "sku"]).args(size)).failed(2);
    assert!(
        refused.contains("no label `size`: its labels are brand, colour"),
        "{refused}"
    );
    let unknown = run(infer(&["search", query, "--index", text(&index)]).args(more)).failed(2);
    assert!(unknown.contains("no filter column `id`"), "{unknown}");
    let alone = [
        "search",
        query,
        "--index",
        text(&index),
        "--query-model",
        TAGGER,
    ];
    assert!(run(&mut infer(&alone)).failed(2).contains("--boost"));
}
