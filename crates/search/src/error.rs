//! Errors of search.

/// Vectors that cannot be compared, or an index without the vector asked for.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SearchError {
    /// A width of 0, or values that do not fill whole rows.
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
    /// Pairwise similarity of two sets with different numbers of vectors.
    #[error("{left} vectors cannot be paired with {right} vectors")]
    Pairs {
        /// Number of vectors in the first set.
        left: usize,
        /// Number of vectors in the second set.
        right: usize,
    },
    /// A NaN or an infinite value.
    #[error("row {row}, column {column} holds {value}, which cannot be ordered")]
    NotFinite {
        /// Row, from 0.
        row: usize,
        /// Column, from 0.
        column: usize,
        /// The value.
        value: f32,
    },
    /// A position at or above the number of vectors.
    #[error("there is no vector {index} (counting from 0): the index holds {len} vectors")]
    NoSuchVector {
        /// The position, from 0.
        index: usize,
        /// Number of vectors in the index.
        len: usize,
    },
    /// A mapped file that does not hold whole float32 values.
    #[error("{bytes} mapped bytes are not whole float32 values")]
    Mapping {
        /// Bytes of the mapping.
        bytes: usize,
    },
    /// Bytes that are not the codes of so many vectors.
    #[error("{bytes} bytes are not the codes of {rows} vectors of width {width}")]
    Codes {
        /// Number of bytes.
        bytes: usize,
        /// Number of vectors.
        rows: usize,
        /// Width of a vector.
        width: usize,
    },
    /// Codes that belong to other vectors.
    #[error(
        "{codes} codes of width {codes_width} do not belong to {rows} vectors of width {width}"
    )]
    CodesOfOthers {
        /// Number of vectors.
        rows: usize,
        /// Width of a vector.
        width: usize,
        /// Number of codes.
        codes: usize,
        /// Width of a code.
        codes_width: usize,
    },
}
