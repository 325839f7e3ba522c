//! `train mine`.

use serde_json::Value;

use crate::support::{
    command, device, fit_model, folder, pairs, stderr, stdout, steps, succeed, tiny,
};

#[test]
fn mined_rows_have_negatives_that_are_not_right_and_can_be_trained_on() {
    let folder = folder();
    let rows = pairs(folder.path());
    let products: String = rows
        .iter()
        .enumerate()
        .map(|(id, [_, description])| format!("{id}\t{description}\n"))
        .collect();
    // A right product under another id, and in another case.
    let again = rows[0][1].to_uppercase();
    std::fs::write(
        folder.path().join("products.tsv"),
        format!("id\ttitle\n{products}again\t{again}\n"),
    )
    .unwrap();
    let (tiny, device) = (tiny(), device());
    let mine = |more: &[&str]| {
        let mut arguments = vec!["mine", "--model", &tiny, "--device", &device];
        arguments.extend(["--pairs", "pairs.tsv", "--corpus", "products.tsv"]);
        arguments.extend(more);
        command(folder.path(), &arguments)
    };
    let margin = [
        "--relative-margin",
        "0",
        "--per-row",
        "2",
        "--range-max",
        "25",
    ];
    let printed = succeed(mine(&margin));
    let text = stdout(&printed);
    let mined: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(!mined.is_empty());
    for row in &mined {
        let of = |name: &str| row[name].as_str().unwrap().to_lowercase();
        let right = rows.iter().filter(|pair| pair[0] == row["anchor"]);
        let right: Vec<String> = right.map(|pair| pair[1].to_lowercase()).collect();
        assert!(right.contains(&of("positive")));
        for negative in ["negative_1", "negative_2"] {
            assert!(!right.contains(&of(negative)), "{row}");
        }
        assert_ne!(of("negative_1"), of("negative_2"));
    }
    let notes = stderr(&printed);
    let counted = format!(
        "{} pairs have 2 negatives each; {} pairs with fewer are left out",
        mined.len(),
        rows.len() - mined.len()
    );
    assert!(notes.contains(&counted), "{notes}");
    assert!(
        notes.contains("products that are right for the query"),
        "{notes}"
    );

    let mut to_file = margin.to_vec();
    to_file.extend(["--output", "mined.jsonl"]);
    succeed(mine(&to_file));
    let written = std::fs::read_to_string(folder.path().join("mined.jsonl")).unwrap();
    assert_eq!(written, text);
    let run = "--train mined.jsonl --config none.toml --max-steps 1 --output tuned";
    std::fs::write(folder.path().join("none.toml"), "").unwrap();
    let trained = succeed(fit_model(folder.path(), &tiny, run));
    assert!(
        stderr(&trained).contains("pairs with 2 negatives"),
        "{}",
        stderr(&trained)
    );
    assert_eq!(steps(&folder.path().join("tuned")).len(), 1);

    let reranker = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../model/tests/fixtures/rerankers/bert"
    );
    to_file.extend(["--reranker", reranker]);
    succeed(mine(&to_file));
    let written = std::fs::read_to_string(folder.path().join("mined.jsonl")).unwrap();
    for line in written.lines() {
        let row: Value = serde_json::from_str(line).unwrap();
        let score = |name: &str| row[name].as_f64().unwrap();
        assert!(
            score("score_positive") >= score("score_negative_1"),
            "{row}"
        );
        assert!(
            score("score_negative_1") >= score("score_negative_2"),
            "{row}"
        );
    }
    let columns = "columns = \"anchor=anchor,positive=positive,negative=negative_1,negative=negative_2,\
                   score=score_positive,score=score_negative_1,score=score_negative_2\"\n";
    std::fs::write(folder.path().join("scores.toml"), columns).unwrap();
    let run =
        "--train mined.jsonl --config scores.toml --loss margin-mse --max-steps 1 --output tuned3";
    succeed(fit_model(folder.path(), &tiny, run));

    for (wrong, words) in [
        (["--per-row", "0"], "--per-row must be at least 1"),
        (["--range-max", "2"], "--range-max must be at least"),
        (
            ["--relative-margin", "2"],
            "--relative-margin must be from 0 to 1",
        ),
    ] {
        let output = mine(&wrong).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        assert!(stderr(&output).contains(words), "{}", stderr(&output));
    }
}
