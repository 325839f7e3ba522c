//! The same rows in every format.

use std::path::Path;
use std::sync::Arc;

use parquet::data_type::{ByteArray, ByteArrayType};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;

use crate::support::{
    command, device, fit, folder, inside, pairs, repeatable, stderr, stdout, steps, succeed, tiny,
    weights,
};

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
    // As Hugging Face stores a dataset.
    let shard = place("dataset/data/train-00000-of-00001.parquet");
    std::fs::create_dir_all(shard.parent().unwrap()).unwrap();
    write_parquet(&shard, &rows);
    for (format, path) in [
        ("tsv", "pairs.tsv"),
        ("csv", "pairs.csv"),
        ("jsonl", "pairs.jsonl"),
        ("parquet", "pairs.parquet"),
        ("folder", "dataset"),
    ] {
        let config =
            format!("train = \"{path}\"\nmax-steps = 2\nbatch-size = 8\noutput = \"{format}\"\n");
        std::fs::write(place("run.toml"), config).unwrap();
        succeed(fit(folder.path(), "--config run.toml"));
        assert_eq!(steps(&place(format)).len(), 2, "{format}");
        if repeatable() {
            assert!(
                weights(&place(format)) == weights(&place("tsv")),
                "{format}"
            );
        }
    }
}

/// `--pairs` takes what `--train` and `--valid` take.
#[test]
fn pairs_of_a_folder_are_those_of_its_files() {
    let folder = folder();
    let rows = pairs(folder.path());
    let shards = inside(folder.path(), "dataset/data");
    std::fs::create_dir_all(&shards).unwrap();
    let (train, test) = rows.split_at(10);
    write_parquet(&shards.join("train-00000-of-00001.parquet"), train);
    write_parquet(&shards.join("test-00000-of-00001.parquet"), test);
    let part = |name: &str, rows: &[[String; 2]]| {
        let rows = rows
            .iter()
            .map(|[query, description]| format!("{query}\t{description}\n"));
        let text = "query\tdescription\n".to_owned() + &rows.collect::<String>();
        std::fs::write(inside(folder.path(), name), text).unwrap();
    };
    part("train.tsv", train);
    part("test.tsv", test);
    let (tiny, device) = (tiny(), device());
    let run = |line: &str| {
        let mut words: Vec<&str> = line.split(' ').collect();
        words.extend(["--model", &tiny, "--device", &device]);
        stdout(&succeed(command(folder.path(), &words)))
    };
    let metrics = |pairs: &str| {
        let text = run(&format!("evaluate --json --pairs {pairs}"));
        serde_json::from_str::<serde_json::Value>(&text).unwrap()[0]["evaluations"][0]["metrics"]
            .take()
    };
    assert_eq!(metrics("dataset"), metrics("test.tsv"));
    let mined = |pairs: &str| {
        run(&format!(
            "mine --per-row 1 --relative-margin 0 --corpus pairs.tsv --corpus-columns query,description --pairs {pairs}"
        ))
    };
    assert_eq!(mined("dataset"), mined("train.tsv"));
    std::fs::remove_dir_all(&shards).unwrap();
    let words = ["evaluate", "--pairs", "dataset", "--model", &tiny];
    let text = stderr(&command(folder.path(), &words).output().unwrap());
    assert!(
        text.contains("no Parquet files of validation rows"),
        "{text}"
    );
}
