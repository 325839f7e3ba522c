//! The tree of a filter.

use super::value::Value;

/// How a value is compared with the value of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
}

impl Comparison {
    /// Every comparison; no sign is the beginning of a later one.
    pub(super) const LONGEST_FIRST: [Self; 6] = [
        Self::NotEqual,
        Self::LessOrEqual,
        Self::GreaterOrEqual,
        Self::Equal,
        Self::Less,
        Self::Greater,
    ];

    /// The sign: `=`, `!=`, `<`, `<=`, `>` or `>=`. SQL has the same ones.
    #[must_use]
    pub fn sign(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
        }
    }
}

/// A condition on the columns of a row. Texts are compared by [`fold_case`](super::fold_case).
///
/// A row without a value in a column fulfils no condition on it, apart from [`IsMissing`](Self::IsMissing) and what a
/// [`Not`](Self::Not) makes of it.
#[derive(Clone, Debug, PartialEq)]
pub enum Filter {
    /// `column < value`
    Compare {
        /// The column's name.
        column: String,
        /// How.
        comparison: Comparison,
        /// Of the column's kind.
        value: Value,
    },
    /// `column IN (value, …)`
    In {
        /// The column's name.
        column: String,
        /// Of the column's kind; at least one.
        values: Vec<Value>,
    },
    /// `column IS MISSING`
    IsMissing {
        /// The column's name.
        column: String,
    },
    /// `a AND b AND …`
    And(Vec<Filter>),
    /// `a OR b OR …`
    Or(Vec<Filter>),
    /// `NOT a`
    Not(Box<Filter>),
}

impl Filter {
    /// The filter without the conditions that are on one column alone: of an [`And`](Self::And) its other parts, of any
    /// other condition all or nothing. `None` where nothing is left, so that all rows fulfil it.
    #[must_use]
    pub fn without_column(&self, column: &str) -> Option<Self> {
        if let Self::And(parts) = self {
            let mut kept: Vec<Self> = parts
                .iter()
                .filter_map(|part| part.without_column(column))
                .collect();
            return match kept.len() {
                0 | 1 => kept.pop(),
                _ => Some(Self::And(kept)),
            };
        }
        (!self.is_about(column)).then(|| self.clone())
    }

    /// Whether the filter has conditions on a column and on no other.
    fn is_about(&self, name: &str) -> bool {
        match self {
            Self::Compare { column, .. } | Self::In { column, .. } | Self::IsMissing { column } => {
                column == name
            }
            Self::And(parts) | Self::Or(parts) => parts.iter().all(|part| part.is_about(name)),
            Self::Not(inner) => inner.is_about(name),
        }
    }
}
