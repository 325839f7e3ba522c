//! The place of a value in a text.

use search::filter::is_inside_word;

/// A place of a value: start and end in Unicode scalar values.
pub(super) type Place = (usize, usize);

/// The place of a value in a text, and its other places, in the order of the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) place: Place,
    /// Nothing says whether the text means the same there. None overlaps another one or the place.
    pub(super) others: Vec<Place>,
}

/// The place of a value in a text: the first one as whole words, of which those in the same case come first. `None` if the
/// text does not have it.
///
/// `Sony` is found in `SONY TV`, and not in `Sonyx`. White space between words is alike, however much there is of it. With
/// `within_words` a value that is nowhere whole words is also found as a part of a word, in the same case.
pub(super) fn find(text: &[char], value: &str, within_words: bool) -> Option<Found> {
    let words: Vec<&str> = value.split_whitespace().collect();
    let value: Vec<char> = words.join(" ").chars().collect();
    if value.is_empty() || value.len() > text.len() {
        return None;
    }
    let alike =
        |one: &char, other: &char| one == other || one.to_lowercase().eq(other.to_lowercase());
    let mut all = places(text, &value, alike, true);
    if all.is_empty() && within_words {
        all = places(text, &value, |one, other| one == other, false);
    }
    let same_case = |one: &char, other: &char| one == other;
    let exact = |&(start, _): &Place| end_of(text, &value, start, same_case).is_some();
    let place = all.iter().find(|&place| exact(place)).or(all.first())?;
    let place = *place;
    let mut others: Vec<Place> = Vec::new();
    for other in all {
        if !overlap(other, place) && !others.iter().any(|known| overlap(other, *known)) {
            others.push(other);
        }
    }
    Some(Found { place, others })
}

fn overlap(one: Place, other: Place) -> bool {
    one.0 < other.1 && other.0 < one.1
}

/// All places of a value, which may overlap.
fn places(
    text: &[char],
    value: &[char],
    same: impl Fn(&char, &char) -> bool,
    whole_words: bool,
) -> Vec<Place> {
    let is_part = |at: usize| {
        // Whether a word goes on over the border at this position.
        at > 0 && at < text.len() && is_inside_word(text[at - 1], text[at])
    };
    let starts = 0..=text.len() - value.len();
    let places = starts.filter_map(|start| Some((start, end_of(text, value, start, &same)?)));
    places
        .filter(|&(start, end)| !(whole_words && (is_part(start) || is_part(end))))
        .collect()
}

/// Where a value ends that begins at `start`; `None` if it does not begin there. A blank of the value is any white space.
fn end_of(
    text: &[char],
    value: &[char],
    start: usize,
    same: impl Fn(&char, &char) -> bool,
) -> Option<usize> {
    let mut at = start;
    for character in value {
        if *character == ' ' {
            let rest = text.get(at..)?.iter();
            let blanks = rest
                .take_while(|character| character.is_whitespace())
                .count();
            at += (blanks > 0).then_some(blanks)?;
        } else {
            same(text.get(at)?, character).then_some(())?;
            at += 1;
        }
    }
    Some(at)
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
        let some = |place, others: &[Place]| {
            Some(Found {
                place,
                others: others.to_vec(),
            })
        };
        for (text, value, expected) in [
            ("Bär SONY TV", "Sony", some((4, 8), &[])),
            ("SONY TV of Sony", "Sony", some((11, 15), &[(0, 4)])),
            ("Sonyx", "Sony", None),
            ("red, red", " red ", some((0, 3), &[(5, 8)])),
            ("na na na na", "na na", some((0, 5), &[(6, 11)])),
            ("10oz", "10", None),
            ("B&W", "B&W", some((0, 3), &[])),
            ("a", "ab", None),
            ("a", " ", None),
            ("North\t Wind lamp", "north  wind", some((0, 11), &[])),
            ("Northwind", "North wind", None),
            // A letter and its accent are one word.
            ("Cafe\u{301} Noir", "Cafe", None),
            ("Cafe\u{301} Noir", "CAFE\u{301}", some((0, 5), &[])),
        ] {
            assert_eq!(found(text, value, false), expected, "{text} {value}");
        }
        assert_eq!(found("10oz", "10", true), some((0, 2), &[]));
        // A whole word in another case comes before a part of a word.
        let phone = "Redmi phone in red";
        assert_eq!(found(phone, "Red", true), some((15, 18), &[]));
    }
}
