//! Phrases that the style page forbids, and sentences that are too long.

use std::path::Path;

use super::{read, tracked};
use crate::error::TaskError;

/// The page whose fenced block `phrases` holds the forbidden phrases, one per line.
const STYLE: &str = "docs/src/contributing/style.md";

/// Pages that are read for phrases, beside README, docs and Rust.
const PAGES: [&str; 3] = ["ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md"];

/// The most words of a sentence in README and docs.
const MOST_WORDS: usize = 30;

pub(crate) fn check(root: &Path) -> Result<Vec<String>, TaskError> {
    let style = read(&root.join(STYLE))?.to_ascii_lowercase();
    let listed = style.split("```phrases\n").nth(1).unwrap_or_default();
    let phrases: Vec<&str> = listed.lines().take_while(|line| *line != "```").collect();
    let mut findings = Vec::new();
    if phrases.is_empty() {
        findings.push(format!("{STYLE}: the block `phrases` is missing or empty"));
    }
    for file in tracked(root, "")? {
        let page = file == "README.md" || file.starts_with("docs/") && file.ends_with(".md");
        let rust = file.ends_with(".rs");
        if !(page || rust || PAGES.contains(&file.as_str())) {
            continue;
        }
        let text = read(&root.join(&file))?;
        // Generated pages say so in a comment below their title.
        let comment = text.lines().nth(2).unwrap_or_default();
        let by_hand = !(comment.starts_with("<!-- Generated from ")
            || comment.starts_with("<!-- ") && comment.contains(" writes this page from "));
        for (first, paragraph) in paragraphs(&text, rust) {
            for (line, phrase) in forbidden(&paragraph, &phrases) {
                findings.push(format!(
                    "{file}:{}: \"{phrase}\" (see {STYLE})",
                    first + line
                ));
            }
            let sentences = page && by_hand && !paragraph.starts_with(['|', '#', '<']);
            for (line, words) in sentences.then(|| long(&paragraph)).into_iter().flatten() {
                let place = first + line;
                findings.push(format!(
                    "{file}:{place}: {words} words, at most {MOST_WORDS}"
                ));
            }
        }
    }
    Ok(findings)
}

/// Paragraphs, list items, headings and rows outside code blocks, with the number of their first line; in Rust all runs
/// of lines, without the marks of comments and continued strings.
fn paragraphs(text: &str, rust: bool) -> Vec<(usize, String)> {
    let (mut found, mut code) = (vec![(1, String::new())], false);
    for (number, line) in (1..).zip(text.lines().map(str::trim)) {
        let marks = if rust { ['/', '!', '\\'] } else { ['\0'; 3] };
        let line = line.trim_matches(marks).trim();
        let fence = line.starts_with("```") && !rust;
        code ^= fence;
        let single = fence || line.starts_with(['|', '#', '<']);
        let numbered = line
            .split_once(". ")
            .is_some_and(|(n, _)| n.parse::<u8>().is_ok());
        if single || line.is_empty() || line.starts_with(['-', '*', '>']) || numbered {
            found.push((number, String::new()));
        }
        if let Some((_, paragraph)) = found.last_mut().filter(|_| !code && !fence) {
            *paragraph += &format!("{line}\n");
        }
        found.extend((single && !code).then(|| (number + 1, String::new())));
    }
    found
}

/// Forbidden phrases in a paragraph, with their line in it.
fn forbidden<'a>(text: &str, phrases: &[&'a str]) -> Vec<(usize, &'a str)> {
    let lower = text.to_ascii_lowercase().replace('\n', " ");
    let letter = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    let whole = |at: usize, phrase: &str| {
        !letter(lower[..at].chars().next_back())
            && !letter(lower[at + phrase.len()..].chars().next())
    };
    let places = phrases.iter().flat_map(|phrase| {
        lower
            .match_indices(phrase)
            .map(move |(at, _)| (at, *phrase))
    });
    let whole = places.filter(|(at, phrase)| whole(*at, phrase));
    whole
        .map(|(at, phrase)| (text[..at].matches('\n').count(), phrase))
        .collect()
}

/// Sentences with too many words, with their line in the paragraph; inline code is one word.
fn long(text: &str) -> Vec<(usize, usize)> {
    let spans = text.split('`').enumerate();
    let plain: String = spans
        .map(|(n, span)| if n % 2 == 1 { "code" } else { span })
        .collect();
    let (mut found, mut words, mut first) = (Vec::new(), 0, 0);
    for (line, text) in plain.lines().enumerate() {
        for word in text.split_whitespace() {
            first = if words == 0 { line } else { first };
            words += usize::from(word.contains(char::is_alphanumeric));
            if word
                .trim_end_matches([')', '"', '*', '_', ']'])
                .ends_with(['.', '?', '!'])
            {
                found.push((first, std::mem::take(&mut words)));
            }
        }
    }
    found.push((first, words));
    found.retain(|(_, words)| *words > MOST_WORDS);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phrase_is_found_across_lines_and_only_as_words() {
        let found = |text: &str| forbidden(text, &["red tape"]);
        assert_eq!(found("all\nthe Red\ntape, again"), [(1, "red tape")]);
        assert_eq!(found("red tapes and bored tape"), []);
    }

    #[test]
    fn a_sentence_is_counted_to_its_end() {
        let many = "word ".repeat(31);
        assert_eq!(
            long(&format!("Some `code of more words`.\n{many}\nend.")),
            [(1, 32)]
        );
        assert_eq!(
            long(&format!("{many}.").replacen("word word", "end. word", 1)),
            []
        );
    }

    #[test]
    fn paragraphs_end_at_items_rows_and_code() {
        let text = "One\ntwo.\n- item\n  goes on\n# Head\nthree\n```\ncode\n```\nfour\n";
        let found = paragraphs(text, false);
        let found: Vec<_> = found
            .iter()
            .filter(|(_, text)| !text.is_empty())
            .map(|(at, text)| (*at, text.as_str()))
            .collect();
        let expected = [
            (1, "One\ntwo.\n"),
            (3, "- item\ngoes on\n"),
            (5, "# Head\n"),
            (6, "three\n"),
            (10, "four\n"),
        ];
        assert_eq!(found, expected);
        assert_eq!(
            paragraphs("/// One\n//! two \\\n", true),
            [(1, "One\ntwo\n".to_owned())]
        );
    }
}
