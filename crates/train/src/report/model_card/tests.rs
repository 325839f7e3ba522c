//! Model cards, as a reader of the hub sees them.

use proptest::prelude::*;

use super::super::summary::tests::{edge_case, plain};
use super::*;
use crate::evaluation::Scores;

/// The fields of the front matter, and the rest of the card.
fn parts(card: &str) -> (Vec<(String, Vec<String>)>, String) {
    let mut lines = card.lines();
    assert_eq!(lines.next(), Some("---"));
    let mut fields: Vec<(String, Vec<String>)> = Vec::new();
    for line in lines.by_ref().take_while(|line| *line != "---") {
        if let Some(item) = line.strip_prefix("- ") {
            fields.last_mut().unwrap().1.push(item.to_owned());
            continue;
        }
        let (name, value) = line.split_once(':').unwrap();
        let value = value.trim_start();
        let values = if value.is_empty() {
            vec![]
        } else {
            vec![value.to_owned()]
        };
        fields.push((name.to_owned(), values));
    }
    (fields, lines.collect::<Vec<_>>().join("\n"))
}

/// The lines of Markdown outside of fences, which must all be closed.
fn outside(markdown: &str) -> Vec<&str> {
    let mut fence: Option<&str> = None;
    let mut lines = Vec::new();
    for line in markdown.lines() {
        let ticks = &line[..line.len() - line.trim_start_matches('`').len()];
        match fence {
            Some(open) if line == open => fence = None,
            Some(_) => {}
            None if ticks.len() >= 3 => fence = Some(ticks),
            None => lines.push(line),
        }
    }
    assert_eq!(fence, None, "a fence is open in {markdown}");
    lines
}

/// The rows of each table, which must be of as many cells as its head.
fn tables(markdown: &str) -> Vec<usize> {
    let mut rows = Vec::new();
    let mut cells = None;
    for line in outside(markdown) {
        if !line.starts_with('|') {
            cells = None;
            continue;
        }
        let found = line.matches('|').count();
        match cells {
            None => rows.push(0),
            Some(cells) => {
                assert_eq!(found, cells, "{line}");
                *rows.last_mut().unwrap() += 1;
            }
        }
        cells = Some(found);
    }
    // Less the line below the head.
    rows.iter().map(|rows| rows - 1).collect()
}

#[test]
fn the_front_matter_is_sentence_transformers() {
    let field = |name: &str, values: &[&str]| {
        let values = values.iter().map(|value| (*value).to_owned());
        (name.to_owned(), values.collect::<Vec<_>>())
    };
    let tags = [
        "sentence-transformers",
        "sentence-similarity",
        "feature-extraction",
    ];
    let mut expected = vec![
        field("tags", &tags),
        field("base_model", &["sentence-transformers/all-mpnet-base-v2"]),
        field("pipeline_tag", &["sentence-similarity"]),
        field("library_name", &["sentence-transformers"]),
    ];
    assert_eq!(parts(&model_card(&edge_case())).0, expected);
    expected.remove(1);
    assert_eq!(parts(&model_card(&plain())).0, expected);
}

#[test]
fn only_names_of_the_hub_are_base_models() {
    for name in ["sentence-transformers/all-mpnet-base-v2", "me/a_b.c"] {
        assert!(is_hub_name(name), "{name}");
    }
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src");
    for name in [
        "", "mpnet", "a/b/c", "/a/b", "./a", "../a", "a/", "~/a", "a/b: c", "a/b\n", folder,
    ] {
        assert!(!is_hub_name(name), "{name}");
    }
}

#[test]
fn the_card_says_what_was_done() {
    let card = model_card(&edge_case());
    for text in [
        "fine-tuned from [sentence-transformers/all-mpnet-base-v2](https://huggingface.co/",
        r#"SentenceTransformer("it's \"mine\" & <yours>")"#,
        r#"$ infer --model 'it'\''s "mine" & <yours>' search"#,
        "| ndcg@10 | 0.5000 | 0.6250 | +0.1250 |",
        "| **-0.0500 worse** |",
        "dropped by 0.0500, from 0.7500 to 0.7000.**",
        "| held_out.tsv | validation | 1 | 0 |",
        "Loss: multiple-negatives-ranking, scale 20. 1,000 steps in ",
        "- 1 row of &#60;pairs&#62; &#124; had an empty text.",
        "no gain in 3 evaluations &#60;early&#62;.",
        "to the first 1,384 tokens",
    ] {
        assert!(card.contains(text), "{text}\nin\n{card}");
    }
}

#[test]
fn markup_in_names_is_text() {
    let card = model_card(&edge_case());
    let (_, markdown) = parts(&card);
    assert_eq!(tables(&markdown), [2, 2, 2]);
    for line in outside(&markdown) {
        assert!(!line.contains('<'), "{line}");
    }
    // The command has three backticks: its fence is longer.
    assert!(markdown.contains("\n````console\n$ train fit --train 'a b.tsv' \\\n"));
}

#[test]
fn without_scores_it_says_so() {
    let card = model_card(&plain());
    assert!(card.contains("No scores"));
    assert!(!card.contains("NaN") && !card.contains("$ \n"));
    assert_eq!(tables(&parts(&card).1), [0_usize; 0]);
}

#[test]
fn words_are_left_alone() {
    assert_eq!(text("a_b-c (d) 0.5 é"), "a_b-c (d) 0.5 é");
    assert_eq!(text(" _a_\n*b* "), "&#95;a&#95; &#42;b&#42;");
    assert_eq!(text("- a"), "&#45; a");
    assert_eq!(text("12. a"), "12&#46; a");
    assert_eq!(text("0.1.0"), "0.1.0");
    assert_eq!(python_string("a\n\\"), r#""a\u000a\\""#);
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None, ..ProptestConfig::default()
    })]

    #[test]
    fn any_text_keeps_the_card_whole(any in any::<String>(), value in any::<f64>()) {
        let mut summary = edge_case();
        summary.base_model.clone_from(&any);
        summary.loss.clone_from(&any);
        summary.command = any.replace(['\n', '\r'], " ");
        summary.settings = vec![(any.clone(), any.clone())];
        summary.after = Some(Scores::new(any, value));
        let card = model_card(&summary);
        let (fields, markdown) = parts(&card);
        prop_assert!(fields.len() >= 3);
        prop_assert_eq!(tables(&markdown), [3, 2, 1]);
    }
}
