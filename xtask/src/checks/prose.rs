//! Phrases that the style page forbids, and sentences that are too long.

use std::path::Path;

use super::{read, tracked};
use crate::error::TaskError;

/// The page whose fenced block `phrases` holds the forbidden phrases, one per line.
const STYLE: &str = "docs/src/contributing/style.md";

/// The most words of a sentence in README and docs.
const MOST_WORDS: usize = 30;

pub(crate) fn check(root: &Path) -> Result<Vec<String>, TaskError> {
    let style = read(&root.join(STYLE))?;
    let listed = style.lines().skip_while(|line| *line != "```phrases");
    let listed = listed.skip(1).take_while(|line| *line != "```");
    let phrases: Vec<String> = listed.map(str::to_lowercase).collect();
    let mut findings = Vec::new();
    for file in tracked(root, "")? {
        let rust = file.ends_with(".rs");
        let page = file == "README.md" || file.starts_with("docs/") && file.ends_with(".md");
        let other = ["ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md"];
        if !(rust || page || other.contains(&file.as_str())) {
            continue;
        }
        let text = read(&root.join(&file))?;
        let mut code = false;
        let mut line = |line| {
            let line = words_of(line, rust);
            let fence = !rust && line.starts_with("```");
            code ^= fence;
            if code || fence { "```" } else { line }
        };
        let lines: Vec<&str> = text.lines().map(&mut line).collect();
        for (at, phrase) in forbidden(&lines, &phrases) {
            findings.push(format!("{file}:{}: \"{phrase}\" (see {STYLE})", at + 1));
        }
        // Generated pages say so in their first lines.
        if page && !lines.iter().take(3).any(|line| line.contains("enerated")) {
            for (at, words) in long_sentences(&lines) {
                findings.push(format!(
                    "{file}:{}: a sentence of {words} words, at most {MOST_WORDS}",
                    at + 1
                ));
            }
        }
    }
    Ok(findings)
}

/// A line without its margin: in Rust without the marks of a comment or a continued string.
fn words_of(line: &str, rust: bool) -> &str {
    let line = line.trim();
    if rust {
        line.trim_start_matches(['/', '!'])
            .trim_end_matches('\\')
            .trim()
    } else {
        line
    }
}

/// Lines in which a phrase begins; it may go on in the next line.
fn forbidden<'a>(lines: &[&str], phrases: &'a [String]) -> Vec<(usize, &'a str)> {
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let both = format!("{line} {}", lines.get(at + 1).unwrap_or(&"")).to_lowercase();
        let lower = line.to_lowercase();
        let letter = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
        let is_word = |from: usize, phrase: &str| {
            from < lower.len()
                && !letter(both[..from].chars().next_back())
                && !letter(both[from + phrase.len()..].chars().next())
        };
        let begins = |phrase: &&String| {
            both.match_indices(*phrase)
                .any(|(from, _)| is_word(from, phrase))
        };
        found.extend(
            phrases
                .iter()
                .filter(begins)
                .map(|phrase| (at, phrase.as_str())),
        );
    }
    found
}

/// The first lines of sentences that are too long, with their numbers of words. Tables, code,
/// headings and HTML are no sentences; inline code is one word.
fn long_sentences(lines: &[&str]) -> Vec<(usize, usize)> {
    let (mut found, mut start, mut words) = (Vec::new(), 0, 0);
    for (at, line) in lines.iter().chain([&""]).enumerate() {
        let text = !(line.is_empty() || line.starts_with(['|', '#', '<']) || *line == "```");
        let item = line.starts_with(['-', '*', '+', '>'])
            || line
                .split_once(". ")
                .is_some_and(|(n, _)| n.parse::<u8>().is_ok());
        let spans = line.split('`').enumerate();
        let plain: String = spans
            .map(|(n, span)| if n % 2 == 1 { "code" } else { span })
            .collect();
        let plain = if text { plain.as_str() } else { "" };
        for (n, word) in [""].into_iter().chain(plain.split_whitespace()).enumerate() {
            let ends = words > 0 && n == 0 && (item || !text);
            words += usize::from(word.contains(char::is_alphanumeric));
            if words == 1 {
                start = at;
            }
            let stops = word
                .trim_end_matches([')', '"', '*', '_', ']'])
                .ends_with(['.', '?', '!']);
            if ends || stops {
                if words > MOST_WORDS {
                    found.push((start, words));
                }
                words = 0;
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phrase_is_found_across_lines_and_only_as_words() {
        let phrases = ["forth and back".to_owned()];
        let found = |lines: &[&str]| forbidden(lines, &phrases).len();
        assert_eq!(found(&["the way Forth and", "back again"]), 1);
        assert_eq!(
            found(&["forth and backwards", "and so forth", "and back"]),
            1
        );
    }

    #[test]
    fn a_sentence_is_counted_to_its_end() {
        let long = "word ".repeat(31);
        assert_eq!(long_sentences(&[&long, "end."]), [(0, 32)]);
        assert_eq!(long_sentences(&["| cell |", &long]), [(1, 31)]);
        let half = "word ".repeat(20);
        assert!(long_sentences(&[&half, "- item", &half, "", &half]).is_empty());
        assert!(long_sentences(&["```", &half, "stop. And", &half]).is_empty());
    }
}
