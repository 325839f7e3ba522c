//! Rows in every format, and settings that have tests of their own only here.

use std::path::Path;
use std::sync::Arc;

use parquet::data_type::{ByteArray, ByteArrayType};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;

use crate::support::{REPEATABLE, fit, folder, inside, stderr, steps, succeed, weights};

/// The rows of `pairs.tsv`.
fn pairs(folder: &Path) -> Vec<[String; 2]> {
    let text = std::fs::read_to_string(folder.join("pairs.tsv")).unwrap();
    let rows = text.lines().skip(1).map(|line| {
        let (query, description) = line.split_once('\t').unwrap();
        [query, description].map(str::to_owned)
    });
    rows.collect()
}

fn write_parquet(path: &Path, rows: &[[String; 2]]) {
    let schema =
        "message rows { required binary query (UTF8); required binary description (UTF8); }";
    let schema = Arc::new(parse_message_type(schema).unwrap());
    let file = std::fs::File::create(path).unwrap();
    let mut writer = SerializedFileWriter::new(file, schema, Arc::default()).unwrap();
    let mut group = writer.next_row_group().unwrap();
    for place in 0..2 {
        let values: Vec<ByteArray> = rows.iter().map(|row| row[place].as_str().into()).collect();
        let mut column = group.next_column().unwrap().unwrap();
        let written = column
            .typed::<ByteArrayType>()
            .write_batch(&values, None, None);
        assert_eq!(written.unwrap(), rows.len());
        column.close().unwrap();
    }
    group.close().unwrap();
    writer.close().unwrap();
}

#[test]
fn the_same_rows_train_the_same_model_in_every_format() {
    let folder = folder();
    let rows = pairs(folder.path());
    let place = |name: &str| inside(folder.path(), name);
    let csv: String = rows
        .iter()
        .map(|[query, description]| format!("{query},\"{description}\"\n"))
        .collect();
    std::fs::write(place("pairs.csv"), format!("query,description\n{csv}")).unwrap();
    let lines: String = rows
        .iter()
        .map(|[query, description]| {
            let row = serde_json::json!({"sku": 1, "query": query, "description": description});
            format!("{row}\n")
        })
        .collect();
    std::fs::write(place("pairs.jsonl"), lines).unwrap();
    write_parquet(&place("pairs.parquet"), &rows);
    for format in ["tsv", "csv", "jsonl", "parquet"] {
        let config = format!(
            "train = \"pairs.{format}\"\nmax-steps = 2\nbatch-size = 8\noutput = \"{format}\"\n"
        );
        std::fs::write(place("run.toml"), config).unwrap();
        succeed(fit(folder.path(), "--config run.toml"));
        assert_eq!(steps(&place(format)).len(), 2, "{format}");
        if REPEATABLE {
            assert!(
                weights(&place(format)) == weights(&place("tsv")),
                "{format}"
            );
        }
    }
}

#[test]
fn a_json_config_trains_several_dimensions() {
    let folder = folder();
    std::fs::write(
        folder.path().join("run.json"),
        r#"{"train": "pairs.tsv", "loss": "cached-multiple-negatives-ranking", "scale": 10,
            "matryoshka": [32, 16], "matryoshka-weights": [1, 0.5], "batch-size": 8,
            "max-steps": 2, "mini-batch-size": 4, "output": "tuned"}"#,
    )
    .unwrap();
    succeed(fit(folder.path(), "--config run.json"));
    let tuned = inside(folder.path(), "tuned");
    assert_eq!(steps(&tuned).len(), 2);
    let card = std::fs::read_to_string(tuned.join("README.md")).unwrap();
    for part in [
        "multiple-negatives-ranking, scale 10, Matryoshka at",
        "32, 16",
        "mini-batch-size | 4",
    ] {
        assert!(card.contains(part), "{part} in\n{card}");
    }
}

#[test]
fn the_card_tells_the_length_that_the_tuned_model_reads() {
    let folder = folder();
    succeed(fit(
        folder.path(),
        "--max-length 12 --max-steps 1 --output tuned",
    ));
    let card = std::fs::read_to_string(inside(folder.path(), "tuned/README.md")).unwrap();
    assert!(card.contains("first 12 tokens"), "{card}");
}

#[test]
fn a_group_stays_on_one_side_of_a_split() {
    let folder = folder();
    let rows: String = pairs(folder.path())
        .iter()
        .enumerate()
        .map(|(row, [query, description])| format!("{query}\t{description}\tp{}\n", row / 4))
        .collect();
    std::fs::write(
        folder.path().join("pairs.tsv"),
        format!("query\tdescription\tproduct\n{rows}"),
    )
    .unwrap();
    let output = succeed(fit(
        folder.path(),
        "--split 0.2 --group-column product --max-steps 1 --output tuned",
    ));
    // A fifth of 24 rows would be 5: it is a group of 4.
    let text = stderr(&output);
    assert!(
        text.contains("20 rows to train on (pairs), 4 to validate with"),
        "{text}"
    );
}
