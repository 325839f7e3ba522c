//! `attributes`: spans of texts.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use model::{TagOptions, Tagger};
use serde_json::Value;

use crate::support::{bare_infer, file, names, run, run_with_input, text};
use crate::test_device::test_device;

/// A tagger that is trained a little, with the labels brand and colour.
const TAGGER: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../model/tests/fixtures/taggers/mpnet"
);

const TITLES: [&str; 3] = ["acme red kettle", "Bär „acme“ red kettle", "desk lamp"];

fn attributes(arguments: &[&str]) -> Command {
    let mut command = bare_infer();
    command.args(["attributes", "--model", TAGGER]);
    command.args(["--device", &test_device().to_string()]);
    command.args(arguments);
    command
}

fn lines(printed: &str) -> Vec<Value> {
    printed
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn texts_have_the_spans_of_the_library() {
    let tagger = Tagger::builder()
        .device(test_device())
        .load(TAGGER)
        .unwrap();
    let expected = tagger.tag(&TITLES, &TagOptions::default()).unwrap();
    let of_arguments = run(&mut attributes(&TITLES)).ok();
    let piped = run_with_input(&mut attributes(&[]), &TITLES.join("\n")).ok();
    assert_eq!(of_arguments, piped);
    let found = lines(&of_arguments);
    assert_eq!(found.len(), TITLES.len());
    for ((line, title), spans) in found.iter().zip(TITLES).zip(&expected.spans) {
        assert_eq!(line["text"], title);
        let found: Vec<_> = line["spans"].as_array().unwrap().clone();
        assert_eq!(found.len(), spans.len());
        for (found, span) in found.iter().zip(spans) {
            assert_eq!(found["start"], span.start);
            assert_eq!(found["end"], span.end);
            assert_eq!(found["label"], span.label);
            assert_eq!(found["value"], span.text_in(title));
            assert_eq!(found["score"].as_f64().unwrap() as f32, span.score);
        }
    }
    assert_eq!(found[1]["spans"][0]["value"], "acme");
    // No span is that likely.
    let none = run(&mut attributes(&[TITLES[0], "--threshold", "1"])).ok();
    assert_eq!(lines(&none)[0]["spans"], serde_json::json!([]));
}

#[test]
fn rows_keep_their_columns_and_get_more() {
    let (folder, input) = file(
        "p.csv",
        "sku,title,brand\n1,\"acme, red kettle\",x\n2,desk lamp,\n3,,y\n",
    );
    let output = folder.path().join("tagged.csv");
    let arguments = [
        "--input",
        text(&input),
        "--column",
        "title",
        "--output",
        text(&output),
    ];
    run(&mut attributes(&arguments)).ok();
    let written = std::fs::read_to_string(&output).unwrap();
    assert_eq!(
        written,
        "sku,title,brand,extracted_brand,colour\n1,\"acme, red kettle\",x,acme,red\n2,desk lamp,,,\n3,,y,,\n"
    );
    assert_eq!(names(folder.path()), ["p.csv", "tagged.csv"]);
    let rows = [
        "--input",
        text(&input),
        "--column",
        "title",
        "--output-format",
        "rows-jsonl",
    ];
    let rows = lines(&run(&mut attributes(&rows)).ok());
    assert_eq!(rows[0]["sku"], "1");
    assert_eq!(rows[0]["extracted_brand"], "acme");
    assert_eq!(rows[1]["colour"], Value::Null);
    let spans = [
        "--input",
        text(&input),
        "--column",
        "title",
        "--id-column",
        "sku",
    ];
    let spans = lines(&run(&mut attributes(&spans)).ok());
    // The row without a text has no spans, and no line.
    assert_eq!(spans.len(), 2);
    assert_eq!(
        (&spans[0]["id"], spans[0]["spans"].as_array().unwrap().len()),
        (&"1".into(), 2)
    );
}

#[test]
fn rows_of_json_keep_all_their_keys() {
    let mut rows = vec![
        r#"{"title": "acme red kettle", "price": 1.50, "tags": ["a", "b"], "of": {"a": null}, "brand": []}"#
            .to_owned(),
    ];
    // The first rows tell the columns; this one has a key that they do not have.
    rows.extend((0..2000).map(|row| format!("{{\"title\": \"{} {row}\"}}", "x".repeat(600))));
    rows.push(r#"{"title": "acme pot", "late": NaN, "price": 2}"#.to_owned());
    let (folder, input) = file("p.jsonl", rows.join("\n"));
    let input = ["--input", text(&input), "--column", "title"];
    let more = ["--output-format", "rows-jsonl"];
    let printed = run(&mut attributes(&[&input[..], &more].concat())).ok();
    let printed: Vec<&str> = printed.lines().collect();
    assert_eq!(printed.len(), rows.len());
    assert_eq!(
        printed[0],
        r#"{"title": "acme red kettle", "price": 1.50, "tags": ["a", "b"], "of": {"a": null}, "brand": [],"extracted_brand":"acme","colour":"red"}"#
    );
    let last = printed.last().unwrap();
    assert!(
        last.starts_with(r#"{"title": "acme pot", "late": NaN, "price": 2,"brand":"#),
        "{last}"
    );
    // A table has no place for some of them, which a note says.
    let output = folder.path().join("tagged.csv");
    let more = ["--output", text(&output)];
    let table = run(&mut attributes(&[&input[..], &more].concat()));
    assert!(
        table.err.contains("no column for lists") && table.err.contains("`brand`, `of`, `tags`"),
        "{}",
        table.err
    );
    let written = std::fs::read_to_string(&output).unwrap();
    assert!(written.starts_with("title,price,brand,colour\nacme red kettle,1.50,acme,red\n"));
}

#[test]
fn a_category_limits_the_labels() {
    let folder = tempfile::tempdir().unwrap();
    for name in names(Path::new(TAGGER)) {
        std::fs::copy(Path::new(TAGGER).join(&name), folder.path().join(name)).unwrap();
    }
    let settings = r#"{ "categories": { "lamps": ["colour"] } }"#;
    std::fs::write(folder.path().join("tagger.json"), settings).unwrap();
    let (_other, input) = file(
        "p.csv",
        "title,kind\nacme red kettle,lamps\nacme red kettle,\n",
    );
    let arguments = [
        "attributes",
        "--model",
        text(folder.path()),
        "--input",
        text(&input),
    ];
    let columns = ["--column", "title", "--category-column", "kind"];
    let device = test_device().to_string();
    let mut command = bare_infer();
    command
        .args(arguments)
        .args(columns)
        .args(["--device", &device]);
    let found = lines(&run(&mut command).ok());
    let labels = |line: &Value| -> Vec<String> {
        let spans = line["spans"].as_array().unwrap().iter();
        spans
            .map(|span| span["label"].as_str().unwrap().to_owned())
            .collect()
    };
    assert!(
        labels(&found[0]).iter().all(|label| label == "colour"),
        "{found:?}"
    );
    assert_eq!(labels(&found[1]), ["brand", "colour"]);
    assert_eq!(found[0]["text"], "acme red kettle");
}

#[test]
fn a_row_with_a_category_alone_has_no_text() {
    let (_folder, input) = file("p.csv", "title,kind\n,lamps\nacme red kettle,\n");
    let arguments = ["--column", "title", "--category-column", "kind", "--input"];
    let mut command = attributes(&arguments);
    let found = lines(&run(command.arg(&input)).ok());
    assert_eq!(found.len(), 1);
    assert_eq!(found[0]["text"], "acme red kettle");
}

/// The journal holds the rows of a run that is killed, and the resumed run writes the bytes of one that was not.
#[test]
fn a_run_that_is_killed_is_resumed() {
    let mut rows = "sku,title\n".to_owned();
    for row in 0..6000 {
        rows.push_str(&format!(
            "{row},acme red kettle {} number {row}\n",
            "and black speaker ".repeat(row % 5)
        ));
    }
    let (folder, input) = file("p.csv", rows);
    let arguments = |output: &str| -> Vec<String> {
        let output = folder.path().join(output);
        [
            "--input",
            text(&input),
            "--column",
            "title",
            "--output",
            text(&output),
        ]
        .map(str::to_owned)
        .to_vec()
    };
    let command = |output: &str, more: &[&str]| {
        let arguments = arguments(output);
        let arguments: Vec<&str> = arguments
            .iter()
            .map(String::as_str)
            .chain(more.iter().copied())
            .collect();
        attributes(&arguments)
    };
    let mut child = command("killed.csv", &[])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let journal = folder.path().join("killed.csv.partial");
    let begun = Instant::now();
    // The settings take some hundred bytes; a window more than these.
    while std::fs::metadata(&journal).map_or(0, |file| file.len()) < 4096 {
        assert!(begun.elapsed() < Duration::from_secs(120), "no window");
        assert!(child.try_wait().unwrap().is_none(), "it had finished");
        std::thread::sleep(Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!folder.path().join("killed.csv").exists());
    let refused = run(&mut command("killed.csv", &[])).failed(2);
    assert!(refused.contains("--resume"), "{refused}");
    let other = run(&mut command(
        "killed.csv",
        &["--resume", "--threshold", "0.5"],
    ))
    .failed(2);
    assert!(other.contains("--threshold 0"), "{other}");
    let resumed = run(&mut command("killed.csv", &["--resume"]));
    assert!(
        resumed.err.contains("rows are tagged already"),
        "{}",
        resumed.err
    );
    resumed.ok();
    run(&mut command("whole.csv", &[])).ok();
    let bytes = |name: &str| std::fs::read(folder.path().join(name)).unwrap();
    assert!(
        bytes("killed.csv") == bytes("whole.csv"),
        "not the same bytes"
    );
    assert_eq!(names(folder.path()), ["killed.csv", "p.csv", "whole.csv"]);
}

#[test]
fn bad_rows_are_an_error_or_skipped() {
    let (_folder, input) = file("p.csv", "sku,title\n1,acme red kettle\n2\n3,desk lamp\n");
    let arguments = ["--input", text(&input), "--column", "title"];
    let error = run(&mut attributes(&arguments)).failed(1);
    assert!(error.contains("line 3"), "{error}");
    let skipping = run(&mut attributes(
        &[&arguments[..], &["--skip-bad-rows"]].concat(),
    ));
    assert!(skipping.err.contains("skipped"), "{}", skipping.err);
    assert_eq!(lines(&skipping.ok()).len(), 2);
}

#[test]
fn wrong_arguments_are_refused() {
    let (_folder, input) = file("p.csv", "sku,title\n1,acme red kettle\n");
    let input = text(&input);
    for (arguments, code, words) in [
        (vec!["a", "--input", input], 2, "not both"),
        (vec!["a", "--output-format", "csv"], 2, "have no columns"),
        (
            vec!["--input", input, "--output-format", "csv"],
            2,
            "--column",
        ),
        (
            vec!["--input", input, "--column", "title", "--output", input],
            2,
            "--input",
        ),
        (
            vec![
                "--input",
                input,
                "--column",
                "name",
                "--output-format",
                "csv",
            ],
            2,
            "no column `name`",
        ),
        (vec!["--input", input, "--resume"], 2, "--output"),
        (
            vec![
                "--input", input, "--column", "title", "--output", "a.csv.gz",
            ],
            2,
            "end it in .jsonl",
        ),
        (
            vec!["--input", input, "--column", "title", "--threshold", "2"],
            2,
            "from 0 to 1",
        ),
        (
            vec!["--input", input, "--category-column", "sku"],
            2,
            "--column",
        ),
    ] {
        let error = run(&mut attributes(&arguments)).failed(code);
        assert!(error.contains(words), "{arguments:?}: {error}");
    }
    let mut command = bare_infer();
    command
        .args(["attributes", "a"])
        .env_remove("MPNET_BURN_MODEL");
    assert!(run(&mut command).failed(2).contains("no tagger given"));
    let mut command = bare_infer();
    let encoder = TAGGER.replace("taggers/mpnet", "tiny-mpnet");
    command.args([
        "attributes",
        "a",
        "--model",
        &encoder,
        "--device",
        &test_device().to_string(),
    ]);
    let error = run(&mut command).failed(1);
    // An encoder with pooling.
    assert!(error.contains("`train tag` makes one"), "{error}");
}
