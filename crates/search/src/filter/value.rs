//! Columns that filters may name, and their values.

/// What the values of a filter column are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilterColumn {
    /// The name in the file of the corpus.
    pub name: String,
    /// What its values are.
    pub kind: ColumnKind,
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
