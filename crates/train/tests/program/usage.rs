//! Wrong usage, and help.

use crate::support::{command, fit, folder, stderr, stdout, succeed};

#[test]
fn losses_are_listed() {
    let output = succeed(command(&std::env::temp_dir(), &["losses"]));
    let text = stdout(&output);
    for name in [
        "mse",
        "multiple-negatives-ranking",
        "triplet-euclidean",
        "cached-",
    ] {
        assert!(text.contains(name), "{name} in\n{text}");
    }
}

#[test]
fn wrong_usage_has_the_exit_code_2_and_says_what_to_do() {
    let folder = folder();
    for (arguments, words) in [
        ("--loss cosent --output x", "needs 2 columns and a score"),
        ("--loss mnlr --output x", "multiple-negatives-ranking"),
        ("", "--output"),
        ("--patience 3 --output x", "--valid"),
        ("--freeze 2 --output x", "nothing to train"),
        ("--columns anchor=nothing --output x", "--columns"),
        ("--batch-size 0 --output x", "--batch-size"),
    ] {
        let output = fit(folder.path(), arguments).output().unwrap();
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {text}");
        assert!(text.contains(words), "{arguments:?}: {text}");
        assert_eq!(output.stdout, b"", "{arguments:?}");
    }
}

#[test]
fn a_bad_row_is_named_or_skipped() {
    let folder = folder();
    let pairs = folder.path().join("pairs.tsv");
    let mut text = std::fs::read_to_string(&pairs).unwrap();
    text.push_str("no description\n");
    std::fs::write(&pairs, text).unwrap();
    let output = fit(folder.path(), "--output x").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let text = stderr(&output);
    assert!(text.contains("pairs.tsv") && text.contains("26"), "{text}");
    assert!(!folder.path().join("x").exists(), "nothing was begun");
    let output = succeed(fit(
        folder.path(),
        "--skip-bad-rows --max-steps 1 --output x",
    ));
    assert!(
        stderr(&output).contains("1 rows were skipped"),
        "{}",
        stderr(&output)
    );
}
