//! `embed` and the run without a command.

use std::sync::Arc;

use infer::vectors::read_vectors;
use model::SentenceEncoder;
use parquet::data_type::{ByteArray, ByteArrayType, Int64Type};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use serde_json::Value;

use crate::support::{TINY, WIDTH, bare_infer, file, infer, names, run, run_with_input, text};
use crate::test_device::test_device;

/// The vectors of the library, which its own tests compare with PyTorch's.
fn expected(texts: &[&str]) -> Vec<f32> {
    let encoder = SentenceEncoder::from_pretrained(TINY, test_device()).unwrap();
    encoder.encode(texts).unwrap().values().to_vec()
}

/// How far a vector may move with its batch on any backend (see the tests of `model`).
#[track_caller]
fn assert_same(found: &[f32], expected: &[f32]) {
    assert_eq!(found.len(), expected.len());
    for (index, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert!(
            (found - expected).abs() <= 1e-6,
            "value {index}: {found} is not {expected}"
        );
    }
}

fn vectors_of(lines: &str) -> Vec<f32> {
    let number = |value: &Value| value.as_f64().unwrap() as f32;
    let rows = lines
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    rows.flat_map(|row| {
        row["embedding"]
            .as_array()
            .unwrap()
            .iter()
            .map(number)
            .collect::<Vec<_>>()
    })
    .collect()
}

#[test]
fn without_a_command_the_sample_queries_are_shown_and_saved() {
    let folder = tempfile::tempdir().unwrap();
    let out = run(infer(&[]).current_dir(folder.path())).ok();
    assert!(
        out.contains("embeddings [3, 32]") && out.contains("cosine similarity"),
        "{out}"
    );
    assert_eq!(names(folder.path()), ["sample_embeddings.pt"]);
    let saved = read_vectors(&folder.path().join("sample_embeddings.pt")).unwrap();
    let samples = [
        "high end water bottle",
        "smart home speaker",
        "compact wireless keyboard",
    ];
    assert_same(&saved.values, &expected(&samples));
}

#[test]
fn texts_become_json_lines() {
    let out = run(&mut infer(&["embed", "water bottle", ""])).ok();
    assert_eq!(out.lines().count(), 2);
    assert_same(&vectors_of(&out), &expected(&["water bottle", ""]));
    let first: Value = serde_json::from_str(out.lines().next().unwrap()).unwrap();
    assert_eq!(first["text"], "water bottle");
    assert_eq!(first.get("id"), None);
}

#[test]
fn every_format_of_file_gives_the_same_vectors() {
    let texts = ["stainless \"steel\" bottle", "a, b", "smart speaker"];
    let expected = expected(&texts);
    for (name, content) in [
        ("p.txt", "stainless \"steel\" bottle\na, b\nsmart speaker\n"),
        (
            "p.csv",
            "sku,title\n1,\"stainless \"\"steel\"\" bottle\"\n2,\"a, b\"\n3,smart speaker\n",
        ),
        (
            "p.tsv",
            "sku\ttitle\n1\tstainless \"steel\" bottle\n2\ta, b\n3\tsmart speaker\n",
        ),
        (
            "p.jsonl",
            "{\"sku\":1,\"title\":\"stainless \\\"steel\\\" bottle\"}\n{\"sku\":2,\"title\":\"a, b\"}\n\
             {\"sku\":3,\"title\":\"smart speaker\"}\n",
        ),
    ] {
        let (_folder, path) = file(name, content);
        let mut arguments = vec!["embed", "--input", text(&path)];
        if name != "p.txt" {
            arguments.extend(["--column", "title", "--id-column", "sku"]);
        }
        let out = run(&mut infer(&arguments)).ok();
        assert_same(&vectors_of(&out), &expected);
        if name != "p.txt" {
            let ids: Vec<Value> = out
                .lines()
                .map(|line| serde_json::from_str::<Value>(line).unwrap()["id"].clone())
                .collect();
            assert_eq!(ids, ["1", "2", "3"], "{name}");
        }
    }
}

#[test]
fn a_parquet_file_gives_the_same_vectors() {
    let (_folder, path) = file("p.parquet", "");
    let schema = "message p { required int64 sku; required binary title (UTF8); }";
    let schema = Arc::new(parse_message_type(schema).unwrap());
    let out = std::fs::File::create(&path).unwrap();
    let mut writer = SerializedFileWriter::new(out, schema, Arc::default()).unwrap();
    let texts = ["water bottle", "a, \"b\"", "smart speaker"];
    for (skus, titles) in [(&[1, 2][..], &texts[..2]), (&[3], &texts[2..])] {
        let titles: Vec<ByteArray> = titles.iter().map(|&title| title.into()).collect();
        let mut row_group = writer.next_row_group().unwrap();
        let mut column = row_group.next_column().unwrap().unwrap();
        let written = column.typed::<Int64Type>().write_batch(skus, None, None);
        assert_eq!(written.unwrap(), skus.len());
        column.close().unwrap();
        let mut column = row_group.next_column().unwrap().unwrap();
        let written = column
            .typed::<ByteArrayType>()
            .write_batch(&titles, None, None);
        assert_eq!(written.unwrap(), titles.len());
        column.close().unwrap();
        row_group.close().unwrap();
    }
    writer.close().unwrap();

    let arguments = ["embed", "--input", text(&path), "--id-column", "sku"];
    let out = run(&mut infer(&arguments)).ok();
    assert_same(&vectors_of(&out), &expected(&texts));
    let ids: Vec<Value> = out
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["id"].clone())
        .collect();
    assert_eq!(ids, ["1", "2", "3"]);

    let arguments = ["embed", "--input", "-", "--format", "Parquet"];
    let message = run(&mut infer(&arguments)).failed(2);
    assert!(
        message.starts_with("error: standard input: Parquet is read from its end"),
        "{message}"
    );
}

#[test]
fn every_format_of_vectors_is_written_and_read_again() {
    let (folder, path) = file("p.csv", "sku,title\na,water bottle\nb,keyboard\n");
    let expected = expected(&["water bottle", "keyboard"]);
    for format in ["parquet", "safetensors", "npy", "pt", "jsonl"] {
        let output = folder.path().join(format!("v.{format}"));
        run(&mut infer(&[
            "embed",
            "--input",
            text(&path),
            "--column",
            "title",
            "--id-column",
            "sku",
            "--output",
            text(&output),
        ]))
        .ok();
        let vectors = read_vectors(&output).unwrap();
        assert_eq!(vectors.width, WIDTH);
        assert_same(&vectors.values, &expected);
        assert_eq!(
            vectors.ids.as_deref(),
            Some(&["a".to_owned(), "b".to_owned()][..]),
            "{format}"
        );
    }
    // The input, five outputs, and the ids of two of them.
    assert_eq!(names(folder.path()).len(), 1 + 5 + 2);
}

#[test]
fn standard_input_is_read_and_written_in_order() {
    let lines: Vec<String> = (0..3000)
        .map(|number| format!("product {number} {}", "x ".repeat(number % 40)))
        .collect();
    let out = run_with_input(
        &mut infer(&["embed", "--input", "-", "-q"]),
        &lines.join("\n"),
    )
    .ok();
    assert_eq!(out.lines().count(), 3000);
    let some = [0, 1, 1499, 2047, 2048, 2999];
    for row in some {
        let found = vectors_of(out.lines().nth(row).unwrap());
        assert_same(&found, &expected(&[&lines[row]]));
    }
}

#[test]
fn an_empty_file_gives_an_empty_output() {
    let (folder, path) = file("empty.txt", "");
    let output = folder.path().join("v.npy");
    run(&mut infer(&[
        "embed",
        "--input",
        text(&path),
        "--output",
        text(&output),
    ]))
    .ok();
    let vectors = read_vectors(&output).unwrap();
    assert_eq!((vectors.values.len(), vectors.width), (0, WIDTH));
}

#[test]
fn options_change_the_vectors_as_they_say() {
    let norm = |values: &[f32]| values.iter().map(|value| value * value).sum::<f32>().sqrt();
    let full = expected(&["water bottle"]);
    let cut = vectors_of(&run(&mut infer(&["embed", "water bottle", "--dimensions", "8"])).ok());
    assert_eq!(cut.len(), 8);
    assert!((norm(&cut) - 1.0).abs() < 1e-6);
    let scale = norm(&full[..8]);
    assert_same(
        &cut,
        &full[..8]
            .iter()
            .map(|value| value / scale)
            .collect::<Vec<_>>(),
    );

    let raw = vectors_of(&run(&mut infer(&["embed", "water bottle", "--no-normalize"])).ok());
    let scale = norm(&raw);
    assert!((scale - 1.0).abs() > 1e-3, "{scale}");
    assert_same(
        &raw.iter().map(|value| value / scale).collect::<Vec<_>>(),
        &full,
    );

    let limited = run(&mut infer(&[
        "embed",
        "one two three four five six",
        "--max-length",
        "4",
    ]));
    assert!(
        limited.err.contains("1 of 1 texts truncated to 4 tokens"),
        "{}",
        limited.err
    );
    limited.ok();
    let message = run(&mut infer(&["embed", "a", "--dimensions", "33"])).failed(2);
    assert!(
        message.contains("33 dimensions are not possible"),
        "{message}"
    );
    let message = run(&mut infer(&["embed", "a", "--max-length", "5000"])).failed(2);
    assert!(message.contains("maximum length of 5000"), "{message}");
}

#[test]
fn a_bad_row_stops_with_its_line_or_is_skipped_and_counted() {
    for (name, content, line, reason) in [
        (
            "p.csv",
            &b"sku,title\n1,a\n2\n3,c\n"[..],
            3,
            "1 column where the header has 2",
        ),
        (
            "p.tsv",
            b"sku\ttitle\n1\ta\n2\tb\tx\n3\tc\n",
            3,
            "3 columns where the header has 2",
        ),
        (
            "p.jsonl",
            b"{\"title\":\"a\"}\n{\"title\":\n{\"title\":\"c\"}\n",
            2,
            "not a JSON object",
        ),
        (
            "q.jsonl",
            b"{\"title\":\"a\"}\n{\"title\":{\"b\":1}}\n{\"title\":\"c\"}\n",
            2,
            "field `title` is an object",
        ),
        ("p.txt", b"a\n\xff\xfe\nc\n", 2, "not UTF-8"),
    ] {
        let (folder, path) = file(name, content);
        let output = folder.path().join("v.npy");
        let mut arguments = vec!["embed", "--input", text(&path), "--output", text(&output)];
        if name != "p.txt" {
            arguments.extend(["--column", "title"]);
        }
        let message = run(&mut infer(&arguments)).failed(1);
        assert!(
            message.contains(&format!("{name}, line {line}: {reason}")),
            "{message}"
        );
        assert_eq!(names(folder.path()), [name], "nothing is left behind");

        arguments.push("--skip-bad-rows");
        let skipped = run(&mut infer(&arguments));
        assert!(skipped.err.contains("skipped 1 bad row"), "{}", skipped.err);
        skipped.ok();
        assert_eq!(
            read_vectors(&output).unwrap().values.len(),
            2 * WIDTH,
            "{name}"
        );
    }
}

#[test]
fn a_failed_run_keeps_the_old_output() {
    let (folder, path) = file("p.csv", "title\na\nb,c\n");
    let output = folder.path().join("v.npy");
    std::fs::write(&output, "precious").unwrap();
    run(&mut infer(&[
        "embed",
        "--input",
        text(&path),
        "--output",
        text(&output),
    ]))
    .failed(1);
    assert_eq!(std::fs::read(&output).unwrap(), b"precious");
    let message = run(&mut infer(&[
        "embed",
        "--input",
        "missing.csv",
        "--output",
        text(&output),
    ]))
    .failed(1);
    assert!(message.contains("missing.csv"), "{message}");
}

#[test]
fn an_impossible_output_is_refused_before_the_model_is_loaded() {
    let (folder, path) = file("p.txt", "a\n");
    std::fs::create_dir(folder.path().join("v.npy")).unwrap();
    let refused = |output: &str| {
        // The model does not exist: the output is checked first.
        let arguments = ["embed", "--input", text(&path), "--output", output];
        run(bare_infer()
            .args(["--model", "./no-such-model"])
            .args(arguments))
        .failed(2)
    };
    let message = refused(text(&folder.path().join("v.npy")));
    assert!(message.contains("v.npy: is a folder"), "{message}");
    let message = refused(text(&folder.path().join("none/v.npy")));
    assert!(message.contains("none does not exist"), "{message}");
    let itself = infer(&["embed", "--input", text(&path), "--output-format", "npy"])
        .args(["--output", text(&path)])
        .output()
        .unwrap();
    assert_eq!(itself.status.code(), Some(2));
    assert_eq!(std::fs::read(&path).unwrap(), b"a\n");
}

#[cfg(unix)]
#[test]
fn a_link_is_followed_and_a_device_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (real, link) = (folder.path().join("real.npy"), folder.path().join("v.npy"));
    std::fs::write(&real, "old").unwrap();
    std::os::unix::fs::symlink(&real, &link).unwrap();
    run(&mut infer(&["embed", "a", "--output", text(&link)])).ok();
    assert!(link.symlink_metadata().unwrap().is_symlink());
    assert_eq!(read_vectors(&real).unwrap().width, WIDTH);

    // Also to a file that does not exist yet.
    std::fs::remove_file(&real).unwrap();
    run(&mut infer(&["embed", "a", "--output", text(&link)])).ok();
    assert!(link.symlink_metadata().unwrap().is_symlink());
    assert_eq!(read_vectors(&real).unwrap().width, WIDTH);

    let pipe = folder.path().join("pipe.jsonl");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    let message = run(&mut infer(&["embed", "a", "--output", text(&pipe)])).failed(2);
    assert!(message.contains("is not a regular file"), "{message}");
    assert!(pipe.exists());
}

#[test]
fn every_bad_row_is_reported_before_the_model_is_loaded() {
    let good = "1,a good row\n".repeat(50);
    let bad = "2\n".repeat(25);
    let (folder, path) = file("p.csv", format!("sku,title\n{good}{bad}{good}"));
    let output = folder.path().join("v.parquet");
    let embed = |model: &str, arguments: &[&str]| {
        let input = [
            "embed",
            "--column",
            "title",
            "--input",
            text(&path),
            "--output",
            text(&output),
        ];
        run(bare_infer()
            .args(["--model", model])
            .args(input)
            .args(arguments))
    };
    let message = embed("./no-such-model", &[]).failed(1);
    assert!(
        message.contains("25 bad rows\n") && message.ends_with("and 5 more\n"),
        "{message}"
    );
    assert_eq!(message.matches("the header has 2").count(), 20, "{message}");
    assert!(message.contains("p.csv, line 52: "), "{message}");
    assert_eq!(names(folder.path()), ["p.csv"]);
    // Without the pass the missing model is the first error.
    let message = embed("./no-such-model", &["--no-check"]).failed(1);
    assert!(
        message.contains("no-such-model") && !message.contains("bad row"),
        "{message}"
    );
    // Skipped rows are named too.
    let skipped = embed(
        TINY,
        &["--skip-bad-rows", "--device", &test_device().to_string()],
    );
    assert!(skipped.err.contains("25 bad rows\n"), "{}", skipped.err);
    skipped.ok();
    assert_eq!(read_vectors(&output).unwrap().values.len(), 100 * WIDTH);
}

#[test]
fn a_single_skipped_row_is_named_once() {
    let (_folder, path) = file("p.csv", "sku,title\n1,kettle\n2\n3,mug\n");
    let arguments = [
        "embed",
        "--column",
        "title",
        "--skip-bad-rows",
        "--input",
        text(&path),
    ];
    let skipped = run(&mut infer(&arguments));
    let named = skipped.err.matches("where the header has 2").count();
    assert_eq!(named, 1, "{}", skipped.err);
    assert!(skipped.err.contains("skipped 1 bad row"), "{}", skipped.err);
    skipped.ok();
}

#[test]
fn the_rows_before_a_bad_row_of_a_pipe_are_embedded() {
    let mut command = infer(&[
        "embed", "--format", "csv", "--column", "title", "--input", "-",
    ]);
    let broken = run_with_input(&mut command, "sku,title\n1,kettle\n2,mug\n3\n4,jug\n");
    assert_eq!(broken.out.lines().count(), 2, "{}", broken.err);
    let message = broken.failed(1);
    assert!(message.contains("standard input, line 4"), "{message}");
}

#[test]
fn a_column_is_named_once() {
    let (_folder, path) = file("p.csv", "sku,title\n1,kettle\n");
    let arguments = ["--column", "title", "--column", "title"];
    for command in [
        ["embed", "--input", text(&path)].as_slice(),
        &["search", "mug", "--corpus", text(&path)],
    ] {
        let message = run(infer(command).args(arguments)).failed(2);
        assert!(
            message.contains("column `title` is named twice; name each column once"),
            "{message}"
        );
    }
}

#[test]
fn a_file_of_ids_that_another_run_wrote_is_never_lost() {
    let (folder, path) = file("p.csv", "sku,title\na,water bottle\nb,keyboard\n");
    let (vectors, ids) = (
        folder.path().join("v.npy"),
        folder.path().join("v.npy.ids.txt"),
    );
    let output = ["embed", "--output", text(&vectors)];
    let with_ids = [
        "--input",
        text(&path),
        "--column",
        "title",
        "--id-column",
        "sku",
    ];
    std::fs::write(&ids, "precious\n").unwrap();
    // Without ids it stays, and a note says so.
    let kept = run(infer(&output).arg("bottle"));
    assert!(
        kept.err.contains("v.npy.ids.txt is left as it is"),
        "{}",
        kept.err
    );
    kept.ok();
    // With ids it is not replaced, as it does not belong to the old vectors: 2 ids of 1 vector.
    std::fs::write(&ids, "precious\nfile\n").unwrap();
    let refused = run(bare_infer()
        .args(["--model", "./no-such-model"])
        .args(output)
        .args(with_ids));
    assert!(
        refused
            .failed(2)
            .contains("v.npy.ids.txt: exists, and does not belong")
    );
    assert_eq!(std::fs::read(&ids).unwrap(), b"precious\nfile\n");
    // The ids of a run before are replaced, again and again.
    std::fs::remove_file(&ids).unwrap();
    run(infer(&output).args(with_ids)).ok();
    std::fs::write(&path, "sku,title\nc,water bottle\n").unwrap();
    let replaced = run(infer(&output).args(with_ids));
    assert!(
        replaced.err.contains("v.npy.ids.txt of an earlier run"),
        "{}",
        replaced.err
    );
    replaced.ok();
    assert_eq!(std::fs::read(&ids).unwrap(), b"c\n");
    // As its own input it stays.
    run(infer(&output).args(["--input", text(&ids)])).ok();
    assert_eq!(std::fs::read(&ids).unwrap(), b"c\n");
    let itself = ["--input", text(&ids), "--format", "csv", "--id-column", "c"];
    std::fs::write(&ids, "c,d\n1,2\n").unwrap();
    std::fs::remove_file(&vectors).unwrap();
    run(infer(&output).args(itself)).failed(2);
    assert_eq!(std::fs::read(&ids).unwrap(), b"c,d\n1,2\n");
}

#[test]
fn files_of_killed_runs_go_with_the_next_run_for_the_same_output() {
    let folder = tempfile::tempdir().unwrap();
    for name in [".tmp-v.npy-abcdef", ".tmp-w.npy-abcdef"] {
        std::fs::write(folder.path().join(name), "half").unwrap();
    }
    let output = folder.path().join("v.npy");
    run(&mut infer(&["embed", "bottle", "--output", text(&output)])).ok();
    assert_eq!(names(folder.path()), [".tmp-w.npy-abcdef", "v.npy"]);
}

#[test]
fn types_of_numbers_are_written_in_every_format_that_has_them() {
    let (folder, path) = file("p.csv", "sku,title\na,water bottle\nb,keyboard\nc,lamp\n");
    let embed = |name: &str, arguments: &[&str]| {
        let output = folder.path().join(name);
        let input = [
            "embed",
            "--input",
            text(&path),
            "--column",
            "title",
            "--id-column",
            "sku",
        ];
        run(infer(&input)
            .args(["--output", text(&output)])
            .args(arguments))
    };
    embed("i8.npy", &["--output-type", "int8"]).ok();
    let ranges = folder.path().join("i8.npy.ranges.npy");
    let (own, given) = (
        std::fs::read(&ranges).unwrap(),
        folder.path().join("given.npy"),
    );
    std::fs::copy(&ranges, &given).unwrap();
    // The smallest value of every dimension becomes -128, the largest 127.
    let values = std::fs::read(folder.path().join("i8.npy")).unwrap()[128..].to_vec();
    assert_eq!(values.len(), 3 * WIDTH);
    for column in 0..WIDTH {
        let column = [0, 1, 2].map(|row| values[row * WIDTH + column] as i8);
        assert_eq!(column.iter().min(), Some(&-128), "{column:?}");
        assert!(*column.iter().max().unwrap() >= 126, "{column:?}");
    }
    embed(
        "given.i8.npy",
        &["--output-type", "i8", "--ranges", text(&given)],
    )
    .ok();
    let same = std::fs::read(folder.path().join("given.i8.npy")).unwrap();
    assert_eq!(same[128..], values);
    assert!(!folder.path().join("given.i8.npy.ranges.npy").exists());
    // A second run replaces its own ranges, but no other file.
    embed("i8.npy", &["--output-type", "i8"]).ok();
    assert_eq!(std::fs::read(&ranges).unwrap(), own);
    std::fs::write(&ranges, "precious").unwrap();
    let refused = embed("i8.npy", &["--output-type", "i8"]).failed(2);
    assert!(
        refused.contains("ranges.npy: exists, and does not belong"),
        "{refused}"
    );

    for (arguments, code, reason) in [
        (
            &["--output-type", "f16"][..],
            2,
            "a .pt file holds f32 only",
        ),
        (&["--ranges", text(&given)], 2, "--ranges belongs to"),
    ] {
        let refused = embed("v.pt", arguments).failed(code);
        assert!(refused.contains(reason), "{refused}");
    }
    // float16 vectors are searched, integers are not.
    embed("f16.npy", &["--output-type", "f16"]).ok();
    let search = |name: &str| {
        let vectors = folder.path().join(name);
        let corpus = [
            "search",
            "lamp",
            "-k",
            "1",
            "--corpus",
            text(&path),
            "--column",
            "title",
        ];
        run(infer(&corpus).args(["--vectors", text(&vectors)]))
    };
    assert!(search("f16.npy").ok().contains("1.0000  3  lamp"));
    let integers = search("i8.npy").failed(1);
    assert!(
        integers.contains("holds |i1 [3, 32]") && integers.contains("--output-type i8"),
        "{integers}"
    );
    for output_type in ["i8", "binary"] {
        for ending in ["parquet", "safetensors"] {
            let name = format!("{output_type}.{ending}");
            embed(&name, &["--output-type", output_type]).ok();
            let message = search(&name).failed(1);
            let expected =
                format!("made with --output-type {output_type}; a search reads f32 and f16");
            assert!(message.contains(&expected), "{message}");
        }
    }
    // The note has the shape of the file: eight dimensions per number.
    let binary = embed("b.npy", &["--output-type", "binary"]);
    assert!(
        binary.err.contains("embedded 3 texts [3, 4] in"),
        "{}",
        binary.err
    );
    binary.ok();
}

#[test]
fn no_output_replaces_the_file_of_the_ranges() {
    let (folder, path) = file("p.csv", "sku,title\na,water bottle\nb,keyboard\n");
    let source = folder.path().join("v.npy");
    let columns = ["--column", "title", "--id-column", "sku"];
    let embed = ["embed", "--input", text(&path), "--output-type", "i8"];
    run(infer(&embed)
        .args(columns)
        .args(["--output", text(&source)]))
    .ok();
    let ranges = folder.path().join("r.npy");
    std::fs::rename(folder.path().join("v.npy.ranges.npy"), &ranges).unwrap();
    let content = std::fs::read(&ranges).unwrap();
    let refused = |texts: &[&str], output: &std::path::Path, given: &std::path::Path| {
        let mut command = infer(&["embed", "--output-type", "i8"]);
        command.args(texts).args(["--ranges", text(given)]);
        let message = run(command.args(["--output", text(output)])).failed(2);
        assert!(
            message.contains("--output and --ranges are the same file"),
            "{message}"
        );
        assert_eq!(std::fs::read(&ranges).unwrap(), content);
    };
    let file = ["--input", text(&path), "--column", "title"];
    refused(&file, &ranges, &ranges);
    refused(&["bottle", "lamp"], &ranges, &ranges);
    #[cfg(unix)]
    {
        let link = folder.path().join("link.npy");
        std::os::unix::fs::symlink(&ranges, &link).unwrap();
        refused(&file, &link, &ranges);
        refused(&["bottle", "lamp"], &ranges, &link);
    }
}

#[test]
fn ranges_of_one_row_are_refused_and_of_few_are_noted() {
    let (folder, path) = file("p.txt", "water bottle\n");
    let output = folder.path().join("v.npy");
    let embed = |texts: &[&str]| {
        let form = ["embed", "--output-type", "u8", "--output", text(&output)];
        run(infer(&form).args(texts))
    };
    for texts in [&["bottle"][..], &["--input", text(&path)]] {
        let message = embed(texts).failed(2);
        assert!(
            message.contains("--output-type u8") && message.contains("--ranges FILE"),
            "{message}"
        );
        assert_eq!(names(folder.path()), ["p.txt"]);
    }
    let few = embed(&["bottle", "lamp"]);
    assert!(
        few.err.contains("the ranges of u8 come from 2 rows only"),
        "{}",
        few.err
    );
    few.ok();
    let ranges = folder.path().join("r.npy");
    std::fs::rename(folder.path().join("v.npy.ranges.npy"), &ranges).unwrap();
    let given = embed(&["bottle", "--ranges", text(&ranges)]);
    assert!(!given.err.contains("come from"), "{}", given.err);
    given.ok();
    std::fs::write(&path, "a water bottle\n".repeat(100)).unwrap();
    let enough = embed(&["--input", text(&path)]);
    assert!(!enough.err.contains("come from"), "{}", enough.err);
    enough.ok();
}
