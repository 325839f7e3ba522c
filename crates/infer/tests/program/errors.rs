//! The errors that a user meets most, word by word, with their exit codes.
//!
//! The messages of the system differ between systems: this test is for Unix.

use std::fmt::Write;

use crate::snapshot::assert_snapshot;
use crate::support::{TINY, bare_infer, run};
use crate::test_device::test_device;

const FILES: [(&str, &str); 5] = [
    (
        "products.csv",
        "sku,title\nA,steel water bottle\nB,smart speaker\n",
    ),
    ("short.csv", "sku,title\nA\n"),
    ("broken.jsonl", "{\"title\": \"a\"}\n{\"title\":\n"),
    ("three.tsv", "a\tb\tc\n1\t2\t3\n"),
    ("damaged.npy", "\u{7f}NUMPY"),
];

/// Each line is a command line; `MODEL` is the tiny model.
const COMMANDS: [&str; 29] = [
    // Files.
    "embed --model MODEL --input missing.csv",
    "embed --model MODEL --input . --format text",
    "embed --model MODEL --input products.csv --column name",
    "embed --model MODEL --input products.csv",
    "embed --model MODEL --input short.csv --column title",
    "embed --model MODEL --input broken.jsonl --column title",
    "embed --model MODEL --input products.csv --column title --output none/v.npy",
    "embed --model MODEL --input products.csv --column title --output .",
    "embed --model MODEL --input products.csv --column title --output vectors.xyz",
    "embed --model MODEL --input products.csv --column title --output products.csv --output-format npy",
    // Vectors.
    "search bottle --model MODEL --corpus products.csv --column title --vectors missing.npy",
    "search bottle --model MODEL --corpus products.csv --column title --vectors damaged.npy",
    "search bottle --model MODEL --corpus products.csv --column title --vectors one.npy",
    "search bottle --model MODEL --corpus products.csv --column title --vectors sku.npy",
    "search bottle --model MODEL --corpus products.csv --column title --vectors title.npy --dimensions 8",
    "search bottle --model MODEL --corpus - --column title",
    "recommend Z --model MODEL --corpus products.csv --column title --id-column sku",
    "similarity --model MODEL --input three.tsv",
    // Models and devices.
    "embed bottle --model ./no-such-model",
    "embed bottle --model no-such/model --offline",
    "embed bottle --model MODEL --device abacus",
    "embed bottle --model MODEL --precision int4",
    "embed bottle --model MODEL --dimensions 33",
    "embed bottle --model MODEL --max-length 5000",
    // The command line.
    "embed --model MODEL",
    "embed bottle --model MODEL --column title",
    "embed bottle --model MODEL --threads 0",
    "embed bottle --model MODEL --fast",
    "serach bottle",
];

#[test]
fn errors_say_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in FILES {
        std::fs::write(folder.path().join(name), content).unwrap();
    }
    let infer = |line: &str| {
        let mut command = bare_infer();
        command
            .current_dir(folder.path())
            .env("HF_HUB_CACHE", folder.path().join("cache"))
            .env("MPNET_BURN_CACHE", folder.path().join("cache"))
            .args(line.split(' ').map(|word| word.replace("MODEL", TINY)));
        // `auto` may find a slow GPU. An unknown option comes with a usage line of all given options.
        if line.contains("MODEL") && !line.contains("--device") && !line.contains("--fast") {
            command.args(["--device", &test_device().to_string()]);
        }
        run(&mut command)
    };
    infer("embed --model MODEL bottle --output one.npy").ok();
    for column in ["sku", "title"] {
        infer(&format!(
            "embed --model MODEL --input products.csv --column {column} --output {column}.npy"
        ))
        .ok();
    }
    let mut errors = String::new();
    for line in COMMANDS {
        let outcome = infer(line);
        assert_eq!(outcome.out, "", "{line}");
        let message = outcome
            .err
            .replace(TINY, "MODEL")
            .replace(folder.path().to_str().unwrap(), "FOLDER");
        let code = outcome.code;
        write!(errors, "$ infer {line}\n{message}? {code}\n\n").unwrap();
    }
    assert_snapshot("tests/fixtures/errors.txt", &errors);
}
