//! The values of columns that a text names: a gazetteer, which needs no model.

use std::cmp::Reverse;
use std::ops::Range;

use super::column::{Column, Values};

/// The most places where a value may end behind the place where it begins. A word has one, and one more for each
/// character between words. Longer values are not looked for, so that the time grows with the text alone.
const MOST_ENDS: usize = 16;

/// The most bytes of a text that are looked at: nobody asks for more.
const MOST_BYTES: usize = 1024;

/// A value in a text.
struct Place {
    bytes: Range<usize>,
    column: usize,
    value: String,
}

/// The values of columns that a text names, each with the position of its column, in the order of the text. Each column
/// is that of several segments; columns that hold no texts have no values here.
///
/// A value is named where it stands in the text whole, without regard to case and to the number of blanks between words,
/// and where no word goes on before or behind it: `HP` is in `hp laptop`, and not in `mph`. The longest values take their
/// part of the text first, and a value that overlaps a longer one is not named: of `Apple` and `Apple Red`, `apple red
/// case` names the second alone. The same words can be values of several columns.
#[must_use]
pub fn named_values(text: &str, columns: &[Vec<&Column>]) -> Vec<(usize, String)> {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let (starts, ends) = word_edges(&text);
    let mut found = Vec::new();
    for start in starts {
        let first = ends.partition_point(|end| *end <= start);
        for end in ends[first..].iter().take(MOST_ENDS) {
            let part = &text[start..*end];
            for (column, segments) in columns.iter().enumerate() {
                let value = segments.iter().find_map(|segment| segment.spelling(part));
                found.extend(value.map(|value| Place {
                    bytes: start..*end,
                    column,
                    value: value.to_owned(),
                }));
            }
        }
    }
    // Stable, and the places are in the order of the text.
    found.sort_by_key(|place| Reverse(place.bytes.len()));
    let mut named: Vec<Place> = Vec::new();
    for place in found {
        let free = |other: &Place| {
            let apart =
                other.bytes.end <= place.bytes.start || place.bytes.end <= other.bytes.start;
            apart || other.bytes == place.bytes
        };
        if named.iter().all(free) {
            named.push(place);
        }
    }
    named.sort_by_key(|place| (place.bytes.start, place.column));
    let mut values: Vec<(usize, String)> = Vec::new();
    for place in named {
        let value = (place.column, place.value);
        if !values.contains(&value) {
            values.push(value);
        }
    }
    values
}

/// The bytes where a value may begin, and those where it may end: not inside of a word or a number, and not at a blank.
fn word_edges(text: &str) -> (Vec<usize>, Vec<usize>) {
    let (mut starts, mut ends) = (Vec::new(), Vec::new());
    let mut before = ' ';
    for (place, character) in text
        .char_indices()
        .take_while(|(place, _)| *place < MOST_BYTES)
    {
        if !is_inside_word(before, character) {
            if !character.is_whitespace() {
                starts.push(place);
            }
            if !before.is_whitespace() {
                ends.push(place);
            }
        }
        before = character;
    }
    if text.len() <= MOST_BYTES && !before.is_whitespace() {
        ends.push(text.len());
    }
    (starts, ends)
}

/// Whether two characters, one after the other, are of one word. An accent that is a character of its own (U+0300 to U+036F, the
/// Combining Diacritical Marks of Unicode) belongs to the letter before it.
#[must_use]
pub fn is_inside_word(before: char, after: char) -> bool {
    let of_word = |character: char| {
        character.is_alphanumeric() || ('\u{300}'..='\u{36f}').contains(&character)
    };
    of_word(before) && of_word(after)
}

impl Column {
    /// A value that equals a text but for case and white space around it, as the column spells it.
    fn spelling(&self, text: &str) -> Option<&str> {
        match &self.values {
            Values::Texts { dictionary, .. } => {
                let equal = dictionary.equal(text);
                (!equal.is_empty()).then(|| dictionary.text(equal.start))?
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::{ColumnBuilder, ColumnKind, Value};

    fn column(kind: ColumnKind, values: &[&str]) -> Column {
        let mut builder = ColumnBuilder::new(kind);
        for value in values {
            builder
                .push(Some(Value::Text((*value).to_owned())))
                .unwrap();
        }
        builder.finish()
    }

    #[test]
    fn whole_words_longest_first_in_any_case() {
        let brands = column(
            ColumnKind::Text,
            &[
                "HP",
                "Apple",
                "StarTech.com",
                "Kingston Technology",
                "C++",
                "Straße",
            ],
        );
        let more = column(ColumnKind::Text, &["OKI"]);
        let colours = column(ColumnKind::Text, &["Apple Red", "red", "Orange", "apple"]);
        let columns = [vec![&brands, &more], vec![&colours]];
        let named = |text: &str| {
            let values = named_values(text, &columns);
            let of = |(column, value): (usize, String)| format!("{column} {value}");
            values.into_iter().map(of).collect::<Vec<_>>().join(", ")
        };
        assert_eq!(named("hp laptop"), "0 HP");
        assert_eq!(named("mph, hp2, éhp, hpé, hp\u{301}"), "");
        assert_eq!(named("(hp) or Hp-toner or hp"), "0 HP");
        assert_eq!(named("a startech.com hub"), "0 StarTech.com");
        assert_eq!(
            named(" KINGSTON \t technology ssd by oki"),
            "0 Kingston Technology, 0 OKI"
        );
        assert_eq!(named("c++ book"), "0 C++");
        assert_eq!(named("strasse"), "0 Straße");
        // The longer value takes the words; alone, a word counts for every column that has it.
        assert_eq!(named("apple red case"), "1 Apple Red");
        assert_eq!(named("red apple"), "1 red, 0 Apple, 1 apple");
        assert_eq!(named(""), "");
        assert_eq!(named(&"x ".repeat(10_000)), "");
        assert_eq!(named(&format!("{} hp", "x ".repeat(600))), "");
    }

    #[test]
    fn only_texts_are_named() {
        let mut numbers = ColumnBuilder::new(ColumnKind::Number);
        numbers.push(Some(Value::Number(5.0))).unwrap();
        let (numbers, keys) = (numbers.finish(), column(ColumnKind::Key, &["XJ-4520"]));
        assert_eq!(
            named_values("5 xj-4520", &[vec![&numbers], vec![&keys]]),
            [(1, "XJ-4520".to_owned())]
        );
    }
}
