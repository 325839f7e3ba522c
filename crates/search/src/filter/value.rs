//! Columns that filters may name, and their values.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::date;

/// What the values of a filter column are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ColumnKind {
    /// Texts, compared whole and without regard to case.
    #[default]
    Text,
    /// Numbers.
    Number,
    /// `true` or `false`.
    Boolean,
    /// Days or moments.
    Date,
    /// Texts that name a row, as part numbers do: a query that equals one finds its row first.
    Key,
}

impl ColumnKind {
    /// Every kind.
    pub const ALL: [Self; 5] = [
        Self::Text,
        Self::Number,
        Self::Boolean,
        Self::Date,
        Self::Key,
    ];

    /// The name: `text`, `number`, `boolean`, `date` or `key`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Number => "number",
            Self::Boolean => "boolean",
            Self::Date => "date",
            Self::Key => "key",
        }
    }

    /// The kind with that [`name`](Self::name).
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// A column that filters, facets and orders may name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilterColumn {
    /// The name in the file of the corpus.
    pub name: String,
    /// What its values are.
    pub kind: ColumnKind,
}

impl FilterColumn {
    /// The place of the column with a name: of the same spelling, or of the one column whose name differs from it only
    /// in case.
    #[must_use]
    pub fn position(columns: &[Self], name: &str) -> Option<usize> {
        let exact = columns.iter().position(|column| column.name == name);
        let folded = fold_case(name);
        let mut in_any_case =
            (0..columns.len()).filter(|&at| fold_case(&columns[at].name) == folded);
        exact.or_else(|| in_any_case.next().filter(|_| in_any_case.next().is_none()))
    }
}

/// A value of a filter column. A row without one has none of these.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Of a [`ColumnKind::Text`] or a [`ColumnKind::Key`].
    Text(String),
    /// Finite.
    Number(f64),
    /// Of a [`ColumnKind::Boolean`].
    Boolean(bool),
    /// Seconds since 1970-01-01T00:00:00Z.
    Date(i64),
}

impl Value {
    /// Whether columns of a kind hold such values.
    #[must_use]
    pub fn fits(&self, kind: ColumnKind) -> bool {
        match self {
            Self::Text(_) => matches!(kind, ColumnKind::Text | ColumnKind::Key),
            Self::Number(number) => kind == ColumnKind::Number && number.is_finite(),
            Self::Boolean(_) => kind == ColumnKind::Boolean,
            // The lowest number marks a row without a date.
            Self::Date(seconds) => kind == ColumnKind::Date && *seconds != i64::MIN,
        }
    }
}

impl fmt::Display for Value {
    /// As [`Value::parse`] reads it; dates outside the years 0 to 9999 cannot be read back.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Number(number) => write!(f, "{number}"),
            Self::Boolean(flag) => write!(f, "{flag}"),
            Self::Date(seconds) => f.write_str(&date::format(*seconds)),
        }
    }
}

/// The text by which texts are compared: in lower case, without white space around it. Letters that differ
/// only in case become equal, and `ß` equals `ss`.
#[must_use]
pub fn fold_case(text: &str) -> String {
    // Upper case first: it joins the two forms of the lower-case sigma.
    let upper = text.trim().chars().flat_map(char::to_uppercase);
    upper.flat_map(char::to_lowercase).collect()
}
