//! `train evaluate`.

use std::path::Path;

use serde_json::Value;

use crate::support::{command, copy_model, device, fit, folder, stderr, stdout, succeed, tiny};

/// `train evaluate --json` on the tiny model: the evaluations.
fn evaluations(folder: &Path, more: &str) -> Value {
    let tiny = tiny();
    let device = device();
    let mut arguments = vec!["evaluate", "--json", "--device", &device, "--model", &tiny];
    arguments.extend(more.split_whitespace());
    let text = stdout(&succeed(command(folder, &arguments)));
    serde_json::from_str::<Value>(&text).unwrap()[0]["evaluations"].take()
}

#[test]
fn pairs_are_scored_for_one_model_and_compared_for_two() {
    let folder = folder();
    succeed(fit(
        folder.path(),
        "--epochs 8 --lr 1e-3 --batch-size 8 --output tuned",
    ));
    let tiny = tiny();
    let device = device();
    let evaluate = |more: &str| {
        let mut arguments = vec![
            "evaluate",
            "--device",
            &device,
            "--pairs",
            "pairs.tsv",
            "--model",
            &tiny,
        ];
        arguments.extend(more.split_whitespace());
        stdout(&succeed(command(folder.path(), &arguments)))
    };
    let one = evaluate("--json");
    let one: serde_json::Value = serde_json::from_str(&one).unwrap();
    let before = one[0]["evaluations"][0]["metrics"]["ndcg@10"]
        .as_f64()
        .unwrap();
    let two = evaluate("--json --model tuned");
    let two: serde_json::Value = serde_json::from_str(&two).unwrap();
    assert_eq!(two[0], one[0]);
    let after = two[1]["evaluations"][0]["metrics"]["ndcg@10"]
        .as_f64()
        .unwrap();
    assert!(after > before + 0.05, "{before} -> {after}");
    let table = evaluate("--model tuned");
    for part in [
        format!("{before:.4}"),
        format!("{after:.4}"),
        "after".to_owned(),
    ] {
        assert!(table.contains(&part), "{part} in\n{table}");
    }
}

#[test]
fn scores_triplets_and_judgements_are_measured_together() {
    let folder = folder();
    let write = |name: &str, content: &str| {
        std::fs::write(folder.path().join(name), content).unwrap();
    };
    write(
        "sts.tsv",
        "left\tright\tgold\nred chair\tred chair\t5\nred cable\tshoes\t0\nsteel bottle\tred bottle\t2\n",
    );
    write(
        "triplets.jsonl",
        "{\"query\": \"red chair\", \"positive\": \"red chair\", \"neg\": \"steel shoes\"}\n",
    );
    write(
        "products.csv",
        "sku,name\n1,red chair\n2,steel shoes\n3,red cable\n",
    );
    write("asked.csv", "number,words\n7,red chair\n");
    write("judged.csv", "asked,sku,grade\n7,1,2\n7,3,1\n7,2,0\n");
    let all = "--similarity sts.tsv --triplets triplets.jsonl --pairs pairs.tsv \
               --columns first=query,second=description \
               --queries asked.csv --query-columns number,words \
               --corpus products.csv --corpus-columns sku,name \
               --qrels judged.csv --qrels-columns asked,sku,grade --cutoffs 1,3,100";
    let found = evaluations(folder.path(), all);
    let metric = |place: usize, name: &str| found[place]["metrics"][name].as_f64();
    let found_names: Vec<&str> = (0..4)
        .map(|place| found[place]["name"].as_str().unwrap())
        .collect();
    assert_eq!(found_names, ["sts", "pairs", "triplets", "judged"]);
    assert!(metric(0, "spearman_cosine").is_some(), "{found}");
    assert!(metric(1, "ndcg@10").is_some(), "{found}");
    // Equal texts have one vector.
    assert_eq!(metric(2, "cosine_accuracy"), Some(1.0));
    assert_eq!(metric(3, "cosine_accuracy@1"), Some(1.0));
    assert_eq!(metric(3, "cosine_recall@100"), Some(1.0));
    assert_eq!(metric(3, "cosine_recall@10"), None);
}

/// Pairs with label 0 are products that do not fit, and no right answers.
#[test]
fn a_label_says_which_pairs_are_right() {
    let folder = folder();
    let rows = crate::support::pairs(folder.path());
    let mut labelled = "query\tdescription\tlabel\n".to_owned();
    for (row, [query, description]) in rows.iter().enumerate() {
        let wrong = &rows[(row + 5) % rows.len()][1];
        labelled.push_str(&format!(
            "{query}\t{description}\t1\n{query}\t{wrong}\tfalse\n"
        ));
    }
    std::fs::write(folder.path().join("labelled.tsv"), labelled).unwrap();
    let right = evaluations(folder.path(), "--pairs pairs.tsv");
    let found = evaluations(folder.path(), "--pairs labelled.tsv");
    assert_eq!(found[0]["metrics"], right[0]["metrics"]);
    let none = "query\tdescription\tlabel\nred chair\tshoes\t0\n";
    std::fs::write(folder.path().join("none.tsv"), none).unwrap();
    let (tiny, device) = (tiny(), device());
    let words = [
        "evaluate", "--pairs", "none.tsv", "--model", &tiny, "--device", &device,
    ];
    let output = command(folder.path(), &words).output().unwrap();
    let text = stderr(&output);
    assert!(
        !output.status.success() && text.contains("none.tsv"),
        "{text}"
    );
}

#[test]
fn a_reranker_needs_only_the_files_of_a_search() {
    let folder = folder();
    let (tiny, device) = (tiny(), device());
    for (more, file, options) in [
        ("--reranker any", "titles.tsv.gz", "--corpus and --qrels"),
        (
            "",
            "stsb_open_test.tsv",
            "--similarity, --pairs, --triplets or --qrels",
        ),
    ] {
        let mut words = vec!["evaluate", "--model", &tiny, "--device", &device];
        words.extend(more.split_whitespace());
        let output = command(folder.path(), &words).output().unwrap();
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(text.contains(file) && text.contains(options), "{text}");
    }
}

#[test]
fn columns_that_no_file_has_are_wrong_usage() {
    let folder = folder();
    let tiny = tiny();
    for (more, words) in [
        (
            "--pairs pairs.tsv --columns anchor=headline,positive=description",
            "headline",
        ),
        ("--similarity pairs.tsv", "score=COLUMN"),
        ("--pairs pairs.tsv --cutoffs 0", "--cutoffs"),
        ("--pairs pairs.tsv --max-length 0", "--max-length"),
        ("--pairs pairs.tsv --pairs pairs.tsv", "another name"),
    ] {
        let device = device();
        let mut arguments = vec!["evaluate", "--device", &device, "--model", &tiny];
        arguments.extend(more.split_whitespace());
        let output = command(folder.path(), &arguments).output().unwrap();
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{more}: {text}");
        assert!(text.contains(words), "{more}: {text}");
    }
}

#[test]
fn a_tuned_model_keeps_the_settings_of_its_base() {
    let folder = folder();
    let base = folder.path().join("base");
    copy_model(Path::new(&tiny()), &base);
    let settings = "config_sentence_transformers.json";
    let read = |model: &Path| -> Value {
        serde_json::from_slice(&std::fs::read(model.join(settings)).unwrap()).unwrap()
    };
    let mut value = read(&base);
    value["truncate_dim"] = 8.into();
    value["similarity_fn_name"] = "dot".into();
    value["prompts"] = serde_json::json!({ "query": "find ", "document": "title: " });
    value["default_prompt_name"] = "query".into();
    std::fs::write(base.join(settings), value.to_string()).unwrap();
    let device = device();
    let run = |arguments: &str| {
        let mut all: Vec<&str> = arguments.split_whitespace().collect();
        all.extend(["--device", &device]);
        succeed(command(folder.path(), &all))
    };
    run("fit --model base --train pairs.tsv --epochs 1 --batch-size 8 --output tuned");
    assert_eq!(read(&folder.path().join("tuned")), value);
    let evaluated = run("evaluate --model tuned --pairs pairs.tsv");
    let note = "similarity dot, 8 dimensions, prompt of texts \"find \", prompt of queries \"find \", \
                prompt of documents \"title: \"";
    assert!(stderr(&evaluated).contains(note), "{}", stderr(&evaluated));
}
