use super::*;

#[test]
fn a_bad_row_stops_or_is_counted() {
    for (row, problem) in [
        (
            ",y,1",
            "the anchor (column `query`) is empty; fill it in, or leave the row out (`train fit` does with --skip-bad-rows)",
        ),
        (
            "x, \t,1",
            "the positive (column `product`) is empty; fill it in, or leave the row out (`train fit` does with --skip-bad-rows)",
        ),
        (
            "x,y,",
            "the score is empty; fill it in, or leave the row out (`train fit` does with --skip-bad-rows)",
        ),
        ("x,y,good", "the score is `good`, which is not a number"),
        ("x,y,NaN", "the score is `NaN`, which is not finite"),
        ("x,y,-inf", "the score is `-inf`, which is not finite"),
        ("x,y,1e39", "the score is `1e39`, which is not finite"),
        ("x,y", "2 columns where the header has 3"),
        ("x,y,1,2", "4 columns where the header has 3"),
    ] {
        let folder = Folder::new();
        let path = folder.file(
            "rows.csv",
            format!("query,product,score\nx,y,1\n\n{row}\nv,w,-1.5e1\n{row}\n"),
        );
        let error = read(&path).unwrap_err();
        assert!(error.is_row(), "{row}");
        assert_eq!(
            message(&error, &folder),
            format!("rows.csv, line 4: {problem}")
        );

        let options = ReadOptions {
            skip_bad_rows: true,
            ..ReadOptions::default()
        };
        let table = TextTable::read(&[&path], &options).unwrap();
        assert_eq!(texts(&table), [["x", "y"], ["v", "w"]], "{row}");
        assert_eq!(targets(&table), [1.0, -15.0]);
        assert_eq!(table.skipped(), 2);
        assert_eq!(
            message(table.first_skipped().unwrap(), &folder),
            format!("rows.csv, line 4: {problem}")
        );
    }
}

#[test]
fn bad_rows_of_json_lines_are_skipped_before_and_behind_the_first_good_one() {
    let folder = Folder::new();
    let path = folder.file(
        "rows.jsonl",
        "[1]\n{\"query\": \"x\", \"answer\": \"y\"}\n{\"query\": \"x\"}\n{\"query\": null, \"answer\": \"z\"}\n",
    );
    let error = read(&path).unwrap_err();
    assert!(message(&error, &folder).starts_with("rows.jsonl, line 1: not a JSON object"));
    let options = ReadOptions {
        skip_bad_rows: true,
        ..ReadOptions::default()
    };
    let table = TextTable::read(&[&path], &options).unwrap();
    assert_eq!(texts(&table), [["x", "y"]]);
    assert_eq!(table.skipped(), 3);

    let path = folder.file("bad.jsonl", "[1]\n[2]\n");
    let error = TextTable::read(&[&path], &options).unwrap_err();
    assert_eq!(
        message(&error, &folder),
        "no rows in bad.jsonl but 2 bad ones, which were skipped"
    );
    let options = ReadOptions {
        skip_bad_rows: true,
        ..with_columns("anchor=query,positive=answer")
    };
    let error = TextTable::read(&[&path], &options).unwrap_err();
    assert!(
        message(&error, &folder).starts_with(
            "no rows in bad.jsonl but 2 bad ones; the first: bad.jsonl, line 1: not a JSON"
        ),
        "{error}"
    );
}

#[test]
fn a_file_that_cannot_be_trained_on_says_why() {
    let folder = Folder::new();
    for (name, content, expected) in [
        ("rows.csv", "query,answer\n", "no rows in rows.csv"),
        (
            "rows.csv",
            "",
            "rows.csv: no header line; the first line must name the columns",
        ),
        ("rows.jsonl", "\n", "no rows in rows.jsonl"),
        (
            "rows.txt",
            "one\ttwo\n",
            "rows.txt: a plain-text file has no columns to train on; use a file whose name ends in .csv, .tsv, .jsonl or .parquet",
        ),
        (
            "rows.tsv",
            "text\nx\n",
            "rows.tsv: training needs an anchor and a positive, but the columns are: text; name two with --columns anchor=COLUMN,positive=COLUMN",
        ),
    ] {
        let error = read(&folder.file(name, content)).unwrap_err();
        assert_eq!(message(&error, &folder), expected);
        assert!(!error.is_row());
    }
    let missing = read(&folder.0.path().join("nothing.csv")).unwrap_err();
    assert!(
        message(&missing, &folder).starts_with("nothing.csv: "),
        "{missing}"
    );
    let none: [&Path; 0] = [];
    let error = TextTable::read(&none, &ReadOptions::default()).unwrap_err();
    assert_eq!(error.to_string(), "no rows in the data");
}

/// `/dev/null` replaces a pipe: it is not a regular file.
#[cfg(unix)]
#[test]
fn a_pipe_needs_its_columns_named() {
    let mut options = ReadOptions {
        format: Some(Format::Jsonl),
        ..ReadOptions::default()
    };
    let error = TextTable::read(&["/dev/null"], &options).unwrap_err();
    assert_eq!(
        error.to_string(),
        "/dev/null: cannot infer the columns of a pipe, which can be read only once; name them with --columns anchor=COLUMN,positive=COLUMN"
    );
    options.columns = Some("anchor=a,positive=b".parse().unwrap());
    let error = TextTable::read(&["/dev/null"], &options).unwrap_err();
    assert_eq!(error.to_string(), "no rows in /dev/null");
}

#[test]
fn white_space_is_no_text() {
    for (text, good) in [
        ("a", true),
        (" ä ", true),
        ("", false),
        (" \u{a0}\n", false),
    ] {
        assert_eq!(super::super::check_text(text).is_ok(), good, "{text:?}");
    }
}

#[test]
fn a_score_is_finite_and_a_label_is_0_or_1() {
    for (target, score, label) in [
        (0.0, true, true),
        (-0.0, true, true),
        (1.0, true, true),
        (0.5, true, false),
        (-1e30, true, false),
        (f32::NAN, false, false),
        (f32::INFINITY, false, false),
    ] {
        let good = |role| super::super::target(role, &target.to_string()).is_ok();
        assert_eq!(
            (good(Role::Score), good(Role::Label)),
            (score, label),
            "{target}"
        );
    }
}
