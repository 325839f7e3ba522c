use proptest::prelude::*;

use super::super::plots;
use super::super::summary::tests::{edge_case, plain, sample, step};
use super::*;
use crate::evaluation::Scores;

/// The first unbalanced tag; `None` if all are balanced.
pub(in super::super) fn unbalanced(text: &str) -> Option<String> {
    const ALONE: [&str; 3] = ["!DOCTYPE", "meta", "br"];
    let mut open: Vec<&str> = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once('<') {
        let Some((tag, after)) = after.split_once('>') else {
            return Some(format!("no end: <{after}"));
        };
        rest = after;
        let name = tag.split_whitespace().next().unwrap_or_default();
        if let Some(name) = name.strip_prefix('/') {
            if open.pop() != Some(name) {
                return Some(tag.to_owned());
            }
        } else if !tag.ends_with('/') && !ALONE.contains(&name) {
            open.push(name);
        }
        if tag.matches('"').count() % 2 != 0 {
            return Some(tag.to_owned());
        }
    }
    open.pop().map(str::to_owned)
}

fn pictures(history: &History) -> Pictures {
    Pictures {
        loss: plots::loss(history, None).unwrap(),
        learning_rate: plots::learning_rate(history).unwrap(),
        scores: plots::scores(history).unwrap(),
    }
}

/// The page, whose structure is checked.
fn checked(summary: &RunSummary, history: &History) -> String {
    let page = page(summary, history, &pictures(history));
    assert_eq!(unbalanced(&page), None);
    for outside in [
        "<script", "<link", "<img", "<a ", "href=", "src=", "url(", "@import",
    ] {
        assert!(!page.contains(outside), "{outside}");
    }
    page
}

#[test]
fn the_checker_finds_what_is_wrong() {
    assert_eq!(unbalanced("<p>a<br><b class=\"x\">b</b></p>"), None);
    for wrong in ["<p>", "</p>", "<p><b></p></b>", "<p class=\"x>", "<p"] {
        assert!(unbalanced(wrong).is_some(), "{wrong}");
    }
}

#[test]
fn the_page_says_what_was_trained() {
    let page = checked(&edge_case(), &sample());
    for text in [
        "<title>Fine-tuning of sentence-transformers/all-mpnet-base-v2</title>",
        "after 1,000 steps: no gain in 3 evaluations &lt;early&gt;",
        "CPU (2 threads) &lt;fast&gt;",
        "<td class=\"number\">12,345</td><td class=\"number\">1</td>",
        "1,000 steps, 1.9 epochs",
        "5,123 tokens/s",
        "<td class=\"number better\">+0.1250</td>",
        "<td class=\"number worse\">-0.0500</td>",
        "[&quot;a|b&quot;, &quot;&lt;c&gt;&quot;]",
        "train fit --train &#39;a b.tsv&#39; \\\n  --note",
        "prefers-color-scheme: dark",
    ] {
        assert!(page.contains(text), "{text}");
    }
    assert_eq!(page.matches("<svg ").count(), 3);
}

#[test]
fn dropped_scores_are_flagged() {
    let page = checked(&edge_case(), &sample());
    let sentence = "<p class=\"worse\">&lt;i&gt;mrr&lt;/i&gt; | `x` dropped by 0.0500, from 0.7500 to \
                    0.7000.</p>";
    assert!(page.contains(sentence));
    assert_eq!(page.matches("dropped by").count(), 1);
}

#[test]
fn a_script_in_a_file_name_is_text() {
    let page = checked(&edge_case(), &sample());
    assert!(page.contains("data/&lt;script&gt;alert(1)&lt;/script&gt;|`pairs`.tsv"));
}

#[test]
fn little_is_a_page_too() {
    let page = checked(&plain(), &History::default());
    assert!(page.contains("No scores"));
    for absent in [
        "tokens/s",
        "Peak memory",
        "<svg",
        "NaN",
        "<h2>Data",
        "<h2>Command",
    ] {
        assert!(!page.contains(absent), "{absent}");
    }
}

#[test]
fn losses_that_are_left_out_are_counted() {
    let history = History {
        events: vec![step(1, f64::NAN, 1e-5), step(2, 0.5, 1e-5)],
    };
    assert!(checked(&plain(), &history).contains("the loss of 1 of 2 steps is NaN"));
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None, ..ProptestConfig::default()
    })]

    #[test]
    fn any_text_stays_text(text in any::<String>()) {
        let escaped = escape(&text);
        prop_assert!(!escaped.contains(['<', '>', '"', '\'']));
        let back = escaped
            .replace("&lt;", "<")
            .replace("&gt;", ">")
            .replace("&quot;", "\"")
            .replace("&#39;", "'")
            .replace("&amp;", "&");
        let kept = |letter: char| {
            let is_kept = !letter.is_control() || matches!(letter, '\n' | '\t');
            if is_kept { letter } else { '\u{fffd}' }
        };
        prop_assert_eq!(back, text.chars().map(kept).collect::<String>());
    }

    #[test]
    fn any_name_keeps_the_page_whole(name in any::<String>(), value in any::<f64>()) {
        let mut summary = edge_case();
        summary.base_model.clone_from(&name);
        summary.command.clone_from(&name);
        summary.settings = vec![(name.clone(), name.clone())];
        summary.after = Some(Scores::new(name, value));
        let page = page(&summary, &History::default(), &pictures(&History::default()));
        prop_assert_eq!(unbalanced(&page), None);
    }
}
