//! The place of a value in a text.

/// A place of a value: start and end in Unicode scalar values.
pub(super) type Place = (usize, usize);

/// The first place of a value in a text, and whether there is another one; `None` if the text does not have it.
///
/// It must not be a part of a word, and the case of its letters counts only where several places differ in it: `Sony` is
/// found in `SONY TV`, and not in `Sonyx`. With `within_words` a value that is only a part of a word is found, too.
pub(super) fn find(text: &[char], value: &str, within_words: bool) -> Option<(Place, bool)> {
    let value: Vec<char> = value.trim().chars().collect();
    if value.is_empty() || value.len() > text.len() {
        return None;
    }
    let equal = |one: &char, other: &char| one == other;
    let alike =
        |one: &char, other: &char| one == other || one.to_lowercase().eq(other.to_lowercase());
    let exact = places(text, &value, equal, true);
    let exact = exact.or_else(|| places(text, &value, equal, false).filter(|_| within_words));
    exact.or_else(|| places(text, &value, alike, true))
}

fn places(
    text: &[char],
    value: &[char],
    same: impl Fn(&char, &char) -> bool,
    whole_words: bool,
) -> Option<(Place, bool)> {
    let length = value.len();
    let is_part = |at: usize| {
        // Whether a word goes on over the border at this position.
        at > 0 && at < text.len() && text[at - 1].is_alphanumeric() && text[at].is_alphanumeric()
    };
    let mut found = (0..=text.len() - length).filter(|&start| {
        let matches = text[start..start + length]
            .iter()
            .zip(value)
            .all(|(one, other)| same(one, other));
        matches && !(whole_words && (is_part(start) || is_part(start + length)))
    });
    let start = found.next()?;
    Some(((start, start + length), found.next().is_some()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_whole_words_in_any_case() {
        let found = |text: &str, value: &str, within| {
            let text: Vec<char> = text.chars().collect();
            find(&text, value, within)
        };
        for (text, value, expected) in [
            ("Bär SONY TV", "Sony", Some(((4, 8), false))),
            ("SONY TV of Sony", "Sony", Some(((11, 15), false))),
            ("Sonyx", "Sony", None),
            ("red, red", " red ", Some(((0, 3), true))),
            ("10oz", "10", None),
            ("B&W", "B&W", Some(((0, 3), false))),
            ("a", "ab", None),
            ("a", " ", None),
        ] {
            assert_eq!(found(text, value, false), expected, "{text} {value}");
        }
        assert_eq!(found("10oz", "10", true), Some(((0, 2), false)));
    }
}
