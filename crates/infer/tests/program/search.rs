//! `similarity`, `search` and `recommend`.

use infer::vectors::read_vectors;
use serde_json::Value;

use crate::support::{WIDTH, file, infer, run, run_with_input, text};

const PRODUCTS: &str =
    "sku,title\nA,steel water bottle\nB,wireless keyboard\nC,smart speaker\nD,water bottle\n";

fn hits(json: &str) -> Vec<(String, f64)> {
    let value: Value = serde_json::from_str(json.trim()).unwrap();
    let hits = value["hits"].as_array().unwrap().iter();
    hits.map(|hit| {
        (
            hit["id"].as_str().unwrap().to_owned(),
            hit["score"].as_f64().unwrap(),
        )
    })
    .collect()
}

#[test]
fn a_text_finds_itself_first() {
    let (folder, path) = file("p.csv", PRODUCTS);
    let arguments = [
        "search",
        "water bottle",
        "--corpus",
        text(&path),
        "--column",
        "title",
        "--id-column",
        "sku",
    ];
    let json = run(infer(&arguments).args(["--json", "-k", "2"])).ok();
    let found = hits(&json);
    assert_eq!(found.len(), 2);
    assert_eq!(found[0].0, "D");
    assert!((found[0].1 - 1.0).abs() < 1e-6, "{json}");

    // With saved vectors the same, and only the query is embedded.
    let vectors = folder.path().join("v.safetensors");
    run(&mut infer(&[
        "embed",
        "--input",
        text(&path),
        "--column",
        "title",
        "--output",
        text(&vectors),
    ]))
    .ok();
    let again =
        run(infer(&arguments).args(["--json", "-k", "2", "--vectors", text(&vectors)])).ok();
    let again = hits(&again);
    for (first, second) in found.iter().zip(&again) {
        assert_eq!(first.0, second.0);
        assert!((first.1 - second.1).abs() < 1e-6);
    }

    let table = run(&mut infer(&arguments)).ok();
    assert_eq!(
        table.lines().count(),
        1 + 4,
        "a larger k gives the whole corpus: {table}"
    );
    assert!(
        table
            .lines()
            .nth(1)
            .unwrap()
            .contains("1.0000  D  water bottle"),
        "{table}"
    );
}

#[test]
fn vectors_of_another_corpus_are_refused() {
    let (folder, path) = file("p.csv", PRODUCTS);
    let vectors = folder.path().join("v.npy");
    let embed = |arguments: &[&str]| {
        run(infer(&["embed", "--output", text(&vectors)]).args(arguments)).ok();
    };
    let search = |arguments: &[&str]| {
        let corpus = [
            "search",
            "keyboard",
            "--corpus",
            text(&path),
            "--column",
            "title",
        ];
        run(infer(&corpus)
            .args(["--vectors", text(&vectors)])
            .args(arguments))
    };
    embed(&["just one"]);
    let message = search(&[]).failed(1);
    assert!(
        message.contains("1 vectors for a corpus of 4 rows"),
        "{message}"
    );
    let title = ["--input", text(&path), "--column", "title"];
    embed(&[&title[..], &["--dimensions", "8"]].concat());
    let message = search(&[]).failed(2);
    assert!(
        message.contains("8 dimensions, but this model's have 32"),
        "{message}"
    );
    search(&["--dimensions", "8"]).ok();

    // As many vectors of the right width, but of another column.
    embed(&["--input", text(&path), "--column", "sku"]);
    let message = search(&[]).failed(1);
    assert!(
        message.contains("does not belong to the row in line 2") && message.contains("--precision"),
        "{message}"
    );

    // The right vectors in another order: their ids tell.
    embed(&[&title[..], &["--id-column", "sku"]].concat());
    search(&["--id-column", "sku"]).ok();
    let mut rows: Vec<&str> = PRODUCTS.lines().collect();
    rows.swap(2, 3);
    std::fs::write(&path, rows.join("\n")).unwrap();
    let message = search(&["--id-column", "sku"]).failed(1);
    assert!(
        message.contains("in line 3 was saved for the id `B`, not `C`"),
        "{message}"
    );
}

#[test]
fn an_empty_corpus_finds_nothing() {
    let (folder, path) = file("p.txt", "");
    for format in ["npy", "jsonl"] {
        let vectors = folder.path().join(format!("v.{format}"));
        run(&mut infer(&[
            "embed",
            "--input",
            text(&path),
            "--output",
            text(&vectors),
        ]))
        .ok();
        let corpus = [
            "search",
            "a",
            "--corpus",
            text(&path),
            "--vectors",
            text(&vectors),
        ];
        assert_eq!(run(&mut infer(&corpus)).ok(), "a\n", "{format}");
    }
    let (_folder, path) = file("pairs.jsonl", "");
    assert_eq!(
        run(&mut infer(&["similarity", "--input", text(&path)])).ok(),
        ""
    );
}

/// A model that does not normalize gives vectors of other lengths than 1, of which dot product and
/// cosine differ.
#[test]
fn the_dot_product_counts_the_length_of_vectors() {
    let (folder, path) = file("p.csv", PRODUCTS);
    let model = folder.path().join("model");
    std::fs::create_dir_all(model.join("1_Pooling")).unwrap();
    for name in crate::support::names(crate::support::TINY.as_ref()) {
        let from = std::path::Path::new(crate::support::TINY).join(&name);
        if from.is_file() {
            std::fs::copy(from, model.join(&name)).unwrap();
        }
    }
    let pooling = "1_Pooling/config.json";
    let from = std::path::Path::new(crate::support::TINY).join(pooling);
    std::fs::copy(from, model.join(pooling)).unwrap();
    let modules = r#"[{"path":"","type":"sentence_transformers.models.Transformer"},{"path":"1_Pooling","type":"sentence_transformers.models.Pooling"}]"#;
    std::fs::write(model.join("modules.json"), modules).unwrap();
    let infer = |arguments: &[&str]| {
        let mut command = crate::support::bare_infer();
        command.args(["--model", text(&model), "--device"]);
        command.arg(crate::test_device::test_device().to_string());
        command.args(arguments);
        command
    };
    let vectors = folder.path().join("v.npy");
    let read = ["--column", "title", "--id-column", "sku"];
    let embed = ["embed", "--input", text(&path)];
    run(infer(&embed).args(read).args(["--output", text(&vectors)])).ok();
    let search = |similarity: &str| {
        let arguments = ["search", "bottle", "--json", "--corpus", text(&path)];
        let json = run(infer(&arguments).args(read).args([
            "--vectors",
            text(&vectors),
            "--similarity",
            similarity,
        ]))
        .ok();
        let mut hits = hits(&json);
        hits.sort_by(|a, b| a.0.cmp(&b.0));
        hits
    };
    let length = |vector: &[f32]| {
        let squares = vector.iter().map(|value| f64::from(*value).powi(2));
        squares.sum::<f64>().sqrt()
    };
    let query = folder.path().join("q.npy");
    run(&mut infer(&["embed", "bottle", "--output", text(&query)])).ok();
    let query = length(&read_vectors(&query).unwrap().values);
    let saved = read_vectors(&vectors).unwrap();
    let lengths = saved.values.chunks_exact(WIDTH).map(length);
    let (dots, cosines) = (search("dot"), search("cosine"));
    assert_eq!(dots.len(), 4);
    for ((dot, cosine), length) in dots.iter().zip(&cosines).zip(lengths) {
        assert_eq!(dot.0, cosine.0);
        assert!((length - 1.0).abs() > 1e-3, "{length}");
        let product = cosine.1 * length * query;
        assert!(
            (dot.1 - product).abs() < 1e-5 * product.abs().max(1.0),
            "{dot:?} {cosine:?} {length} {query}"
        );
    }
}

#[test]
fn a_recommendation_leaves_the_item_itself_out() {
    let (_folder, path) = file("p.csv", PRODUCTS);
    let arguments = [
        "--corpus",
        text(&path),
        "--column",
        "title",
        "--id-column",
        "sku",
        "--json",
    ];
    let found = hits(&run(infer(&["recommend", "D"]).args(arguments)).ok());
    assert_eq!(found.len(), 3);
    assert!(found.iter().all(|(id, _)| id != "D"));
    assert!(found.is_sorted_by(|a, b| a.1 >= b.1));
    let found = hits(&run(infer(&["recommend", "--text", "water bottle"]).args(arguments)).ok());
    assert_eq!(found[0].0, "D");
    let message = run(infer(&["recommend", "Z"]).args(arguments)).failed(2);
    assert!(
        message.contains("no row has the id `Z`") && message.contains("--id-column"),
        "{message}"
    );
}

#[test]
fn without_ids_a_row_is_named_by_its_number() {
    let (_folder, path) = file("p.txt", "steel water bottle\nkeyboard\nwater bottle\n");
    let table = run(&mut infer(&["recommend", "3", "--corpus", text(&path)])).ok();
    assert!(table.starts_with("like 3: water bottle\n"), "{table}");
    assert_eq!(table.lines().count(), 3);
    run(&mut infer(&["recommend", "4", "--corpus", text(&path)])).failed(2);
}

#[test]
fn similarity_of_two_texts_and_of_two_columns() {
    let out = run(&mut infer(&["similarity", "water bottle", "water bottle"])).ok();
    assert_eq!(out, "1.0000\twater bottle\twater bottle\n");
    let pairs = "query\tdescription\na b\ta b\nx\ty z\n";
    let (_folder, path) = file("p.tsv", pairs);
    let out = run(&mut infer(&[
        "similarity",
        "--input",
        text(&path),
        "--json",
    ]))
    .ok();
    let rows: Vec<Value> = out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(rows.len(), 2);
    assert!((rows[0]["score"].as_f64().unwrap() - 1.0).abs() < 1e-6);
    assert_eq!(
        (&rows[1]["a"], &rows[1]["b"]),
        (&Value::from("x"), &Value::from("y z"))
    );
    // The same from standard input.
    let piped = run_with_input(
        &mut infer(&["similarity", "--input", "-", "--format", "tsv", "--json"]),
        pairs,
    );
    assert_eq!(piped.ok(), out);
    let (_folder, path) = file("p.csv", PRODUCTS.replace("title", "title,brand").as_str());
    let message = run(&mut infer(&["similarity", "--input", text(&path)])).failed(2);
    assert!(message.contains("there are 3"), "{message}");
}

/// Embeds the products into a file that says what the vectors are made of, and searches with it.
struct Saved {
    folder: tempfile::TempDir,
    path: std::path::PathBuf,
    vectors: std::path::PathBuf,
}

impl Saved {
    fn new(ending: &str) -> Self {
        let products = PRODUCTS
            .replace("title\n", "title,brand\n")
            .replace("le\n", "le,Acme\n");
        let products = products
            .replace("rd\n", "rd,Best\n")
            .replace("er\n", "er,Cool\n");
        let (folder, path) = file("p.csv", products);
        let vectors = folder.path().join(format!("v.{ending}"));
        let saved = Self {
            folder,
            path,
            vectors,
        };
        let input = [
            "embed",
            "--input",
            text(&saved.path),
            "--output",
            text(&saved.vectors),
        ];
        run(infer(&input).args(["--column", "title", "--id-column", "sku"])).ok();
        saved
    }

    fn search(&self, arguments: &[&str]) -> crate::support::Run {
        let corpus = [
            "search",
            "keyboard",
            "-k",
            "1",
            "--corpus",
            text(&self.path),
        ];
        run(infer(&corpus)
            .args(["--vectors", text(&self.vectors)])
            .args(arguments))
    }

    fn edit(&self, from: &str, to: &str) {
        let content = std::fs::read_to_string(&self.path).unwrap();
        assert!(content.contains(from));
        std::fs::write(&self.path, content.replace(from, to)).unwrap();
    }
}

const TITLE: [&str; 2] = ["--column", "title"];

#[test]
fn one_changed_text_is_noticed() {
    for ending in ["parquet", "safetensors", "jsonl"] {
        let saved = Saved::new(ending);
        assert!(
            saved.search(&TITLE).ok().contains("2  wireless keyboard"),
            "{ending}"
        );
        saved.edit("smart speaker", "smart speakers");
        let message = saved.search(&TITLE).failed(1);
        assert!(
            message.contains("the texts of the corpus are not those of the vectors"),
            "{message}"
        );
        // Columns that are not embedded may change.
        saved.edit("smart speakers,Cool", "smart speaker,Hot");
        saved.search(&TITLE).ok();
    }
    // The .npy file cannot tell: it says what was looked at.
    let saved = Saved::new("npy");
    let note = saved.search(&TITLE);
    assert!(
        note.err
            .contains("v.npy: the vectors of 4 of 4 rows were compared"),
        "{}",
        note.err
    );
    note.ok();
}

#[test]
fn the_setting_that_differs_is_named() {
    let other = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(crate::support::TINY).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            std::fs::copy(&path, other.path().join(path.file_name().unwrap())).unwrap();
        }
    }
    let pooling = std::path::Path::new(crate::support::TINY).join("1_Pooling");
    std::fs::create_dir(other.path().join("1_Pooling")).unwrap();
    let config = other.path().join("1_Pooling/config.json");
    std::fs::copy(pooling.join("config.json"), &config).unwrap();
    for ending in ["parquet", "safetensors"] {
        let saved = Saved::new(ending);
        let both = [&TITLE[..], &["--column", "brand"]].concat();
        for (arguments, expected) in [
            (&both[..], "--column title, not title, brand"),
            (
                &["--column", "title", "--max-length", "8"],
                "--max-length 62, not 8",
            ),
            (
                &["--column", "title", "--dimensions", "8"],
                "32 dimensions, but this model's have 8",
            ),
        ] {
            let message = saved.search(arguments).failed(2);
            assert!(message.contains(expected), "{message}");
        }
        // Another folder with the same files is the same model.
        let other = |arguments: &[&str]| {
            let corpus = [
                "search",
                "a",
                "--corpus",
                text(&saved.path),
                "--column",
                "title",
            ];
            run(crate::support::bare_infer()
                .args(["--model", text(other.path()), "--device"])
                .arg(crate::test_device::test_device().to_string())
                .args(corpus)
                .args(["--vectors", text(&saved.vectors)])
                .args(arguments))
        };
        other(&[]).ok();
        let content = std::fs::read_to_string(&config).unwrap();
        std::fs::write(&config, format!("{content} ")).unwrap();
        let message = other(&[]).failed(2);
        assert!(message.contains("made with --model "), "{message}");
        std::fs::write(&config, content).unwrap();
        // Rows in another order.
        saved.edit(
            "B,wireless keyboard,Best\nC,smart speaker,Cool",
            "C,smart speaker,Cool\nB,wireless keyboard,Best",
        );
        let message = saved
            .search(&["--column", "title", "--id-column", "sku"])
            .failed(1);
        assert!(
            message.contains("saved for the id `B`, not `C`"),
            "{message}"
        );
        drop(saved.folder);
    }
}

#[test]
fn the_precision_of_saved_vectors_is_named() {
    if !matches!(crate::test_device::test_device(), model::Device::Cpu) {
        return;
    }
    let (folder, path) = file("p.csv", PRODUCTS);
    for ending in ["parquet", "safetensors"] {
        let vectors = folder.path().join(format!("v.{ending}"));
        let read = ["--column", "title", "--precision", "int8"];
        let embed = ["embed", "--input", text(&path), "--output", text(&vectors)];
        run(infer(&embed).args(read)).ok();
        let search = [
            "search",
            "a",
            "--corpus",
            text(&path),
            "--vectors",
            text(&vectors),
        ];
        run(infer(&search).args(read)).ok();
        let f32 = run(infer(&search).args(TITLE).args(["--precision", "f32"]));
        let message = f32.failed(2);
        assert!(message.contains("--precision int8, not f32"), "{message}");
    }
}

#[test]
fn a_recommendation_from_saved_vectors_needs_no_model() {
    for ending in ["parquet", "safetensors"] {
        let saved = Saved::new(ending);
        let recommend = |arguments: &[&str]| {
            let corpus = [
                "recommend",
                "D",
                "-k",
                "1",
                "--corpus",
                text(&saved.path),
                "--id-column",
                "sku",
            ];
            run(crate::support::bare_infer()
                .args(["--model", "./no-such-model"])
                .args(corpus)
                .args(["--vectors", text(&saved.vectors)])
                .args(arguments))
        };
        let found = recommend(&TITLE).ok();
        let corpus = ["recommend", "D", "-k", "1", "--corpus", text(&saved.path)];
        let with_model = run(infer(&corpus).args(TITLE).args(["--id-column", "sku"])).ok();
        assert_eq!(found, with_model);
        let message = recommend(&["--column", "brand"]).failed(2);
        assert!(message.contains("--column title, not brand"), "{message}");
        let message = recommend(&["--column", "title", "--precision", "int8"]).failed(2);
        assert!(message.contains("--precision f32, not int8"), "{message}");
        saved.edit("smart speaker", "smart speakers");
        let message = recommend(&TITLE).failed(1);
        assert!(message.contains("the texts of the corpus"), "{message}");
    }
}

#[test]
fn an_id_of_several_rows_is_refused_and_elsewhere_noted() {
    let (_folder, path) = file("p.csv", "sku,title\n1,kettle\n2,mug\n1,lamp\n");
    let read = [
        "--corpus",
        text(&path),
        "--column",
        "title",
        "--id-column",
        "sku",
    ];
    let message = run(infer(&["recommend", "1"]).args(read)).failed(1);
    assert!(
        message.contains("the id `1` is that of rows 1 and 3 (lines 2 and 4)"),
        "{message}"
    );
    run(infer(&["recommend", "2"]).args(read)).ok();
    let search = run(infer(&["search", "mug"]).args(read));
    assert!(
        search
            .err
            .contains("`1` is that of rows 1 and 3 (lines 2 and 4)"),
        "{}",
        search.err
    );
    search.ok();
}

/// What `similarity` prints into a pipe can be joined with its input again.
#[test]
fn a_pipe_gets_whole_texts_of_pairs() {
    let long = "a long description of a water bottle ".repeat(10);
    let pairs = format!("query,description\n\"5\"\" pipe\",\"{long}\"\n");
    let (_folder, path) = file("p.csv", &pairs);
    let out = run(&mut infer(&["similarity", "--input", text(&path)])).ok();
    let fields: Vec<&str> = out.trim_end_matches('\n').split('\t').collect();
    assert_eq!(&fields[1..], ["\"5\"\" pipe\"", long.as_str()]);
}

#[test]
fn a_corpus_without_rows_makes_a_note() {
    for (name, content) in [("p.csv", "title\n"), ("p.json", "[]"), ("p.txt", "")] {
        let (_folder, path) = file(name, content);
        let arguments = ["search", "kettle", "--corpus", text(&path), "--json"];
        let found = run(&mut infer(&arguments));
        assert!(
            found.err.contains("note: the corpus has no rows"),
            "{name}: {}",
            found.err
        );
        assert!(hits(&found.ok()).is_empty(), "{name}");
    }
}

#[test]
fn lengths_that_differ_from_those_of_the_queries_are_refused() {
    let (folder, path) = file("p.csv", PRODUCTS);
    for ending in ["parquet", "safetensors"] {
        let vectors = folder.path().join(format!("v.{ending}"));
        let search = |similarity: &str| {
            let corpus = ["search", "bottle", "--corpus", text(&path)];
            let saved = ["--vectors", text(&vectors), "--similarity", similarity];
            run(infer(&corpus).args(TITLE).args(saved))
        };
        let embed = ["embed", "--input", text(&path), "--output", text(&vectors)];
        run(infer(&embed).args(TITLE).arg("--no-normalize")).ok();
        for similarity in ["dot", "euclidean", "manhattan"] {
            let message = search(similarity).failed(2);
            assert!(
                message.contains("made with --no-normalize") && message.contains(similarity),
                "{message}"
            );
        }
        search("cosine").ok();
        run(infer(&embed).args(TITLE)).ok();
        search("dot").ok();
    }
    // Files that do not say how they were made: some lengths are compared.
    for ending in ["npy", "pt"] {
        let vectors = folder.path().join(format!("v.{ending}"));
        let search = |similarity: &str| {
            let corpus = ["search", "bottle", "--corpus", text(&path)];
            let saved = ["--vectors", text(&vectors), "--similarity", similarity];
            run(infer(&corpus).args(TITLE).args(saved))
        };
        let embed = ["embed", "--input", text(&path), "--output", text(&vectors)];
        run(infer(&embed).args(TITLE).arg("--no-normalize")).ok();
        for similarity in ["dot", "euclidean", "manhattan"] {
            let message = search(similarity).failed(2);
            assert!(
                message.contains("the row in line 2 has the length"),
                "{message}"
            );
        }
        search("cosine").ok();
        run(infer(&embed).args(TITLE)).ok();
        search("dot").ok();
    }
}

/// Other programs keep the metadata when they write other vectors.
#[test]
fn other_vectors_under_the_same_metadata_are_refused() {
    for ending in ["safetensors", "parquet"] {
        for output_type in ["f32", "f16"] {
            let (folder, path) = file("p.csv", PRODUCTS);
            let vectors = folder.path().join(format!("v.{ending}"));
            let embed = ["embed", "--input", text(&path), "--output", text(&vectors)];
            run(infer(&embed)
                .args(TITLE)
                .args(["--output-type", output_type]))
            .ok();
            let search = || {
                let corpus = ["search", "bottle", "--corpus", text(&path)];
                run(infer(&corpus)
                    .args(TITLE)
                    .args(["--vectors", text(&vectors)]))
            };
            search().ok();
            // The numbers lie in the file as they are: two of the first vector change places.
            let saved = read_vectors(&vectors).unwrap();
            let bytes = |value: f32| match output_type {
                "f32" => value.to_le_bytes().to_vec(),
                _ => half::f16::from_f32(value).to_le_bytes().to_vec(),
            };
            let pair = |values: &[f32]| [bytes(values[0]), bytes(values[1])].concat();
            let (right, wrong) = (
                pair(&saved.values),
                pair(&[saved.values[1], saved.values[0]]),
            );
            let mut content = std::fs::read(&vectors).unwrap();
            let at = content
                .windows(right.len())
                .position(|window| window == right)
                .unwrap();
            content[at..at + wrong.len()].copy_from_slice(&wrong);
            std::fs::write(&vectors, content).unwrap();
            let message = search().failed(1);
            assert!(
                message.contains("are not those that `infer embed` wrote into this file"),
                "{message}"
            );
        }
    }
}
