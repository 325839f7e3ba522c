//! Token ids with the place of each token in its text.

use guard::guarded;
use rayon::prelude::*;

use super::{SentenceTokenizer, tokenized};
use crate::boxed_error::BoxedError;
use crate::error::Result;

/// The tokens of one text and their places, special tokens included.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PlacedTokens {
    /// Ids, at most the maximum length.
    pub ids: Vec<u32>,
    /// For each token where it begins and ends in the text, half-open, in Unicode scalar values and without the white space
    /// around it; `None` for a special token, and for one of white space alone.
    pub places: Vec<Option<(usize, usize)>>,
    /// Whether the text was truncated to the maximum length.
    pub truncated: bool,
}

impl SentenceTokenizer {
    /// Tokenizes texts in parallel, with the places of the tokens; the results have the order of the texts.
    ///
    /// # Errors
    ///
    /// As [`encode`](Self::encode).
    pub fn encode_with_places<S: AsRef<str> + Sync>(
        &self,
        texts: &[S],
    ) -> Result<Vec<PlacedTokens>> {
        tokenized(|| {
            texts
                .par_iter()
                .map(|text| self.place_one(text.as_ref()))
                .collect()
        })
    }

    fn place_one(&self, text: &str) -> std::result::Result<PlacedTokens, BoxedError> {
        let encoding = guarded(|| self.tokenizer.encode_char_offsets(text, true))?;
        let characters: Vec<char> = text.chars().collect();
        let special = encoding.get_special_tokens_mask().iter();
        let places = encoding.get_offsets().iter().zip(special);
        let places = places.map(|(&place, &special)| match special {
            0 => without_white_space(&characters, place),
            _ => None,
        });
        Ok(PlacedTokens {
            ids: encoding.get_ids().to_vec(),
            places: places.collect(),
            truncated: !encoding.get_overflowing().is_empty(),
        })
    }
}

/// A place without the white space at both ends: the tokens of some tokenizers begin with the space before a word.
fn without_white_space(
    characters: &[char],
    (start, end): (usize, usize),
) -> Option<(usize, usize)> {
    let within = characters.get(start..end)?;
    let is_text = |character: &char| !character.is_whitespace();
    let first = within.iter().position(is_text)?;
    let last = within.iter().rposition(is_text)?;
    Some((start + first, start + last + 1))
}

#[cfg(test)]
mod tests {
    use crate::checkpoint::Checkpoint;

    #[test]
    fn places_are_those_of_the_text_in_characters() {
        for (folder, text) in [
            ("tests/fixtures/tiny-mpnet", "Ärger  speaker, 1\u{2009}l"),
            (
                "tests/fixtures/architectures/roberta",
                "Ärger  speaker, 1\u{2009}l",
            ),
            (
                "tests/fixtures/architectures/xlm-roberta",
                "Ärger  speaker, 1\u{2009}l",
            ),
        ] {
            let tokenizer = Checkpoint::open(folder.as_ref())
                .unwrap()
                .tokenizer()
                .unwrap();
            let tokens = tokenizer.encode_with_places(&[text]).unwrap().remove(0);
            let ids = tokenizer.encode(&[text]).unwrap().remove(0);
            assert_eq!(
                (&tokens.ids, tokens.truncated),
                (&ids.ids, ids.truncated),
                "{folder}"
            );
            assert_eq!(tokens.places.len(), tokens.ids.len());
            assert_eq!(
                (tokens.places.first(), tokens.places.last()),
                (Some(&None), Some(&None))
            );
            let characters: Vec<char> = text.chars().collect();
            let mut covered = vec![false; characters.len()];
            let mut before = 0;
            for &(start, end) in tokens.places.iter().flatten() {
                assert!(
                    before <= start && start < end,
                    "{folder}: {:?}",
                    tokens.places
                );
                before = start;
                covered[start..end].fill(true);
            }
            for (character, covered) in characters.iter().zip(covered) {
                assert_eq!(
                    covered,
                    !character.is_whitespace(),
                    "{folder}: {character:?} {:?}",
                    tokens.places
                );
            }
        }
    }
}
