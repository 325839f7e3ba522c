//! From a text to the words by which rows are found.

use std::collections::HashSet;
use std::fmt;
use std::ops::Range;

use tantivy::tokenizer::{
    AsciiFoldingFilter, LowerCaser, RawTokenizer, Stemmer, StopWordFilter, TextAnalyzer, Token,
    TokenStream, Tokenizer,
};

use super::language::Language;
use super::pieces::{Piece, PieceKind, pieces};

/// Different words of a query that are searched for: nobody asks for more, and each costs time.
const MOST_QUERY_WORDS: usize = 64;

/// Neighbouring words of a query that a text may have as one: `gtx 1080 ti` is `GTX1080Ti`.
const MOST_NEIGHBOURS: usize = 3;

/// Letters of the shortest word in which an error is forgiven.
const SHORTEST_CORRECTED: usize = 5;

/// Letters of the longest word in which an error is forgiven: longer ones are no words.
const LONGEST_CORRECTED: usize = 40;

/// A word of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// In the form in which words are compared.
    pub text: String,
    /// Its bytes in the text.
    pub range: Range<usize>,
}

/// A word that is searched for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryWord {
    /// In the form in which words are compared.
    pub text: String,
    /// If no row has this word: the forms of which a row may have a word within one edit. Empty unless the word is of
    /// letters, from five letters on.
    pub mistyped: Vec<String>,
}

/// Cuts texts into words and makes words comparable.
///
/// - Letters become lower case and lose their accents: `Café` is `cafe`.
/// - Frequent words of the language, as `the`, are left out, and the others are reduced to their stems. Without a
///   language ([`Language::None`]) neither is done.
/// - Words that a hyphen, an apostrophe, `&` or `+` connects, and the parts of a part number or a decimal number, are
///   words each and one word together: `XJ-4520` is `xj`, `4520` and `xj4520`.
/// - Words are at most 100 bytes long. Chinese, Japanese and Thai texts, which have no blanks between words, are not
///   cut into words.
#[derive(Clone)]
pub struct Analyzer {
    language: Language,
    /// Makes one word comparable; it becomes no word if it is left out.
    normalizer: TextAnalyzer,
    /// The same without stems: the end of a mistyped word may be no ending.
    unstemmed: TextAnalyzer,
}

impl fmt::Debug for Analyzer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Analyzer")
            .field("language", &self.language)
            .finish_non_exhaustive()
    }
}

impl Analyzer {
    /// For texts of a language.
    #[must_use]
    pub fn new(language: Language) -> Self {
        Self {
            language,
            normalizer: normalizer(language, true, RawTokenizer::default()),
            unstemmed: normalizer(language, false, RawTokenizer::default()),
        }
    }

    /// The words of a text of a row, in its order.
    #[must_use]
    pub fn words(&self, text: &str) -> Vec<Word> {
        let mut words = Vec::new();
        let mut tokens = self.for_rows();
        let mut tokens = tokens.token_stream(text);
        while let Some(token) = tokens.next() {
            words.push(Word {
                text: token.text.clone(),
                range: token.offset_from..token.offset_to,
            });
        }
        words
    }

    /// The different words of a query, in its order, at most 64.
    ///
    /// Besides the words that a row with this text would have, these are neighbours as one word (`16 GB` is also
    /// `16gb`), and letters and digits apart (`16GB` is also `16` and `gb`) unless they are too short to tell much.
    #[must_use]
    pub fn query_words(&self, text: &str) -> Vec<QueryWord> {
        let (mut normalizer, mut unstemmed) = (self.normalizer.clone(), self.unstemmed.clone());
        let mut seen = HashSet::new();
        let mut words = Vec::new();
        // A text of megabytes need not be read to its end.
        let pieces = pieces(shortened(text));
        let singles: Vec<&Piece> = pieces
            .iter()
            .filter(|piece| piece.kind == PieceKind::Word)
            .collect();
        let mut add = |written: &str, correctable: bool| {
            let Some(text) = normalized(&mut normalizer, written) else {
                return;
            };
            if !seen.insert(text.clone()) {
                return;
            }
            let mut mistyped = Vec::new();
            if correctable {
                mistyped.push(text.clone());
                mistyped.extend(normalized(&mut unstemmed, written).filter(|whole| *whole != text));
            }
            words.push(QueryWord { text, mistyped });
        };
        for piece in &pieces {
            add(
                &piece.text,
                piece.kind == PieceKind::Word && is_correctable(&piece.text),
            );
        }
        for piece in &pieces {
            for part in letters_and_digits(&piece.text) {
                add(part, false);
            }
        }
        for count in 2..=MOST_NEIGHBOURS {
            for neighbours in singles.windows(count) {
                let joined: String = neighbours.iter().map(|piece| piece.text.as_str()).collect();
                add(&joined, false);
            }
        }
        words.truncate(MOST_QUERY_WORDS);
        words
    }

    /// Where some words are in a text: ranges of its bytes, in order and apart.
    #[must_use]
    pub fn highlights(&self, text: &str, wanted: &HashSet<&str>) -> Vec<Range<usize>> {
        let mut ranges: Vec<Range<usize>> = self
            .words(text)
            .into_iter()
            .filter(|word| wanted.contains(word.text.as_str()))
            .map(|word| word.range)
            .collect();
        ranges.sort_unstable_by_key(|range| (range.start, range.end));
        let mut apart: Vec<Range<usize>> = Vec::with_capacity(ranges.len());
        for range in ranges {
            match apart.last_mut() {
                Some(last) if range.start < last.end => last.end = last.end.max(range.end),
                _ => apart.push(range),
            }
        }
        apart
    }

    /// Cuts the texts of rows for tantivy.
    pub(super) fn for_rows(&self) -> TextAnalyzer {
        normalizer(self.language, true, Pieces)
    }
}

/// The first 10,000 bytes of a query, in whole characters.
fn shortened(text: &str) -> &str {
    &text[..text.floor_char_boundary(10_000)]
}

fn normalized(normalizer: &mut TextAnalyzer, text: &str) -> Option<String> {
    normalizer
        .token_stream(text)
        .next()
        .map(|token| token.text.clone())
}

fn is_correctable(word: &str) -> bool {
    let letters = word.chars().count();
    (SHORTEST_CORRECTED..=LONGEST_CORRECTED).contains(&letters)
        && word.chars().all(char::is_alphabetic)
}

/// The letters and the digits of a word that has both, if it has two digits in a row and four characters: those of `5m`
/// or `mp3` would find too much.
fn letters_and_digits(word: &str) -> Vec<&str> {
    let parts: Vec<&str> = chunks(word).collect();
    let two_digits = parts
        .iter()
        .any(|part| part.len() > 1 && part.starts_with(|c: char| c.is_ascii_digit()));
    let alphanumeric = word.chars().all(char::is_alphanumeric);
    if parts.len() > 1 && two_digits && alphanumeric && word.chars().count() >= 4 {
        parts
    } else {
        Vec::new()
    }
}

fn chunks(word: &str) -> impl Iterator<Item = &str> {
    let is_digit = |c: char| c.is_ascii_digit();
    let mut rest = word;
    std::iter::from_fn(move || {
        let digits = rest.chars().next().map(is_digit)?;
        let end = rest.find(|c| is_digit(c) != digits).unwrap_or(rest.len());
        let (part, after) = rest.split_at(end);
        rest = after;
        Some(part)
    })
}

/// Accents go before the stem is made: so it is the same for those who type no accents.
fn normalizer(language: Language, stemmed: bool, tokenizer: impl Tokenizer) -> TextAnalyzer {
    let mut builder = TextAnalyzer::builder(tokenizer)
        .filter(LowerCaser)
        .dynamic();
    let language = language_of(language);
    if let Some(stop_words) = language.and_then(StopWordFilter::new) {
        builder = builder.filter_dynamic(stop_words);
    }
    builder = builder.filter_dynamic(AsciiFoldingFilter);
    if let Some(language) = language.filter(|_| stemmed) {
        builder = builder.filter_dynamic(Stemmer::new(language));
    }
    builder.build()
}

fn language_of(language: Language) -> Option<tantivy::tokenizer::Language> {
    use tantivy::tokenizer::Language as Known;
    Some(match language {
        Language::None => return None,
        Language::Arabic => Known::Arabic,
        Language::Danish => Known::Danish,
        Language::Dutch => Known::Dutch,
        Language::English => Known::English,
        Language::Finnish => Known::Finnish,
        Language::French => Known::French,
        Language::German => Known::German,
        Language::Greek => Known::Greek,
        Language::Hungarian => Known::Hungarian,
        Language::Italian => Known::Italian,
        Language::Norwegian => Known::Norwegian,
        Language::Portuguese => Known::Portuguese,
        Language::Romanian => Known::Romanian,
        Language::Russian => Known::Russian,
        Language::Spanish => Known::Spanish,
        Language::Swedish => Known::Swedish,
        Language::Tamil => Known::Tamil,
        Language::Turkish => Known::Turkish,
    })
}

/// [`pieces`] as a tokenizer of tantivy.
#[derive(Clone)]
struct Pieces;

impl Tokenizer for Pieces {
    type TokenStream<'a> = PieceStream;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> PieceStream {
        PieceStream {
            pieces: pieces(text).into_iter(),
            token: Token::default(),
        }
    }
}

struct PieceStream {
    pieces: std::vec::IntoIter<Piece>,
    token: Token,
}

impl TokenStream for PieceStream {
    fn advance(&mut self) -> bool {
        let Some(piece) = self.pieces.next() else {
            return false;
        };
        self.token.position = self.token.position.wrapping_add(1);
        self.token.offset_from = piece.range.start;
        self.token.offset_to = piece.range.end;
        self.token.text = piece.text;
        true
    }

    fn token(&self) -> &Token {
        &self.token
    }

    fn token_mut(&mut self) -> &mut Token {
        &mut self.token
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn words(language: Language, text: &str) -> Vec<String> {
        Analyzer::new(language)
            .words(text)
            .into_iter()
            .map(|word| word.text)
            .collect()
    }

    fn query_words(text: &str) -> Vec<String> {
        Analyzer::new(Language::English)
            .query_words(text)
            .into_iter()
            .map(|word| word.text)
            .collect()
    }

    #[test]
    fn words_become_comparable() {
        let text = "The CAFÉ's wireless Keyboards, Straße";
        assert_eq!(
            words(Language::English, text),
            ["cafe", "wireless", "keyboard", "strass"]
        );
        assert_eq!(
            words(Language::None, text),
            ["the", "cafe", "wireless", "keyboards", "strasse"]
        );
        assert_eq!(words(Language::German, "für die Kopfhörer"), ["kopfhor"]);
        for language in Language::ALL {
            assert!(
                words(language, "Logitech XJ-4520").contains(&"xj4520".to_owned()),
                "{language:?}"
            );
        }
    }

    #[test]
    fn a_query_asks_for_every_way_to_write_a_part_number() {
        assert_eq!(query_words("XJ-4520"), ["xj", "4520", "xj4520"]);
        assert_eq!(query_words("xj 4520"), ["xj", "4520", "xj4520"]);
        assert_eq!(query_words("xj4520"), ["xj4520", "xj", "4520"]);
        assert_eq!(
            query_words("gtx 1080 ti"),
            ["gtx", "1080", "ti", "gtx1080", "1080ti", "gtx1080ti"]
        );
        assert_eq!(
            query_words("4k 5m mp3"),
            ["4k", "5m", "mp3", "4k5m", "5mmp3", "4k5mmp3"]
        );
        assert_eq!(query_words("the the"), ["theth"]);
        let correctable: Vec<bool> = Analyzer::new(Language::English)
            .query_words("mouse mice 12345 xj4520 wi-fidelity")
            .into_iter()
            .take(6)
            .map(|word| !word.mistyped.is_empty())
            .collect();
        assert_eq!(correctable, [true, false, false, false, false, true]);
        let wireles = &Analyzer::new(Language::English).query_words("Wireles")[0];
        assert_eq!(wireles.mistyped, ["wirel", "wireles"]);
    }

    proptest! {
        #[test]
        fn any_text_has_words(text in "\\PC{0,60}", language in prop::sample::select(Language::ALL.to_vec())) {
            let analyzer = Analyzer::new(language);
            for word in analyzer.words(&text) {
                prop_assert!(text.get(word.range).is_some_and(|written| !written.is_empty()));
            }
            prop_assert!(analyzer.query_words(&text.repeat(20)).len() <= MOST_QUERY_WORDS);
        }
    }
}
