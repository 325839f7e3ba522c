//! Text of a file in a message: bounded, on one line, without control characters.

/// The most characters of such a text.
const MAX_CHARACTERS: usize = 160;

/// Escapes control characters, and cuts a long text, which then ends in `…`.
pub(crate) fn shown(text: &str) -> String {
    let mut shown = String::new();
    for (number, character) in text.chars().enumerate() {
        if number == MAX_CHARACTERS {
            shown.push('…');
            break;
        }
        if character.is_control() {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shown_text_is_short_and_harmless() {
        assert_eq!(shown("a `b`\n\u{1b}[31mc"), "a `b`\\n\\u{1b}[31mc");
        let long = "é".repeat(100_000);
        assert_eq!(shown(&long).chars().count(), MAX_CHARACTERS + 1);
        assert!(shown(&long).ends_with("é…"));
        let exact = "é".repeat(MAX_CHARACTERS);
        assert_eq!(shown(&exact), exact);
    }
}
