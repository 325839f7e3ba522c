//! The guide "Fine-tune on your click log", with a learning rate at which the tiny model learns.
#![cfg(unix)]

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::support::{command, device, fit_model, stdout, succeed, tiny};

/// The commands of the guide that begin with this word.
fn commands(word: &str) -> Vec<String> {
    let guide = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../docs/src/guides/click-log.md"
    );
    let guide = std::fs::read_to_string(guide).unwrap();
    let commands = guide.lines().filter_map(|line| line.strip_prefix("$ "));
    commands
        .filter(|command| command.starts_with(word))
        .map(str::to_owned)
        .collect()
}

/// NDCG@10 of the products that were clicked later.
fn ndcg(folder: &Path, model: &str) -> f64 {
    let device = device();
    let mut words = vec!["evaluate", "--json", "--device", &device, "--model", model];
    words.extend([
        "--corpus",
        "datasets/products.tsv",
        "--corpus-columns",
        "id,title",
    ]);
    words.extend(["--qrels", "later.tsv", "--max-length", "32"]);
    let scores: Value = serde_json::from_str(&stdout(&succeed(command(folder, &words)))).unwrap();
    let mut found = Vec::new();
    numbers(&scores, "cosine_ndcg@10", &mut found);
    assert_eq!(found.len(), 1, "{scores}");
    found[0]
}

/// The numbers with this name, anywhere.
fn numbers(json: &Value, name: &str, found: &mut Vec<f64>) {
    match json {
        Value::Object(object) => {
            found.extend(object.get(name).and_then(Value::as_f64));
            object
                .values()
                .for_each(|value| numbers(value, name, found));
        }
        Value::Array(values) => values.iter().for_each(|value| numbers(value, name, found)),
        _ => {}
    }
}

#[test]
fn what_is_clicked_later_is_found_better_after_each_round() {
    let folder = tempfile::tempdir().unwrap();
    let datasets = concat!(env!("CARGO_MANIFEST_DIR"), "/../../datasets");
    std::os::unix::fs::symlink(datasets, folder.path().join("datasets")).unwrap();
    let awk = commands("awk");
    assert_eq!(awk.len(), 3);
    for line in &awk {
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(line).current_dir(folder.path());
        succeed(shell);
    }
    let (tiny, device) = (tiny(), device());
    let learn = "--config none.toml --max-length 32 --batch-size 16 --epochs 10 --lr 2e-3";
    std::fs::write(folder.path().join("none.toml"), "").unwrap();
    let run = format!("{learn} --train pairs.tsv --output tuned");
    succeed(fit_model(folder.path(), &tiny, &run));
    let mut mine = vec![
        "mine",
        "--device",
        &device,
        "--model",
        "tuned",
        "--pairs",
        "pairs.tsv",
    ];
    mine.extend([
        "--corpus",
        "datasets/products.tsv",
        "--corpus-columns",
        "id,title",
    ]);
    mine.extend(["--relative-margin", "0.02", "--output", "mined.jsonl"]);
    succeed(command(folder.path(), &mine));
    let run = format!("{learn} --train mined.jsonl --output tuned2");
    succeed(fit_model(folder.path(), "tuned", &run));

    // Four later days have 24 queries. A random model finds one product in fifty.
    let scores = [tiny.as_str(), "tuned", "tuned2"].map(|model| ndcg(folder.path(), model));
    assert!(scores[0] < 0.05, "{scores:?}");
    assert!(scores[1] > scores[0] + 0.15, "{scores:?}");
    assert!(scores[2] > scores[1] + 0.05, "{scores:?}");
}
