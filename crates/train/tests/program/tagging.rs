//! `train tag`, and `train evaluate --tags`.

use std::path::{Path, PathBuf};
use std::process::Command;

use model::{TagOptions, Tagger};
use serde_json::Value;

use crate::interruption::kill_at;
use crate::support::{
    command, device, evaluations, inside, repeatable, stderr, stdout, succeed, tiny, weights,
};
use crate::test_device::test_device;

const BRANDS: [&str; 4] = ["acme", "north wind", "bright & co", "orbit"];
const COLOURS: [&str; 4] = ["red", "dark blue", "black", "sea green"];
const THINGS: [&str; 5] = [
    "kettle",
    "water bottle",
    "desk lamp",
    "wireless keyboard",
    "speaker",
];

/// `train tag` with more arguments, parted by spaces.
fn tag(folder: &Path, arguments: &str) -> Command {
    let device = device();
    let mut all = vec!["tag", "--device", &device, "--no-dashboard"];
    all.extend(arguments.split_whitespace());
    command(folder, &all)
}

/// A folder with `products.csv`, 80 products whose colours are stated for half of them, and `spans.jsonl`, the same with
/// all spans.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut products = "title,maker,color,kind\n".to_owned();
    let mut spans = String::new();
    let all = BRANDS.iter().flat_map(|brand| {
        let pairs = COLOURS
            .iter()
            .flat_map(|colour| THINGS.iter().map(move |thing| (*colour, *thing)));
        pairs.map(move |(colour, thing)| (*brand, colour, thing))
    });
    for (row, (brand, colour, thing)) in all.enumerate() {
        let title = if row % 2 == 0 {
            format!("{brand} {thing} {colour}")
        } else {
            format!("{thing} {colour} by {brand}")
        };
        let span = |label: &str, value: &str| {
            let start = title.find(value).unwrap();
            serde_json::json!({ "start": start, "end": start + value.len(), "label": label })
        };
        let kind = if thing.contains('e') {
            "home"
        } else {
            "office"
        };
        let line = serde_json::json!({
            "text": title, "spans": [span("brand", brand), span("colour", colour)], "category": kind
        });
        spans.push_str(&format!("{line}\n"));
        let stated = if row / 2 % 2 == 0 { colour } else { "" };
        products.push_str(&format!(
            "\"{title}\",{},{stated},{kind}\n",
            brand.to_uppercase()
        ));
    }
    std::fs::write(folder.path().join("products.csv"), products).unwrap();
    std::fs::write(folder.path().join("spans.jsonl"), spans).unwrap();
    folder
}

/// Options by which the tiny model learns the words of the rows by heart.
const LEARNS: &str = "--lr 3e-3 --epochs 30 --batch-size 8 --dropout 0 --decay constant --warmup 0";

fn tagger(folder: &Path) -> Tagger {
    let builder = Tagger::builder().device(test_device());
    builder.load(folder.to_str().unwrap()).unwrap()
}

/// Labels and values of a text.
fn found(tagger: &Tagger, text: &str) -> Vec<(String, String)> {
    let tagged = tagger.tag(&[text], &TagOptions::default()).unwrap();
    let spans = tagged.spans[0].iter();
    spans
        .map(|span| (span.label.clone(), span.text_in(text).to_owned()))
        .collect()
}

fn named(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs
        .iter()
        .map(|(label, value)| ((*label).to_owned(), (*value).to_owned()))
        .collect()
}

/// The fixture of a tagger that is trained a little.
fn small() -> String {
    let folder =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../model/tests/fixtures/taggers/mpnet");
    folder.to_str().unwrap().to_owned()
}

/// The mean of `-log p` of whether the spans that a tagger finds in `spans.jsonl` are right, with another temperature.
fn mean_loss(folder: &Path, tuned: &Path, temperature: f64) -> f64 {
    let copy = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(tuned).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            std::fs::copy(&path, copy.path().join(path.file_name().unwrap())).unwrap();
        }
    }
    let path = copy.path().join("tagger.json");
    let mut settings: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    settings["temperature"] = temperature.into();
    std::fs::write(&path, settings.to_string()).unwrap();
    let tagger = tagger(copy.path());
    let rows = std::fs::read_to_string(folder.join("spans.jsonl")).unwrap();
    let (mut sum, mut count) = (0.0, 0);
    for row in rows.lines() {
        let row: Value = serde_json::from_str(row).unwrap();
        let mut options = TagOptions::default();
        options.categories = vec![row["category"].as_str()];
        let text = row["text"].as_str().unwrap();
        for span in &tagger.tag(&[text], &options).unwrap().spans[0] {
            let right = row["spans"].as_array().unwrap().iter().any(|gold| {
                gold["start"] == span.start
                    && gold["end"] == span.end
                    && gold["label"] == *span.label
            });
            // As in the fit: no logarithm is infinite.
            let probability = f64::from(span.score).clamp(1e-6, 1.0 - 1e-6);
            sum -= if right {
                probability.ln()
            } else {
                (1.0 - probability).ln()
            };
            count += 1;
        }
    }
    assert!(count > 0);
    sum / f64::from(count)
}

#[test]
fn columns_of_products_make_a_tagger() {
    let folder = folder();
    let run = format!(
        "--model {} --train products.csv --label brand=maker --label colour=color --category-column kind \
         --valid spans.jsonl {LEARNS} --output tuned",
        tiny()
    );
    let output = succeed(tag(folder.path(), &run));
    let notes = stderr(&output);
    assert!(notes.contains("120 spans of brand, colour"), "{notes}");
    assert!(notes.contains("no tagger of these labels yet"), "{notes}");
    assert!(stdout(&output).contains("span_f1"), "{}", stdout(&output));
    assert!(!stdout(&output).contains("vectors"), "{}", stdout(&output));
    let tuned = inside(folder.path(), "tuned");
    let scores = evaluations(&tuned);
    let best = scores
        .iter()
        .map(|scores| scores["scores"]["span_f1"].as_f64().unwrap());
    // The colours of half of the rows are open there.
    assert!(best.fold(0.0, f64::max) > 0.9, "{scores:?}");

    let tagger = tagger(&tuned);
    assert_eq!(tagger.labels().labels(), ["brand", "colour"]);
    assert_eq!(
        found(&tagger, "orbit speaker dark blue"),
        named(&[("brand", "orbit"), ("colour", "dark blue")])
    );
    let settings: Value =
        serde_json::from_slice(&std::fs::read(tuned.join("tagger.json")).unwrap()).unwrap();
    assert_eq!(
        settings["single_valued"],
        serde_json::json!(["brand", "colour"])
    );
    assert_eq!(
        settings["categories"]["home"],
        serde_json::json!(["brand", "colour"])
    );
    // 160 spans are enough to fit it, and the rows of validation are those that it is fitted to.
    let temperature = settings["temperature"].as_f64().unwrap();
    let loss = |temperature: f64| mean_loss(folder.path(), &tuned, temperature);
    let fitted = loss(temperature);
    // The fit looks from 0.2 to 20, and its scores are float32.
    let others = [1.0, temperature * 1.5, temperature / 1.5];
    for other in others
        .into_iter()
        .filter(|other| (0.2..=20.0).contains(other))
    {
        assert!(fitted <= loss(other) + 1e-6, "{temperature} {other}");
    }
    assert!(temperature != 1.0, "not fitted");
    let card = std::fs::read_to_string(tuned.join("README.md")).unwrap();
    for part in [
        "pipeline_tag: token-classification",
        "model=\"tuned\"",
        "infer attributes --model tuned",
    ] {
        assert!(card.contains(part), "{card}");
    }

    let arguments = [
        "evaluate",
        "--device",
        &device(),
        "--model",
        "tuned",
        "--tags",
        "spans.jsonl",
    ];
    let more = ["--seen", "products.csv"];
    let shown = stdout(&succeed(command(folder.path(), &arguments)));
    assert!(
        shown.contains("span_f1 *") && shown.contains("label   precision  recall"),
        "{shown}"
    );
    // A file of columns has no spans to compare with.
    let refused = command(folder.path(), &[&arguments[..], &more].concat())
        .output()
        .unwrap();
    assert_eq!(refused.status.code(), Some(1));
    let json = stdout(&succeed(command(
        folder.path(),
        &[&arguments[..], &["--json", "--seen", "spans.jsonl"]].concat(),
    )));
    let json: Value = serde_json::from_str(&json).unwrap();
    let (metrics, labels) = (&json[0]["evaluations"][0]["metrics"], &json[0]["labels"]);
    assert!(metrics["span_f1"].as_f64().unwrap() > 0.9, "{metrics}");
    // All values are in training: there is nothing unseen to find.
    assert_eq!(metrics.get("unseen_f1"), None);
    assert_eq!(labels["brand"]["support"], 80);
}

#[test]
fn rows_are_written_as_spans() {
    let folder = folder();
    let convert = "--train products.csv --label brand=maker --label colour=color --category-column kind --convert";
    let output = succeed(tag(folder.path(), convert));
    let lines: Vec<Value> = stdout(&output)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 80);
    assert_eq!(lines[0]["spans"][0]["value"], "acme");
    assert_eq!(lines[2]["open"], serde_json::json!(["colour"]));
    // Rows that cannot be written are an error.
    std::fs::write(
        folder.path().join("one.jsonl"),
        "{\"text\": \"a\", \"spans\": []}\n",
    )
    .unwrap();
    let full = std::fs::File::options().write(true).open("/dev/full");
    let mut unwritable = tag(folder.path(), "--train one.jsonl --convert");
    let unwritable = unwritable.stdout(full.unwrap()).output().unwrap();
    assert_eq!(unwritable.status.code(), Some(1), "{}", stderr(&unwritable));
    // Converted rows are the same rows.
    std::fs::write(folder.path().join("again.jsonl"), stdout(&output)).unwrap();
    let again = succeed(tag(folder.path(), "--train again.jsonl --convert"));
    assert_eq!(stdout(&again), stdout(&output));
}

/// Of a tagger of the same labels training goes on, and the adapters are merged.
#[test]
fn a_tagger_keeps_its_head() {
    let folder = folder();
    for (name, more) in [("all", ""), ("lora", "--lora 4"), ("frozen", "--freeze 1")] {
        // A step of this size changes no weight by more than itself.
        let run = format!(
            "--model {} --train spans.jsonl --valid 0.2 --lr 1e-9 --max-steps 1 {more} --output {name}",
            small()
        );
        let output = succeed(tag(folder.path(), &run));
        assert!(
            !stderr(&output).contains("no tagger"),
            "{}",
            stderr(&output)
        );
        let tuned = tagger(&inside(folder.path(), name));
        let text = "acme red kettle";
        assert_eq!(
            found(&tuned, text),
            found(&tagger(Path::new(&small())), text),
            "{name}"
        );
    }
}

#[test]
fn a_killed_run_resumes_to_the_same_end() {
    let folder = folder();
    let line = |output: &str| {
        format!(
            "--model {} --train spans.jsonl --valid 0.2 --epochs 20 --batch-size 4 --save-steps 3 --lr 1e-3 --output {output}",
            tiny()
        )
    };
    let killed = inside(folder.path(), "killed");
    assert!(
        kill_at(tag(folder.path(), &line("killed")), &killed, 6),
        "it had finished"
    );
    succeed(tag(folder.path(), "--resume --output killed"));
    succeed(tag(folder.path(), &line("whole")));
    if repeatable() {
        let whole = inside(folder.path(), "whole");
        assert!(weights(&whole) == weights(&killed), "not the same weights");
        let settings =
            |folder: &PathBuf| std::fs::read_to_string(folder.join("tagger.json")).unwrap();
        assert_eq!(settings(&whole), settings(&killed));
    }
}

#[test]
fn what_does_not_fit_a_tagger_is_refused() {
    let folder = folder();
    std::fs::write(
        folder.path().join("empty.jsonl"),
        "{\"text\": \"a\", \"spans\": []}\n",
    )
    .unwrap();
    std::fs::write(
        folder.path().join("bad.jsonl"),
        "{\"text\": \"a\", \"spans\": [{\"start\": 0, \"end\": 9, \"label\": \"b\"}]}\n",
    )
    .unwrap();
    let tiny = tiny();
    for (more, code, words) in [
        ("--output a", 2, "train tag needs rows"),
        ("--train spans.jsonl", 2, "--output DIR"),
        (
            "--train spans.jsonl --loss mse --output a",
            2,
            "--loss is not for a tagger",
        ),
        (
            "--train spans.jsonl --texts --output a",
            2,
            "--texts is not for a tagger",
        ),
        (
            "--train spans.jsonl --category-column kind --output a",
            2,
            "--label",
        ),
        ("--train products.csv --label brand --output a", 2, "brand"),
        (
            "--train products.csv --label a=maker --label a=color --output a",
            2,
            "--label names a twice",
        ),
        (
            "--train products.csv --output a",
            1,
            "has no tag behind the token",
        ),
        (
            "--train empty.jsonl --output a",
            2,
            "no training row has a span",
        ),
        (
            "--train bad.jsonl --output a",
            1,
            "bad.jsonl, line 1: the span 0 to 9 of `b`",
        ),
        ("--convert", 2, "--convert needs rows"),
    ] {
        let output = tag(folder.path(), &format!("--model {tiny} {more}"))
            .output()
            .unwrap();
        assert_eq!(
            output.status.code(),
            Some(code),
            "{more}: {}",
            stderr(&output)
        );
        assert!(
            stderr(&output).contains(words),
            "{more}: {}",
            stderr(&output)
        );
    }
    let arguments = [
        "fit",
        "--model",
        &tiny,
        "--train",
        "products.csv",
        "--label",
        "brand",
        "--output",
        "a",
    ];
    let output = command(folder.path(), &arguments).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).contains("--label is for `train tag`"),
        "{}",
        stderr(&output)
    );
}
