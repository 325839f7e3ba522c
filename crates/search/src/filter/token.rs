//! The words and signs of a filter's text.

use super::condition::Comparison;
use super::error::FilterError;

/// A word or a sign, and where it begins.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Token<'a> {
    /// The character it begins with, from 1.
    pub(super) position: usize,
    pub(super) kind: TokenKind<'a>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum TokenKind<'a> {
    /// A word without quotation marks, which may be a keyword.
    Word(&'a str),
    /// What quotation marks enclose, with doubled ones made single.
    Quoted(String),
    Comparison(Comparison),
    Open,
    Close,
    Comma,
    /// Behind the last character.
    End,
}

impl TokenKind<'_> {
    /// For messages.
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Word(word) => format!("'{}'", shortened(word)),
            Self::Quoted(text) => format!("the value '{}'", shortened(text)),
            Self::Comparison(comparison) => format!("'{}'", comparison.sign()),
            Self::Open => "'('".to_owned(),
            Self::Close => "')'".to_owned(),
            Self::Comma => "a comma".to_owned(),
            Self::End => "its end".to_owned(),
        }
    }

    /// Whether this is a keyword, in any case.
    pub(super) fn is_keyword(&self, keyword: &str) -> bool {
        matches!(self, Self::Word(word) if word.eq_ignore_ascii_case(keyword))
    }
}

/// Words that are a value or a column only in quotation marks.
pub(super) const KEYWORDS: [&str; 7] = ["AND", "OR", "NOT", "IN", "IS", "BETWEEN", "MISSING"];

/// Whether a text can stand without quotation marks.
pub(super) fn is_bare(text: &str) -> bool {
    let keyword = KEYWORDS
        .iter()
        .any(|keyword| keyword.eq_ignore_ascii_case(text));
    !text.is_empty()
        && !keyword
        && !text.starts_with(['\'', '"'])
        && !text.contains(ends_word)
        && !text.contains("!=")
}

fn ends_word(c: char) -> bool {
    c.is_whitespace() || matches!(c, '(' | ')' | ',' | '=' | '<' | '>')
}

fn shortened(text: &str) -> String {
    const SHOWN: usize = 30;
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// All tokens; the last one is [`TokenKind::End`].
pub(super) fn tokens(text: &str) -> Result<Vec<Token<'_>>, FilterError> {
    let mut tokens = Vec::new();
    let mut rest = text;
    let mut position = 1;
    loop {
        let trimmed = rest.trim_start();
        position += rest[..rest.len() - trimmed.len()].chars().count();
        let (kind, length) = next(trimmed, position)?;
        let end = kind == TokenKind::End;
        tokens.push(Token { position, kind });
        if end {
            return Ok(tokens);
        }
        position += trimmed[..length].chars().count();
        rest = &trimmed[length..];
    }
}

/// The token at the start of a text, and its length in bytes.
fn next(text: &str, position: usize) -> Result<(TokenKind<'_>, usize), FilterError> {
    let Some(first) = text.chars().next() else {
        return Ok((TokenKind::End, 0));
    };
    // The longer signs first, since one begins with another.
    for comparison in Comparison::LONGEST_FIRST {
        if text.starts_with(comparison.sign()) {
            return Ok((TokenKind::Comparison(comparison), comparison.sign().len()));
        }
    }
    match first {
        '(' => Ok((TokenKind::Open, 1)),
        ')' => Ok((TokenKind::Close, 1)),
        ',' => Ok((TokenKind::Comma, 1)),
        '\'' | '"' => quoted(text, first, position),
        _ => {
            let end = text.find(ends_word).unwrap_or(text.len());
            let end = text[..end]
                .find('!')
                .filter(|&at| text[at..].starts_with("!="))
                .unwrap_or(end);
            Ok((TokenKind::Word(&text[..end]), end))
        }
    }
}

fn quoted(text: &str, mark: char, position: usize) -> Result<(TokenKind<'_>, usize), FilterError> {
    let mut value = String::new();
    let mut at = 1;
    loop {
        let closing = at
            + text[at..]
                .find(mark)
                .ok_or(FilterError::Unclosed { position })?;
        value.push_str(&text[at..closing]);
        if !text[closing + 1..].starts_with(mark) {
            return Ok((TokenKind::Quoted(value), closing + 1));
        }
        value.push(mark);
        at = closing + 2;
    }
}
