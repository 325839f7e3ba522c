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
