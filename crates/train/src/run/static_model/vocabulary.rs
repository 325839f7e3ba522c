//! The vocabulary of a static model: tokens of its teacher, and frequent words of the texts.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use serde_json::{Map, Value, json};
use tokenizers::normalizers::NormalizerWrapper;
use tokenizers::{NormalizedString, Normalizer};

use crate::error::TrainError;

/// A word gets a row of its own from this many occurrences.
const LEAST_OCCURRENCES: usize = 8;

/// A word gets a row of its own from this many letters.
const LEAST_LETTERS: usize = 3;

/// The first tokens, in this order: padding, and what is unknown.
const SPECIAL: [&str; 2] = ["[PAD]", "[UNK]"];

/// The only kind of tokenizer whose words can be told from pieces of words.
const KIND: &str = "WordPiece";

/// The tokens of a static model.
pub(super) struct Vocabulary {
    /// The content of `tokenizer.json`.
    pub(super) tokenizer: Vec<u8>,
    /// The text of every token, by id; without the mark of a piece inside a word.
    pub(super) texts: Vec<String>,
}

impl Vocabulary {
    /// The tokens of Latin script of the teacher's `tokenizer.json` at `path`, and the most frequent words of the texts
    /// that it cuts into pieces, as far as `rows` reach.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or holds no WordPiece tokenizer.
    pub(super) fn new<'a>(
        path: &Path,
        texts: impl Iterator<Item = &'a str>,
        rows: usize,
    ) -> Result<Self, TrainError> {
        let bytes = std::fs::read(path).map_err(TrainError::io(path))?;
        let invalid = TrainError::config(path);
        let mut state: Map<String, Value> = serde_json::from_slice(&bytes).map_err(&invalid)?;
        let model = state.get("model").unwrap_or(&Value::Null);
        let kind = &model["type"];
        let (true, Some(vocabulary)) = (kind == KIND, model["vocab"].as_object()) else {
            return Err(TrainError::Usage(format!(
                "{}: --student static needs a teacher with a {KIND} tokenizer, and this one is {kind}; choose a \
                 teacher such as all-MiniLM-L6-v2 or all-mpnet-base-v2",
                path.display()
            )));
        };
        let prefix = model["continuing_subword_prefix"].as_str();
        let prefix = prefix.unwrap_or("##").to_owned();
        let mut tokens: Vec<String> = SPECIAL.map(str::to_owned).to_vec();
        tokens.extend(kept(vocabulary, &special(&state)));
        let normalizer: Option<NormalizerWrapper> =
            serde_json::from_value(state.get("normalizer").cloned().unwrap_or_default())
                .map_err(&invalid)?;
        let normal = |text: &str| {
            let mut text = NormalizedString::from(text);
            // What cannot be normalized has no words.
            match normalizer.as_ref().map(|rules| rules.normalize(&mut text)) {
                Some(Err(_)) => String::new(),
                _ => text.get().to_owned(),
            }
        };
        let words = frequent_words(texts.map(normal), vocabulary);
        tokens.extend(words.into_iter().take(rows.saturating_sub(tokens.len())));

        let ids: Map<String, Value> = (0u32..)
            .zip(&tokens)
            .map(|(id, token)| (token.clone(), id.into()))
            .collect();
        let added = (0u32..).zip(SPECIAL).map(|(id, content)| {
            json!({ "id": id, "content": content, "single_word": false, "lstrip": false, "rstrip": false,
                "normalized": false, "special": true })
        });
        let added: Vec<Value> = added.collect();
        if let Some(Value::Object(model)) = state.get_mut("model") {
            model.insert("vocab".to_owned(), ids.into());
            model.insert("unk_token".to_owned(), SPECIAL[1].into());
        }
        state.insert("added_tokens".to_owned(), added.into());
        for left_out in ["truncation", "padding", "post_processor"] {
            state.insert(left_out.to_owned(), Value::Null);
        }
        let tokenizer = serde_json::to_vec(&state).map_err(invalid)?;
        let texts = tokens
            .into_iter()
            .map(|token| match token.strip_prefix(&prefix) {
                Some(piece) if !piece.is_empty() => piece.to_owned(),
                _ => token,
            });
        Ok(Self {
            tokenizer,
            texts: texts.collect(),
        })
    }
}

/// Tokens that stand for no text, such as `[CLS]` and `<s>`.
fn special(state: &Map<String, Value>) -> HashSet<&str> {
    let added = state.get("added_tokens").and_then(Value::as_array);
    let added = added.into_iter().flatten();
    added
        .filter_map(|token| token["content"].as_str())
        .collect()
}

/// The tokens of a text in Latin script, by id. `[unused0]` and the like are none.
fn kept(vocabulary: &Map<String, Value>, special: &HashSet<&str>) -> Vec<String> {
    let bracketed = |token: &str| token.len() > 2 && token.starts_with('[') && token.ends_with(']');
    let mut tokens: Vec<(&String, u64)> = vocabulary
        .iter()
        .filter(|(token, _)| !special.contains(token.as_str()) && !bracketed(token))
        .filter(|(token, _)| {
            token
                .chars()
                .all(|letter| !letter.is_alphabetic() || is_latin(letter))
        })
        .filter_map(|(token, id)| Some((token, id.as_u64()?)))
        .collect();
    tokens.sort_by_key(|&(_, id)| id);
    tokens.into_iter().map(|(token, _)| token.clone()).collect()
}

/// Whether a letter is in one of Unicode's blocks of Latin letters.
fn is_latin(letter: char) -> bool {
    matches!(letter,
        '\0'..='\u{2af}' | '\u{1d00}'..='\u{1d25}' | '\u{1e00}'..='\u{1eff}' | '\u{2c60}'..='\u{2c7f}'
        | '\u{a722}'..='\u{a7ff}' | '\u{fb00}'..='\u{fb06}' | '\u{ff21}'..='\u{ff5a}')
}

/// The words of Latin letters of normalized texts that are no token, the most frequent first.
fn frequent_words(
    texts: impl Iterator<Item = String>,
    vocabulary: &Map<String, Value>,
) -> Vec<String> {
    let mut counts: HashMap<String, usize> = HashMap::new();
    for text in texts {
        let words = text.split(|letter: char| !letter.is_alphabetic());
        let is_word =
            |word: &&str| word.chars().count() >= LEAST_LETTERS && word.chars().all(is_latin);
        for word in words.filter(is_word) {
            match counts.get_mut(word) {
                Some(count) => *count += 1,
                None => {
                    counts.insert(word.to_owned(), 1);
                }
            }
        }
    }
    counts.retain(|word, count| *count >= LEAST_OCCURRENCES && !vocabulary.contains_key(word));
    let mut words: Vec<(String, usize)> = counts.into_iter().collect();
    // The same order on every machine.
    words.sort_by(|one, other| other.1.cmp(&one.1).then_with(|| one.0.cmp(&other.0)));
    words.into_iter().map(|(word, _)| word).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::tiny_model;

    #[test]
    fn tokens_and_frequent_words_have_rows() {
        let path = tiny_model().join("tokenizer.json");
        let texts = ["a zzyzx bottle", "the ZZYZX and a qwert"];
        let texts: Vec<&str> = texts.into_iter().cycle().take(16).collect();
        let whole = Vocabulary::new(&path, texts.iter().copied(), usize::MAX).unwrap();
        assert_eq!(whole.texts[..2], SPECIAL);
        let words = whole.texts.iter().rev().take(2).collect::<Vec<_>>();
        // Sixteen times and eight times.
        assert_eq!(words, ["qwert", "zzyzx"]);
        assert!(!whole.texts.iter().any(|token| token == "<s>"));
        assert!(!whole.texts.iter().any(|token| token.starts_with("##")));
        let fewer = Vocabulary::new(&path, texts.iter().copied(), whole.texts.len() - 1).unwrap();
        assert_eq!(fewer.texts.last().unwrap(), "zzyzx");
        let state: Value = serde_json::from_slice(&whole.tokenizer).unwrap();
        let vocabulary = state["model"]["vocab"].as_object().unwrap();
        assert_eq!(vocabulary.len(), whole.texts.len());
        assert_eq!(vocabulary["zzyzx"], whole.texts.len() - 2);
    }

    #[test]
    fn words_are_those_that_the_teacher_reads() {
        let path = tiny_model().join("tokenizer.json");
        let texts = ["KÜHLSCHRANK, 90 cm"; 8];
        let vocabulary = Vocabulary::new(&path, texts.into_iter(), usize::MAX).unwrap();
        // Without case and accents, as its normalizer makes them.
        assert_eq!(vocabulary.texts.last().unwrap(), "kuhlschrank");
    }

    #[test]
    fn letters_of_other_scripts_are_told() {
        assert!(
            "café straße"
                .chars()
                .all(|letter| !letter.is_alphabetic() || is_latin(letter))
        );
        assert!(!"яあ中α".chars().any(is_latin));
    }
}
