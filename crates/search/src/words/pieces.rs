//! A text's words as they are written, before they are made comparable.

use std::ops::Range;

/// Bytes of the longest word: longer ones are no words but encoded data.
const LONGEST: usize = 100;

/// Bytes of the longest word that is joined from several.
const LONGEST_JOINED: usize = 40;

/// Words that a part number may have (`WD-4000-FYYZ-01-A`).
const MOST_JOINED: usize = 5;

/// Words that a compound without digits may have (`point-and-shoot`).
const MOST_JOINED_LETTERS: usize = 3;

/// A word, or several words that only a connecting character separates, as one.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Piece {
    /// Its bytes in the text.
    pub(super) range: Range<usize>,
    /// Without connecting characters and marks on letters, in the case of the text.
    pub(super) text: String,
    pub(super) kind: PieceKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PieceKind {
    /// Letters and digits.
    Word,
    /// `XJ4520` of `XJ-4520`, beside its words.
    Joined,
}

/// A character between two words that belong together.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Connector {
    /// Of a compound, as in `Wi-Fi`, `O'Neill` and `AT&T`.
    Compound,
    /// A decimal point or comma.
    Decimal,
    /// Only of part numbers, as in `XJ/4520`.
    PartNumber,
}

fn connector(character: char) -> Option<Connector> {
    match character {
        '-' | '\u{2010}' | '\u{2011}' | '\u{2012}' | '\'' | '’' | '&' | '+' => {
            Some(Connector::Compound)
        }
        '.' | ',' => Some(Connector::Decimal),
        '/' | '_' | '#' => Some(Connector::PartNumber),
        _ => None,
    }
}

/// Accents that are characters of their own and characters without width: part of a word, but not of its text.
fn is_ignored(character: char) -> bool {
    matches!(character, '\u{ad}' | '\u{300}'..='\u{36f}' | '\u{200b}'..='\u{200d}' | '\u{2060}' | '\u{feff}')
}

/// The words of a text in its order, each run of connected words followed by what they are together.
pub(super) fn pieces(text: &str) -> Vec<Piece> {
    let words = words(text);
    let mut pieces = Vec::with_capacity(words.len());
    let mut start = 0;
    for end in 1..=words.len() {
        let connected = words
            .get(end)
            .is_some_and(|next| connection(text, &words[end - 1], next).is_some());
        if !connected {
            add_run(text, &words[start..end], &mut pieces);
            start = end;
        }
    }
    pieces
}

fn words(text: &str) -> Vec<Piece> {
    let mut words = Vec::new();
    let mut word: Option<Piece> = None;
    for (at, character) in text.char_indices() {
        let end = at + character.len_utf8();
        if character.is_alphanumeric() {
            let word = word.get_or_insert_with(|| Piece {
                range: at..at,
                text: String::new(),
                kind: PieceKind::Word,
            });
            word.text.push(character);
            word.range.end = end;
        } else if let (true, Some(word)) = (is_ignored(character), &mut word) {
            word.range.end = end;
        } else {
            words.extend(word.take());
        }
    }
    words.extend(word);
    words
}

/// The character that connects two words that follow each other.
fn connection(text: &str, left: &Piece, right: &Piece) -> Option<(char, Connector)> {
    let mut between = text.get(left.range.end..right.range.start)?.chars();
    let character = between.next().filter(|_| between.next().is_none())?;
    let connector = connector(character)?;
    let digits = |piece: &Piece, at: fn(&str) -> Option<char>| {
        at(&piece.text).is_some_and(|c| c.is_ascii_digit())
    };
    let decimal =
        digits(left, |text| text.chars().next_back()) && digits(right, |text| text.chars().next());
    match connector {
        Connector::Decimal if decimal => Some((character, connector)),
        // A point without a blank behind it may also be of an abbreviation or a part number; a comma may not.
        Connector::Decimal if character == '.' => Some((character, Connector::PartNumber)),
        Connector::Decimal => None,
        _ => Some((character, connector)),
    }
}

fn add_run(text: &str, run: &[Piece], pieces: &mut Vec<Piece>) {
    // The s of `women's` is no word.
    let genitive = |place: usize| {
        place > 0
            && run[place].text.eq_ignore_ascii_case("s")
            && matches!(
                connection(text, &run[place - 1], &run[place]),
                Some(('\'' | '’', _))
            )
    };
    let kept: Vec<&Piece> = (0..run.len())
        .filter(|&place| !genitive(place))
        .map(|place| &run[place])
        .collect();
    pieces.extend(
        kept.iter()
            .filter(|piece| piece.text.len() <= LONGEST)
            .map(|&piece| piece.clone()),
    );
    if let Some(joined) = joined(text, &kept) {
        pieces.push(joined);
    }
}

/// What connected words are together, if they are likely to be meant as one.
fn joined(text: &str, run: &[&Piece]) -> Option<Piece> {
    let (first, last) = (run.first()?, run.last()?);
    let has_digit = run
        .iter()
        .any(|piece| piece.text.contains(|c: char| c.is_ascii_digit()));
    let most = if has_digit {
        MOST_JOINED
    } else {
        MOST_JOINED_LETTERS
    };
    if run.len() < 2 || run.len() > most {
        return None;
    }
    let mut whole = String::new();
    let mut compound = true;
    for (place, piece) in run.iter().enumerate() {
        if place > 0 {
            match connection(text, run[place - 1], piece) {
                Some((_, Connector::Decimal)) => whole.push('.'),
                Some((_, Connector::Compound)) => {}
                _ => compound = false,
            }
        }
        whole.push_str(&piece.text);
    }
    let letters = run.iter().all(|piece| piece.text.chars().count() == 1);
    if whole.len() > LONGEST_JOINED || !(has_digit || compound || letters) {
        return None;
    }
    Some(Piece {
        range: first.range.start..last.range.end,
        text: whole,
        kind: PieceKind::Joined,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn texts(text: &str) -> Vec<String> {
        pieces(text).into_iter().map(|piece| piece.text).collect()
    }

    #[test]
    fn words_and_what_they_are_together() {
        for (text, expected) in [
            ("", &[][..]),
            ("Wireless Mouse, black", &["Wireless", "Mouse", "black"]),
            ("XJ-4520", &["XJ", "4520", "XJ4520"]),
            ("Wi-Fi", &["Wi", "Fi", "WiFi"]),
            ("AT&T O'Neill", &["AT", "T", "ATT", "O", "Neill", "ONeill"]),
            ("women's men’s", &["women", "men"]),
            (
                "1.5 m, 2,5 m",
                &["1", "5", "1.5", "m", "2", "5", "2.5", "m"],
            ),
            ("802.11ac", &["802", "11ac", "802.11ac"]),
            ("black/white", &["black", "white"]),
            ("DMC-FZ/72_K", &["DMC", "FZ", "72", "K", "DMCFZ72K"]),
            ("red,green", &["red", "green"]),
            ("end.Next", &["end", "Next"]),
            ("U.S.B", &["U", "S", "B", "USB"]),
            ("a-b-c-d", &["a", "b", "c", "d"]),
            ("17\" (43 cm)", &["17", "43", "cm"]),
            ("cafe\u{301}s", &["cafes"]),
            ("key\u{ad}board", &["keyboard"]),
        ] {
            assert_eq!(texts(text), expected, "{text}");
        }
        assert_eq!(texts(&"x".repeat(LONGEST + 1)), [""; 0]);
    }

    proptest! {
        #[test]
        fn ranges_are_of_the_text(text in "\\PC{0,40}|[a1.,'\u{301} -]{0,20}") {
            for piece in pieces(&text) {
                let of_the_text: String = text[piece.range].chars().filter(|c| c.is_alphanumeric()).collect();
                let of_the_piece: String = piece.text.chars().filter(|c| c.is_alphanumeric()).collect();
                prop_assert_eq!(of_the_text, of_the_piece);
            }
        }
    }
}
