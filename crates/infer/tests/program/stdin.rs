//! Texts and queries from standard input and from files.

use serde_json::Value;

use crate::support::{bare_infer, file, infer, run, run_with_input, text};
use crate::test_device::test_device;

const CORPUS: &str = "steel water bottle\nwireless keyboard\nsmart speaker\n";

fn queries(json: &str) -> Vec<String> {
    json.lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .map(|found| found["query"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn piped_texts_are_embedded() {
    let lines = |out: &str| -> Vec<Value> {
        out.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    };
    let expected = lines(&run(&mut infer(&["embed", "bottle", "speaker"])).ok());
    for arguments in [
        &["embed"][..],
        &["embed", "--input", "-"],
        &["embed", "--output", "-"],
        &["embed", "--output", "-", "--output-format", "jsonl"],
    ] {
        let outcome = run_with_input(&mut infer(arguments), "bottle\nspeaker\n");
        assert_eq!(outcome.err, "", "{arguments:?}");
        assert_eq!(lines(&outcome.ok()), expected, "{arguments:?}");
    }
    // Columns of a piped table.
    let arguments = ["embed", "--format", "csv", "--column", "title"];
    let outcome = run_with_input(&mut infer(&arguments), "sku,title\n1,bottle\n2,speaker\n");
    assert_eq!(lines(&outcome.ok()), expected);
    // Texts of the command line count, and standard input is left alone.
    let outcome = run_with_input(&mut infer(&["embed", "bottle", "speaker"]), "keyboard\n");
    assert_eq!(lines(&outcome.ok()), expected);
}

#[test]
fn piped_queries_and_a_file_of_queries_are_searched_for() {
    let (folder, corpus) = file("corpus.txt", CORPUS);
    let search = ["search", "--corpus", text(&corpus), "--json", "-k", "1"];
    let given = run(infer(&search).args(["keyboard", "water bottle"])).ok();
    assert_eq!(queries(&given), ["keyboard", "water bottle"]);
    // A blank line is no query.
    let piped = "keyboard\n\nwater bottle\n";
    assert_eq!(run_with_input(&mut infer(&search), piped).ok(), given);
    let mut command = infer(&search);
    let command = command.args(["--queries", "-"]);
    assert_eq!(run_with_input(command, piped).ok(), given);

    let list = folder.path().join("queries.txt");
    std::fs::write(&list, piped).unwrap();
    assert_eq!(
        run(infer(&search).args(["--queries", text(&list)])).ok(),
        given
    );
    let table = folder.path().join("queries.csv");
    std::fs::write(&table, "id,wanted\n1,keyboard\n2,water bottle\n").unwrap();
    let from_table = ["--queries", text(&table), "--query-column", "wanted"];
    assert_eq!(run(infer(&search).args(from_table)).ok(), given);
}

#[test]
fn the_corpus_can_be_standard_input() {
    let (_folder, corpus) = file("corpus.txt", CORPUS);
    let from_file = run(&mut infer(&["search", "bottle", "--corpus", text(&corpus)])).ok();
    let piped = run_with_input(&mut infer(&["search", "bottle", "--corpus", "-"]), CORPUS);
    assert_eq!(piped.ok(), from_file);
    let arguments = ["search", "--corpus", "-", "--queries", "-"];
    let message = run_with_input(&mut infer(&arguments), CORPUS).failed(2);
    assert!(
        message.contains("cannot both come from standard input"),
        "{message}"
    );
}

/// A scheduled job has `/dev/null` there.
#[test]
fn without_texts_an_empty_standard_input_is_a_usage_error() {
    let (_folder, corpus) = file("corpus.txt", CORPUS);
    for (arguments, words) in [
        (&["embed"][..], "no text given"),
        (&["search", "--corpus", text(&corpus)], "no query given"),
        (&["search", "--corpus", "-"], "no query given"),
        (
            &["search", " ", "--corpus", text(&corpus)],
            "a query is empty",
        ),
    ] {
        for message in [
            run(&mut infer(arguments)).failed(2),
            run_with_input(&mut infer(arguments), "").failed(2),
        ] {
            assert!(message.contains(words), "{message}");
            assert!(
                message.ends_with("\n\nFor more information, try '--help'.\n"),
                "{message}"
            );
        }
    }
    let message =
        run(infer(&["search", "--corpus", text(&corpus)]).args(["--queries", "none.txt"]));
    message.failed(1);
}

#[test]
fn without_a_command_standard_input_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = bare_infer();
    command.current_dir(folder.path());
    let device = test_device().to_string();
    let arguments = ["--model", crate::support::TINY, "--device", &device];
    let out = run_with_input(command.args(arguments), "keyboard\n").ok();
    assert!(out.contains("high end water bottle"), "{out}");
    assert!(!out.contains("keyboard\n"), "{out}");
    assert!(folder.path().join("sample_embeddings.pt").exists());
}
