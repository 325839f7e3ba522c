//! What can be wrong with vectors.

/// Vectors that cannot be compared.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SearchError {
    /// Rows of no width, or values that do not fill whole rows.
    #[error("{values} values are not whole rows of width {width}")]
    Shape {
        /// Number of values.
        values: usize,
        /// Width of a row.
        width: usize,
    },
    /// Two sets of vectors of different widths.
    #[error("vectors of width {left} cannot be compared with vectors of width {right}")]
    Width {
        /// Width of the first.
        left: usize,
        /// Width of the second.
        right: usize,
    },
    /// Pairs need as many left as right vectors.
    #[error("{left} vectors cannot be paired with {right}")]
    Pairs {
        /// Number of the first.
        left: usize,
        /// Number of the second.
        right: usize,
    },
    /// A NaN or an infinity.
    #[error("row {row}, column {column} holds {value}, which cannot be ordered")]
    NotFinite {
        /// Row, from 0.
        row: usize,
        /// Column, from 0.
        column: usize,
        /// The value.
        value: f32,
    },
    /// An item that is not there.
    #[error("there is no item {item}: the index holds {len}")]
    NoSuchItem {
        /// What was asked for, from 0.
        item: usize,
        /// How many there are.
        len: usize,
    },
}
