//! The token ids of ASCII words without the general tokenizer, which is ten times slower.
//!
//! A BERT tokenizer changes a text character by character and joins nothing across white space, so what stands between
//! white space can be tokenized alone. For printable ASCII that takes no Unicode table: lower case, a token for each
//! punctuation mark, and the longest known pieces of each word. Everything else goes to the general tokenizer, and so
//! does a word with a character at which an added token such as `[UNK]` begins. The ids are the same.

use std::collections::HashMap;

use ahash::RandomState;
use tokenizers::normalizers::BertNormalizer;
use tokenizers::{
    Model, ModelWrapper, NormalizedString, Normalizer, NormalizerWrapper, PreTokenizerWrapper,
    Tokenizer,
};

use crate::boxed_error::BoxedError;

/// The vocabulary of a WordPiece tokenizer as bytes.
#[derive(Clone, Debug)]
pub(crate) struct WordPieces {
    /// Pieces at the start of a word.
    first: HashMap<Box<[u8]>, u32, RandomState>,
    /// Pieces inside a word, without the prefix `##`.
    later: HashMap<Box<[u8]>, u32, RandomState>,
    /// Bytes of the longest piece.
    longest_piece: usize,
    /// A word of more characters is unknown.
    longest_word: usize,
    unknown: u32,
    lowercase: bool,
    /// Whether an added token may begin with this byte.
    begins_added: [bool; 256],
}

impl WordPieces {
    /// `None` for a tokenizer that is not BERT's, and for one whose added tokens hold white space.
    pub(crate) fn of(tokenizer: &Tokenizer) -> Option<Self> {
        let Some(NormalizerWrapper::BertNormalizer(normalizer)) = tokenizer.get_normalizer() else {
            return None;
        };
        let Some(PreTokenizerWrapper::BertPreTokenizer(_)) = tokenizer.get_pre_tokenizer() else {
            return None;
        };
        let ModelWrapper::WordPiece(model) = tokenizer.get_model() else {
            return None;
        };
        let vocabulary = model.get_vocab();
        let prefix = model.continuing_subword_prefix.as_bytes();
        let mut later = HashMap::default();
        let mut first: HashMap<Box<[u8]>, u32, _> = HashMap::default();
        for (token, &id) in &vocabulary {
            let token = token.as_bytes();
            if let Some(piece) = token.strip_prefix(prefix) {
                later.insert(piece.into(), id);
            }
            first.insert(token.into(), id);
        }
        let lengths = first.keys().map(|piece| piece.len());
        Some(Self {
            longest_piece: lengths.max().unwrap_or(0),
            longest_word: model.max_input_chars_per_word,
            unknown: *vocabulary.get(&model.unk_token)?,
            lowercase: normalizer.lowercase,
            begins_added: begins_added(tokenizer, *normalizer)?,
            first,
            later,
        })
    }

    /// The ids of a text, without special tokens and whole. `general` tokenizes what is not an ASCII word.
    ///
    /// # Errors
    ///
    /// Those of `general`.
    pub(crate) fn ids(
        &self,
        text: &str,
        mut general: impl FnMut(&str, &mut Vec<u32>) -> Result<(), BoxedError>,
    ) -> Result<Vec<u32>, BoxedError> {
        // A token of English has four to five bytes.
        let mut ids = Vec::with_capacity(text.len() / 4 + 1);
        let mut word = Vec::with_capacity(self.longest_word.min(text.len()));
        // Other white space stays inside a part, and so does an ASCII control character.
        for part in text.split([' ', '\t', '\n', '\r']) {
            let is_plain =
                |&byte: &u8| (b'!'..=b'~').contains(&byte) && !self.begins_added[usize::from(byte)];
            if !part.as_bytes().iter().all(is_plain) {
                general(part, &mut ids)?;
                continue;
            }
            for &byte in part.as_bytes() {
                if byte.is_ascii_punctuation() {
                    self.append_word(&word, &mut ids);
                    self.append_word(&[byte], &mut ids);
                    word.clear();
                } else if self.lowercase {
                    word.push(byte.to_ascii_lowercase());
                } else {
                    word.push(byte);
                }
            }
            self.append_word(&word, &mut ids);
            word.clear();
        }
        Ok(ids)
    }

    /// The longest known pieces from left to right; a word with an unknown rest is unknown as a whole.
    fn append_word(&self, word: &[u8], ids: &mut Vec<u32>) {
        if word.len() > self.longest_word {
            ids.push(self.unknown);
            return;
        }
        let start_of_word = ids.len();
        let mut rest = word;
        let mut pieces = &self.first;
        while !rest.is_empty() {
            let longest = self.longest_piece.min(rest.len());
            let known = (1..=longest)
                .rev()
                .find_map(|length| Some((*pieces.get(&rest[..length])?, length)));
            let Some((id, length)) = known else {
                ids.truncate(start_of_word);
                ids.push(self.unknown);
                return;
            };
            ids.push(id);
            rest = &rest[length..];
            pieces = &self.later;
        }
    }
}

/// The bytes at which an added token may begin in a text; `None` if one holds white space, which may lie between
/// words.
fn begins_added(tokenizer: &Tokenizer, normalizer: BertNormalizer) -> Option<[bool; 256]> {
    let mut begins = [false; 256];
    for token in tokenizer.get_added_tokens_decoder().values() {
        // A token that is looked for in the normalised text.
        let mut normalized = NormalizedString::from(token.content.as_str());
        normalizer.normalize(&mut normalized).ok()?;
        for content in [token.content.as_str(), normalized.get()] {
            if content.contains(char::is_whitespace) {
                return None;
            }
            let Some(&byte) = content.as_bytes().first() else {
                continue;
            };
            for byte in [byte, byte.to_ascii_lowercase(), byte.to_ascii_uppercase()] {
                begins[usize::from(byte)] = true;
            }
        }
    }
    Some(begins)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use proptest::prelude::*;

    use super::*;

    fn tokenizer() -> Tokenizer {
        let path =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tiny-mpnet/tokenizer.json");
        Tokenizer::from_file(path).unwrap()
    }

    /// The ids by both ways, and how many parts the general tokenizer got.
    fn both_ways(tokenizer: &Tokenizer, text: &str) -> (Vec<u32>, Vec<u32>, usize) {
        let mut asked = 0;
        let pieces = WordPieces::of(tokenizer).unwrap();
        let fast = pieces.ids(text, |part, ids| {
            asked += 1;
            ids.extend(tokenizer.encode_fast(part, false)?.get_ids());
            Ok(())
        });
        let general = tokenizer.encode_fast(text, false).unwrap();
        (fast.unwrap(), general.get_ids().to_vec(), asked)
    }

    #[test]
    fn only_parts_that_are_not_ascii_words_take_the_general_way() {
        let tokenizer = tokenizer();
        for (text, asked) in [
            ("", 0),
            ("  Slim 75%\tBluetooth-keyboard, 12.5\" (black)\r\n", 0),
            ("Café crème brûlée for two", 3),
            ("a <mask> b <s> [UNK] c", 3),
            ("東京 tower \u{a0} x\u{7}y", 3),
            ("qqqqqqqqqqqqqqqqqqqq", 0),
        ] {
            let (fast, general, parts) = both_ways(&tokenizer, text);
            assert_eq!(fast, general, "{text:?}");
            assert_eq!(parts, asked, "{text:?}");
        }
    }

    #[test]
    fn a_word_of_more_than_100_characters_is_unknown() {
        let tokenizer = tokenizer();
        for length in [99, 100, 101, 300] {
            let (fast, general, _) = both_ways(&tokenizer, &"a".repeat(length));
            assert_eq!(fast, general, "{length}");
        }
    }

    #[test]
    fn a_cased_tokenizer_keeps_its_capitals() {
        let mut tokenizer = tokenizer();
        let cased = BertNormalizer::new(true, true, Some(false), false);
        tokenizer.with_normalizer(Some(cased)).unwrap();
        let (fast, general, _) = both_ways(&tokenizer, "Slim SLIM slim Café CAFÉ");
        assert_eq!(fast, general);
    }

    #[test]
    fn another_tokenizer_has_no_fast_way() {
        let mut tokenizer = tokenizer();
        tokenizer
            .with_normalizer(None::<NormalizerWrapper>)
            .unwrap();
        assert!(WordPieces::of(&tokenizer).is_none());
    }

    proptest! {
        /// Any text: letters that change with accents and case, marks alone, joiners, controls, other scripts, added tokens.
        #[test]
        fn ids_are_those_of_the_general_tokenizer(text in r"([ -~]|[ \t\r\n]|\PC|[\u{300}-\u{304}éÉßŒﬁİ\u{a0}\u{200b}\u{7f}\u{b}東]|<s>|<mask>|\[UNK\]){0,40}") {
            let (fast, general, _) = both_ways(&tokenizer(), &text);
            prop_assert_eq!(fast, general);
        }
    }
}
