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
        (["--per-row", "0"], "--per-row"),
        (["--range-max", "2"], "--range-max must be at least"),
        (["--relative-margin", "2"], "--relative-margin"),
    ] {
        let output = mine(&wrong).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        assert!(stderr(&output).contains(words), "{}", stderr(&output));
    }
}

/// Rows with label 0 are no right pairs, and a product with another text is right by its id.
#[test]
fn labels_and_ids_say_what_is_right() {
    let folder = folder();
    let file = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    file(
        "pairs.csv",
        "query,product,label,sku\nsteel bottle,bottle,1,b1\nred chair,red chair,1,c1\nsteel bottle,red chair,0,c1\n",
    );
    file(
        "products.csv",
        "id,title\nb1,a bottle of steel\nc1,red chair\nx1,cable\nx2,shoes\n",
    );
    let (tiny, device) = (tiny(), device());
    let mine = |more: &[&str]| {
        let mut words = vec![
            "mine",
            "--model",
            &tiny,
            "--device",
            &device,
            "--pairs",
            "pairs.csv",
        ];
        words.extend(["--columns", "anchor=query,positive=product,label=label"]);
        words.extend([
            "--corpus",
            "products.csv",
            "--per-row",
            "1",
            "--range-max",
            "4",
        ]);
        words.extend(["--relative-margin", "0"]);
        words.extend(more);
        command(folder.path(), &words)
    };
    let without = stderr(&succeed(mine(&[])));
    assert!(
        without.contains("left out 1 pairs with label 0"),
        "{without}"
    );
    assert!(
        without.contains("1 of 2 right products are not in the corpus by their text"),
        "{without}"
    );
    let output = succeed(mine(&["--positive-id", "sku"]));
    assert!(
        !stderr(&output).contains("not in the corpus"),
        "{}",
        stderr(&output)
    );
    for line in stdout(&output).lines() {
        let row: Value = serde_json::from_str(line).unwrap();
        if row["anchor"] == "steel bottle" {
            assert_ne!(row["negative_1"], "a bottle of steel");
        }
    }
    let refused = mine(&["--output", "pairs.csv"]).output().unwrap();
    assert_eq!(refused.status.code(), Some(2));
    assert!(stderr(&refused).contains("--output is one of the input files"));
    let refused = mine(&["--output", "no/such/mined.jsonl"]).output().unwrap();
    assert_eq!(refused.status.code(), Some(2));
    assert!(stderr(&refused).contains("create it first"));
    // The same file by another name.
    let refused = mine(&["--output", "./products.csv"]).output().unwrap();
    assert!(stderr(&refused).contains("--output is one of the input files"));
    file(
        "scored.csv",
        "query,product,rating\nsteel bottle,bottle,2\n",
    );
    let words = ["mine", "--pairs", "scored.csv", "--corpus", "products.csv"];
    let refused = command(folder.path(), &words).output().unwrap();
    assert_eq!(refused.status.code(), Some(2));
    assert!(
        stderr(&refused).contains("scores, which do not say"),
        "{}",
        stderr(&refused)
    );
}
