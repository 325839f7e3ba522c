//! CoNLL: a token and its tag per line, and an empty line after every text.

use super::fault::TaggedFault;
use super::{Known, NamedSpan, ReadRow};

/// A line that begins a document in some files.
const DOCUMENT: &str = "-DOCSTART-";

/// The lines of a text so far.
#[derive(Debug, Default)]
pub(super) struct Sentence {
    tokens: Vec<String>,
    tags: Vec<String>,
    /// The line of the first token.
    pub(super) line: u64,
    /// Whether a line of it is bad, so that its text is not known.
    is_bad: bool,
}

impl Sentence {
    /// Leaves out the whole text, up to the next empty line: a line of it cannot be read.
    pub(super) fn leave_out(&mut self) {
        self.is_bad = true;
    }

    /// Adds a line of a token and its tag; between them may be other columns.
    pub(super) fn add(&mut self, line: &str, number: u64) -> Result<(), TaggedFault> {
        if self.is_bad {
            return Ok(());
        }
        // Tokens may have spaces where tabs separate the columns.
        let separator: &[char] = if line.contains('\t') { &['\t'] } else { &[' '] };
        let columns: Vec<&str> = line
            .trim_end()
            .split(separator)
            .filter(|part| !part.is_empty())
            .collect();
        match columns.as_slice() {
            [token, ..] if *token == DOCUMENT => Ok(()),
            [token, .., tag] => {
                if self.tokens.is_empty() {
                    self.line = number;
                }
                self.tokens.push((*token).to_owned());
                self.tags.push((*tag).to_owned());
                Ok(())
            }
            tokens => Err(TaggedFault::NoTag(tokens.concat())),
        }
    }

    /// The row of the lines since the last call; `None` without any, and for a text that is left out.
    pub(super) fn take(&mut self) -> Option<Result<ReadRow, TaggedFault>> {
        let Self {
            tokens,
            tags,
            is_bad,
            ..
        } = std::mem::take(self);
        if tokens.is_empty() || is_bad {
            return None;
        }
        Some(spans_of_tags(&tokens, &tags).map(|(text, spans)| ReadRow {
            text,
            spans,
            known: Known::All,
            ..ReadRow::default()
        }))
    }
}

/// The text of tokens, with a space between them, and its spans by tags of IOB2.
pub(super) fn spans_of_tags(
    tokens: &[String],
    tags: &[String],
) -> Result<(String, Vec<NamedSpan>), TaggedFault> {
    if tokens.len() != tags.len() {
        return Err(TaggedFault::TagCount {
            tokens: tokens.len(),
            tags: tags.len(),
        });
    }
    let mut spans: Vec<NamedSpan> = Vec::new();
    let (mut position, mut is_open) = (0, false);
    for (token, tag) in tokens.iter().zip(tags) {
        let end = position + token.chars().count();
        let part = |start| {
            tag.strip_prefix(start)
                .filter(|label: &&str| !label.is_empty())
        };
        match (tag.as_str(), part("B-"), part("I-")) {
            ("O", ..) => is_open = false,
            (_, Some(label), _) => {
                spans.push((position, end, label.to_owned()));
                is_open = true;
            }
            (_, _, Some(label)) => match spans.last_mut() {
                Some((_, last, of)) if is_open && of == label => *last = end,
                _ => return Err(TaggedFault::NotIob2(tag.clone())),
            },
            _ => return Err(TaggedFault::UnknownTag(tag.clone())),
        }
        position = end + 1;
    }
    Ok((tokens.join(" "), spans))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(content: &str) -> Vec<Result<ReadRow, TaggedFault>> {
        let mut sentence = Sentence::default();
        let mut rows = Vec::new();
        for (number, line) in (1..).zip(content.lines().chain([""])) {
            if line.trim().is_empty() {
                rows.extend(sentence.take());
            } else {
                sentence.add(line, number).unwrap();
            }
        }
        rows
    }

    #[test]
    fn an_empty_line_ends_a_text() {
        let content =
            "-DOCSTART- -X- O\n\nBär NN B-brand\ndark JJ B-colour\nred NN I-colour\n\n\nlamp\tO\n";
        let rows: Vec<ReadRow> = rows(content).into_iter().map(Result::unwrap).collect();
        let texts: Vec<&str> = rows.iter().map(|row| row.text.as_str()).collect();
        assert_eq!(texts, ["Bär dark red", "lamp"]);
        assert_eq!(
            rows[0].spans,
            [(0, 3, "brand".to_owned()), (4, 12, "colour".to_owned())]
        );
        assert!(rows[1].spans.is_empty());
    }

    #[test]
    fn tags_that_are_not_iob2_are_refused() {
        for (content, part) in [
            ("a I-x\n", "`I-x` follows neither"),
            ("a B-x\nb O\nc I-x\n", "`I-x` follows neither"),
            ("a B-y\nb I-x\n", "`I-x` follows neither"),
            ("a NN\n", "`NN` is neither O"),
        ] {
            let error = rows(content).remove(0).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
        let error = Sentence::default().add("token", 1).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("no tag behind the token `token`"),
            "{error}"
        );
    }
}
