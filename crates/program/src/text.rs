//! Texts of files in messages and tables: bounded, and without control characters, so that a file
//! cannot command the terminal or fill it.

use std::borrow::Cow;
use std::fmt::Write;

/// The most characters that a message quotes of a file.
pub const QUOTED_CHARACTERS: usize = 160;

/// The most characters of a line of a message.
const MESSAGE_CHARACTERS: usize = 1000;

/// A text with its control characters escaped, as `\n` or `\u{1b}`.
#[must_use]
pub fn escaped(text: &str) -> Cow<'_, str> {
    if !text.contains(is_control) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if is_control(c) {
            // Writing to a string cannot fail.
            let _ = write!(safe, "{}", c.escape_default());
        } else {
            safe.push(c);
        }
    }
    Cow::Owned(safe)
}

/// Whether a terminal may take the character for a command, or for a change of direction that hides
/// the order of the others.
#[must_use]
pub fn is_control(c: char) -> bool {
    c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A piece of a file in a message: escaped, and cut after [`QUOTED_CHARACTERS`].
#[must_use]
pub fn quoted(text: &str) -> String {
    cut(text, QUOTED_CHARACTERS)
}

/// A message whose lines are escaped and bounded; its line breaks stay.
#[must_use]
pub fn message(text: &str) -> String {
    let lines: Vec<String> = text
        .split('\n')
        .map(|line| cut(line.trim_end_matches('\r'), MESSAGE_CHARACTERS))
        .collect();
    lines.join("\n")
}

fn cut(text: &str, characters: usize) -> String {
    match text.char_indices().nth(characters) {
        Some((end, _)) => escaped(&text[..end]).into_owned() + "…",
        None => escaped(text).into_owned(),
    }
}

/// A text as one line of a table: white space becomes one space, control characters are escaped,
/// and a line that is wider than `width` columns ends in `…`.
#[must_use]
pub fn one_line(text: &str, width: Option<usize>) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let line = words.join(" ");
    let line = escaped(&line);
    match width {
        Some(width) => console::truncate_str(&line, width, "…").into_owned(),
        None => line.into_owned(),
    }
}

/// The columns that a text takes on a terminal: wide characters take two.
#[must_use]
pub fn columns(text: &str) -> usize {
    console::measure_text_width(text)
}

/// A number and its noun: `1 text`, `2 texts`.
#[must_use]
pub fn count(number: usize, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_escaped() {
        assert_eq!(escaped("Größe 中"), "Größe 中");
        assert_eq!(
            escaped("a\u{1b}[31m\u{9b}\u{7f}\u{202e}\n"),
            "a\\u{1b}[31m\\u{9b}\\u{7f}\\u{202e}\\n"
        );
    }

    #[test]
    fn a_quotation_is_cut_after_160_characters() {
        assert_eq!(quoted(&"é".repeat(160)), "é".repeat(160));
        assert_eq!(quoted(&"é".repeat(161)), "é".repeat(160) + "…");
    }

    #[test]
    fn a_message_keeps_its_lines_and_bounds_each() {
        let long = "x".repeat(100_000);
        let message = message(&format!("a\r\nb\u{7}\n{long}"));
        let lines: Vec<&str> = message.lines().collect();
        assert_eq!(&lines[..2], ["a", "b\\u{7}"]);
        assert_eq!(lines[2].chars().count(), MESSAGE_CHARACTERS + 1);
    }

    #[test]
    fn a_line_of_a_table_fits_the_terminal() {
        assert_eq!(one_line("a\tb\r\n  c", None), "a b c");
        assert_eq!(one_line("a\u{1b}[2Jb", None), "a\\u{1b}[2Jb");
        assert_eq!(one_line(&"b".repeat(500), None).len(), 500);
        assert_eq!(one_line("abcdef", Some(6)), "abcdef");
        assert_eq!(one_line("abcdefg", Some(6)), "abcde…");
        // Each of these takes two columns.
        let wide = one_line(&"茶".repeat(10), Some(8));
        assert_eq!(wide, "茶茶茶…");
        assert!(columns(&wide) <= 8);
    }

    #[test]
    fn one_is_singular() {
        assert_eq!(count(1, "text"), "1 text");
        assert_eq!(count(0, "row"), "0 rows");
    }
}
