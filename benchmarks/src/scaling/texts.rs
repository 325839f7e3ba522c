//! Texts: those of the workloads, and some of an exact length.

use model::{ModelError, SentenceTokenizer};

use crate::error::BenchmarkError;
use crate::in_repository;

/// The workloads whose texts/s are measured; the first with one text per call.
pub(crate) const WORKLOADS: [&str; 2] = ["singles", "queries"];

/// Common words, most of which are one token each.
const WORDS: [&str; 12] = [
    "water", "bottle", "with", "a", "steel", "case", "for", "the", "office", "and", "red", "table",
];

/// The lines of a workload.
pub(crate) fn workload(name: &str) -> Result<Vec<String>, BenchmarkError> {
    let path = in_repository("datasets/bench").join(format!("{name}.txt"));
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok(text.lines().map(str::to_owned).collect()),
        Err(source) => Err(BenchmarkError::Io { path, source }),
    }
}

/// How many tokens each text has.
pub(crate) fn lengths(
    tokenizer: &SentenceTokenizer,
    texts: &[String],
) -> Result<Vec<usize>, ModelError> {
    let tokens = tokenizer.encode(texts)?;
    Ok(tokens.iter().map(|tokens| tokens.ids.len()).collect())
}

/// A text of exactly so many tokens, which the tokenizer does not truncate.
pub(crate) fn of_length(
    tokenizer: &SentenceTokenizer,
    length: usize,
) -> Result<String, BenchmarkError> {
    let mut text = String::new();
    let mut without_success = 0;
    for word in WORDS.iter().cycle() {
        let longer = format!("{text} {word}");
        let tokens = tokenizer.encode(&[&longer])?;
        let is_good = tokens
            .iter()
            .all(|tokens| tokens.ids.len() <= length && !tokens.truncated);
        if is_good {
            without_success = 0;
            text = longer;
            if tokens.iter().all(|tokens| tokens.ids.len() == length) {
                return Ok(text);
            }
        } else {
            without_success += 1;
            if without_success == WORDS.len() {
                break;
            }
        }
    }
    Err(BenchmarkError::NoText(length))
}

#[cfg(test)]
mod tests {
    use model::Checkpoint;

    use super::*;

    fn tokenizer() -> SentenceTokenizer {
        let tiny = in_repository("crates/model/tests/fixtures/tiny-mpnet");
        Checkpoint::open(&tiny).unwrap().tokenizer().unwrap()
    }

    #[test]
    fn texts_have_the_length_that_was_asked_for() {
        let tokenizer = tokenizer();
        for length in [4, 8, 16, 32] {
            let text = of_length(&tokenizer, length).unwrap();
            assert_eq!(lengths(&tokenizer, &[text]).unwrap(), [length]);
        }
        // `<s>` and `</s>` are two already, and beyond the longest a text is cut.
        for length in [1, 2, tokenizer.max_length() + 1] {
            let error = of_length(&tokenizer, length).unwrap_err();
            assert!(matches!(error, BenchmarkError::NoText(_)), "{error}");
        }
    }

    #[test]
    fn the_workloads_are_there() {
        for name in WORKLOADS {
            assert!(!workload(name).unwrap().is_empty());
        }
        let message = workload("nothing").unwrap_err().to_string();
        assert!(message.contains("nothing.txt"), "{message}");
    }
}
