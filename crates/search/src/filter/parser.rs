//! From a filter's text to its tree.

use super::condition::{Comparison, Filter};
use super::error::FilterError;
use super::token::{KEYWORDS, Token, TokenKind, tokens};
use super::value::{ColumnKind, FilterColumn, Value};

/// Parentheses and NOTs inside each other. The parser calls itself for each, and a text must not exhaust the stack.
const MOST_NESTED: usize = 100;

impl Filter {
    /// Reads a filter, as `brand = Logitech AND price < 50 AND colour IN (black, grey)`.
    ///
    /// | part | form |
    /// | --- | --- |
    /// | comparison | `column = value`, and `!=`, `<`, `<=`, `>`, `>=` |
    /// | one of several values | `column IN (value, …)`, `column NOT IN (value, …)` |
    /// | range, both ends included | `column BETWEEN value AND value` |
    /// | no value | `column IS MISSING`, `column IS NOT MISSING` |
    /// | several conditions | `a AND b`, `a OR b`, `NOT a`, `(a)`; `AND` binds more tightly than `OR` |
    ///
    /// Keywords may be written in any case. A value or a column needs quotation marks, single or double, if it is a
    /// keyword, begins with a quotation mark, or contains white space or one of `( ) , = < >`; a quotation mark inside
    /// such marks is doubled. Values are read by [`Value::parse`], and columns are found in any case unless two differ
    /// only in case.
    ///
    /// `!=`, `NOT IN` and the comparisons keep only rows with a value in the column. `NOT a` keeps the other rows, also
    /// those without a value.
    ///
    /// # Errors
    ///
    /// [`FilterError`] says where the text cannot be read on, and what may stand there.
    pub fn parse(text: &str, columns: &[FilterColumn]) -> Result<Self, FilterError> {
        let mut parser = Parser {
            tokens: tokens(text)?,
            next: 0,
            columns,
        };
        let filter = parser.any_of(0)?;
        match parser.peek().kind {
            TokenKind::End => Ok(filter),
            TokenKind::Word(_) | TokenKind::Quoted(_) => Err(parser.expected(
                "AND or OR between conditions, and quotation marks around a value of several words",
            )),
            TokenKind::Comma => Err(parser.expected(
                "AND or OR between conditions, and quotation marks around a value with a comma",
            )),
            _ => Err(parser.expected("AND or OR between conditions")),
        }
    }
}

struct Parser<'a> {
    /// The last one is [`TokenKind::End`], which is never passed.
    tokens: Vec<Token<'a>>,
    next: usize,
    columns: &'a [FilterColumn],
}

impl<'a> Parser<'a> {
    fn peek(&self) -> &Token<'a> {
        &self.tokens[self.next]
    }

    fn advance(&mut self) {
        self.next = (self.next + 1).min(self.tokens.len() - 1);
    }

    /// Passes a token of that kind.
    fn take(&mut self, kind: &TokenKind<'_>) -> bool {
        let found = self.peek().kind == *kind;
        if found {
            self.advance();
        }
        found
    }

    fn take_keyword(&mut self, keyword: &str) -> bool {
        let found = self.peek().kind.is_keyword(keyword);
        if found {
            self.advance();
        }
        found
    }

    fn expected(&self, expected: impl Into<String>) -> FilterError {
        FilterError::Expected {
            position: self.peek().position,
            found: self.peek().kind.describe(),
            expected: expected.into(),
        }
    }

    /// `a OR b OR …`
    fn any_of(&mut self, depth: usize) -> Result<Filter, FilterError> {
        self.joined("OR", Filter::Or, |parser| {
            parser.joined("AND", Filter::And, |parser| parser.negated(depth))
        })
    }

    fn joined(
        &mut self,
        keyword: &str,
        join: fn(Vec<Filter>) -> Filter,
        mut part: impl FnMut(&mut Self) -> Result<Filter, FilterError>,
    ) -> Result<Filter, FilterError> {
        let first = part(self)?;
        if !self.peek().kind.is_keyword(keyword) {
            return Ok(first);
        }
        let mut parts = vec![first];
        while self.take_keyword(keyword) {
            parts.push(part(self)?);
        }
        Ok(join(parts))
    }

    /// `NOT a`, `(a)` or a condition on a column.
    fn negated(&mut self, depth: usize) -> Result<Filter, FilterError> {
        if depth > MOST_NESTED {
            return Err(FilterError::TooDeep {
                position: self.peek().position,
                limit: MOST_NESTED,
            });
        }
        if self.take_keyword("NOT") {
            return Ok(Filter::Not(Box::new(self.negated(depth + 1)?)));
        }
        if self.take(&TokenKind::Open) {
            let inner = self.any_of(depth + 1)?;
            if !self.take(&TokenKind::Close) {
                return Err(self.expected("AND, OR or the closing parenthesis"));
            }
            return Ok(inner);
        }
        let column = self.column()?;
        self.condition(column)
    }

    fn column(&mut self) -> Result<&'a FilterColumn, FilterError> {
        let Some(name) = self.word() else {
            return Err(self.expected(format!(
                "a condition, which begins with a column ({})",
                self.names().join(", ")
            )));
        };
        let Some(found) = FilterColumn::position(self.columns, &name) else {
            return Err(FilterError::UnknownColumn {
                position: self.peek().position,
                column: name,
                columns: self.names(),
            });
        };
        self.advance();
        Ok(&self.columns[found])
    }

    fn names(&self) -> Vec<String> {
        self.columns
            .iter()
            .map(|column| column.name.clone())
            .collect()
    }

    /// The next token if it can be a column or a value.
    fn word(&self) -> Option<String> {
        match &self.peek().kind {
            TokenKind::Word(word)
                if KEYWORDS
                    .iter()
                    .any(|keyword| keyword.eq_ignore_ascii_case(word)) =>
            {
                None
            }
            TokenKind::Word(word) => Some((*word).to_owned()),
            TokenKind::Quoted(text) => Some(text.clone()),
            _ => None,
        }
    }

    fn condition(&mut self, column: &FilterColumn) -> Result<Filter, FilterError> {
        if let TokenKind::Comparison(comparison) = self.peek().kind {
            self.check_order(column, comparison)?;
            self.advance();
            return self.compare(column, comparison);
        }
        if self.take_keyword("IN") {
            return self.one_of(column);
        }
        if self.take_keyword("NOT") {
            if !self.take_keyword("IN") {
                return Err(self.expected("IN after NOT"));
            }
            return self.none_of(column);
        }
        if self.peek().kind.is_keyword("BETWEEN") {
            self.check_order(column, Comparison::GreaterOrEqual)?;
            self.advance();
            let least = self.compare(column, Comparison::GreaterOrEqual)?;
            if !self.take_keyword("AND") {
                return Err(self.expected("AND and the other end of the range"));
            }
            let most = self.compare(column, Comparison::LessOrEqual)?;
            return Ok(Filter::And(vec![least, most]));
        }
        if self.take_keyword("IS") {
            let negated = self.take_keyword("NOT");
            if !self.take_keyword("MISSING") {
                return Err(self.expected("MISSING or NOT MISSING after IS"));
            }
            let missing = is_missing(column);
            return Ok(if negated {
                Filter::Not(Box::new(missing))
            } else {
                missing
            });
        }
        Err(self.expected(format!(
            "=, !=, <, <=, >, >=, IN, NOT IN, BETWEEN or IS after the column {}",
            column.name
        )))
    }

    fn check_order(
        &self,
        column: &FilterColumn,
        comparison: Comparison,
    ) -> Result<(), FilterError> {
        let equality = matches!(comparison, Comparison::Equal | Comparison::NotEqual);
        if column.kind == ColumnKind::Boolean && !equality {
            return Err(FilterError::Order {
                position: self.peek().position,
                column: column.name.clone(),
            });
        }
        Ok(())
    }

    fn compare(
        &mut self,
        column: &FilterColumn,
        comparison: Comparison,
    ) -> Result<Filter, FilterError> {
        Ok(Filter::Compare {
            column: column.name.clone(),
            comparison,
            value: self.value(column)?,
        })
    }

    fn one_of(&mut self, column: &FilterColumn) -> Result<Filter, FilterError> {
        Ok(Filter::In {
            column: column.name.clone(),
            values: self.values(column)?,
        })
    }

    /// Rows without a value do not count as others, as with `!=`.
    fn none_of(&mut self, column: &FilterColumn) -> Result<Filter, FilterError> {
        let one_of = self.one_of(column)?;
        Ok(Filter::And(vec![
            Filter::Not(Box::new(one_of)),
            Filter::Not(Box::new(is_missing(column))),
        ]))
    }

    fn values(&mut self, column: &FilterColumn) -> Result<Vec<Value>, FilterError> {
        if !self.take(&TokenKind::Open) {
            return Err(self.expected("a list of values in parentheses"));
        }
        let mut values = Vec::new();
        loop {
            values.push(self.value(column)?);
            if self.take(&TokenKind::Close) {
                return Ok(values);
            }
            if !self.take(&TokenKind::Comma) {
                return Err(self.expected("a comma or the closing parenthesis of the list"));
            }
        }
    }

    fn value(&mut self, column: &FilterColumn) -> Result<Value, FilterError> {
        let expected = format!("a {} for the column {}", column.kind.name(), column.name);
        let Some(text) = self.word() else {
            let keyword = matches!(self.peek().kind, TokenKind::Word(_));
            let hint = if keyword {
                ", in quotation marks if it is a keyword"
            } else {
                ""
            };
            return Err(self.expected(expected + hint));
        };
        let position = self.peek().position;
        let parsed = Value::parse(column.kind, &text).map_err(|source| FilterError::Value {
            position,
            column: column.name.clone(),
            source,
        })?;
        let Some(parsed) = parsed else {
            return Err(self.expected(expected + ", or IS MISSING for rows without one"));
        };
        self.advance();
        Ok(parsed.value)
    }
}

fn is_missing(column: &FilterColumn) -> Filter {
    Filter::IsMissing {
        column: column.name.clone(),
    }
}
