//! The errors that a user meets most, word by word, with their exit codes.
//!
//! The messages of the system differ between systems: this test is for Unix.

use std::fmt::Write;

use crate::snapshot::assert_snapshot;
use crate::support::{command, folder, stderr, tiny};

/// Each line is a command line; `MODEL` is the tiny model.
const COMMANDS: [&str; 16] = [
    "fit --model MODEL --train missing.tsv --output x",
    "fit --model MODEL --train pairs.tsv --output x --columns anchor=name",
    "fit --model MODEL --train broken.jsonl --output x",
    "fit --model MODEL --train pairs.tsv",
    "fit --model MODEL --train pairs.tsv --output .",
    "fit --model MODEL --train pairs.tsv --output x --loss mnlr",
    "fit --model MODEL --train pairs.tsv --output x --loss cosent",
    "fit --model MODEL --train pairs.tsv --output x --batch-size 0",
    "fit --model MODEL --train pairs.tsv --output x --resume",
    "fit --model MODEL --train pairs.tsv --output x --config wrong.toml",
    "fit --model ./no-such-model --train pairs.tsv --output x",
    "fit --model MODEL --train pairs.tsv --output x --device abacus",
    "fit --model MODEL --train pairs.tsv --output x --fast",
    "evaluate --model MODEL --pairs missing.tsv",
    "evaluate --model MODEL --similarity pairs.tsv",
    "evaluate --model MODEL --max-length 0",
];

#[test]
fn errors_say_what_to_do() {
    let folder = folder();
    for (name, content) in [
        (
            "broken.jsonl",
            "{\"query\": \"a\", \"title\": \"b\"}\n{\"query\":\n",
        ),
        (
            "wrong.toml",
            "train = \"pairs.tsv\"\nlearning-rate = 1e-5\n",
        ),
    ] {
        std::fs::write(folder.path().join(name), content).unwrap();
    }
    let tiny = tiny();
    let mut errors = String::new();
    for line in COMMANDS {
        let words: Vec<&str> = line
            .split(' ')
            .map(|word| if word == "MODEL" { tiny.as_str() } else { word })
            .collect();
        let output = command(folder.path(), &words).output().unwrap();
        assert!(output.stdout.is_empty(), "{line}");
        // Graphics drivers print lines with this name on a machine without a display.
        let message: String = stderr(&output)
            .replace(&tiny, "MODEL")
            .replace(folder.path().to_str().unwrap(), "FOLDER")
            .lines()
            .filter(|line| !line.contains("XDG_RUNTIME_DIR"))
            .map(|line| format!("{line}\n"))
            .collect();
        let code = output.status.code().unwrap();
        write!(errors, "$ train {line}\n{message}? {code}\n\n").unwrap();
        assert!(!folder.path().join("x").exists(), "{line}");
    }
    assert_snapshot("tests/fixtures/errors.txt", &errors);
}
