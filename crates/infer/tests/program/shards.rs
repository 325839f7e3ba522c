//! `embed --shard`: several runs share the rows of a file.

use std::fmt::Write;
use std::path::Path;

use model::Device;

use crate::support::{file, infer, run, text};
use crate::test_device::test_device;

const ROWS: usize = 40;

/// What `embed` writes about each row, of one run or of one shard.
fn embedded(input: &Path, output: &Path, arguments: &[&str]) -> Vec<String> {
    let files = [
        "embed",
        "-q",
        "--input",
        text(input),
        "--output",
        text(output),
    ];
    let columns = ["--column", "title", "--id-column", "sku"];
    run(infer(&files).args(columns).args(arguments)).ok();
    let lines = std::fs::read_to_string(output).unwrap();
    let line = |line: &str| match test_device() {
        Device::Cpu => line.to_owned(),
        // Elsewhere the last digits of a vector depend on the rows around it.
        _ => line.split("\"embedding\"").next().unwrap().to_owned(),
    };
    lines.lines().map(line).collect()
}

#[test]
fn shards_are_the_rows_of_one_run() {
    let mut content = "sku,title\n".to_owned();
    for number in 1..=ROWS {
        // A row without a text counts, as every row does.
        let title = if number == 5 { "" } else { "kettle of steel" };
        writeln!(content, "P{number},{title}").unwrap();
    }
    let (folder, input) = file("products.csv", &content);
    let output = folder.path().join("vectors.jsonl");
    let mut all = embedded(&input, &output, &[]);
    assert_eq!(all.len(), ROWS - 1);
    let shards = ["1/3", "2/3", "3/3"].map(|shard| {
        let output = folder.path().join(format!("vectors-{}.jsonl", &shard[..1]));
        embedded(&input, &output, &["--shard", shard])
    });
    assert_eq!(shards.each_ref().map(Vec::len), [14, 12, 13]);
    assert!(shards[2][0].contains("\"P3\"") && shards[2][1].contains("\"P6\""));
    let mut together = shards.concat();
    together.sort();
    all.sort();
    assert_eq!(together, all);
}

#[test]
fn impossible_shards_are_refused() {
    let (_folder, input) = file("products.txt", "kettle\nmug\n");
    for shard in ["0/3", "4/3", "3", "a/b"] {
        let error = run(&mut infer(&[
            "embed",
            "--input",
            text(&input),
            "--shard",
            shard,
        ]))
        .failed(2);
        assert!(error.contains("is not a shard"), "{error}");
    }
    let error = run(&mut infer(&["embed", "kettle", "--shard", "1/3"])).failed(2);
    assert!(error.contains("--input"), "{error}");
    // Each shard would have ranges of its own.
    let error = run(&mut infer(&[
        "embed",
        "--input",
        text(&input),
        "--shard",
        "1/3",
        "--output-type",
        "i8",
        "--output",
        "vectors.npy",
    ]))
    .failed(2);
    assert!(error.contains("--ranges"), "{error}");
    // More shards than rows: some have none.
    let none = run(&mut infer(&[
        "embed",
        "--input",
        text(&input),
        "--shard",
        "3/3",
    ]))
    .ok();
    assert_eq!(none, "");
}
