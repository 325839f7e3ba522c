//! Texts in tables.

/// The most characters of a text in a table.
const SHOWN_CHARACTERS: usize = 100;

/// A text as one line: white space becomes a space, and a long text ends in `…`.
pub(crate) fn one_line(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let line = words.join(" ");
    match line.char_indices().nth(SHOWN_CHARACTERS) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shown_text_is_one_short_line() {
        assert_eq!(one_line("a\tb\r\n  c"), "a b c");
        let long = "é".repeat(SHOWN_CHARACTERS + 1);
        assert_eq!(one_line(&long).chars().count(), SHOWN_CHARACTERS + 1);
        assert!(one_line(&long).ends_with('…'));
    }
}
