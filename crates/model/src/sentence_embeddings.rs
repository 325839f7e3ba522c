//! The vectors of texts, as returned by an encoder.

/// Vectors of equal width, row after row.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Embeddings {
    pub(crate) values: Vec<f32>,
    pub(crate) width: usize,
    pub(crate) truncated: usize,
    pub(crate) tokens: usize,
}

impl Embeddings {
    /// Vectors that were computed in several steps: row-major `[len, width]`.
    #[must_use]
    pub fn from_rows(values: Vec<f32>, width: usize) -> Self {
        Self {
            values,
            width,
            ..Self::default()
        }
    }

    /// Number of vectors.
    #[must_use]
    pub fn len(&self) -> usize {
        self.values.len().checked_div(self.width).unwrap_or(0)
    }

    /// Whether there are no vectors.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Width of every vector.
    #[must_use]
    pub fn width(&self) -> usize {
        self.width
    }

    /// All vectors, row-major `[len, width]`.
    #[must_use]
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// All vectors as owned values, row-major `[len, width]`.
    #[must_use]
    pub fn into_values(self) -> Vec<f32> {
        self.values
    }

    /// The vectors, in the order of the texts.
    pub fn rows(&self) -> std::slice::ChunksExact<'_, f32> {
        // `chunks_exact` takes no width of 0.
        self.values.chunks_exact(self.width.max(1))
    }

    /// Number of texts that were truncated to the maximum length.
    #[must_use]
    pub fn truncated(&self) -> usize {
        self.truncated
    }

    /// Number of tokens, with `<s>` and `</s>` and without padding.
    #[must_use]
    pub fn tokens(&self) -> usize {
        self.tokens
    }
}

/// The L2 norm of a vector, in `f64`; at least 1e-12, as in PyTorch's `normalize`.
pub(crate) fn norm(vector: &[f32]) -> f64 {
    let squares: f64 = vector
        .iter()
        .map(|&value| f64::from(value) * f64::from(value))
        .sum();
    squares.sqrt().max(1e-12)
}

/// Divides the values of a vector, or of its first dimensions, by its norm.
pub(crate) fn normalize(vector: &mut [f32], norm: f64) {
    for value in vector {
        *value = (f64::from(*value) / norm) as f32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_counted_and_cut() {
        let embeddings = Embeddings {
            values: vec![1.0, 2.0, 3.0, 4.0],
            width: 2,
            ..Embeddings::default()
        };
        assert_eq!((embeddings.len(), embeddings.is_empty()), (2, false));
        let rows: Vec<_> = embeddings.rows().collect();
        assert_eq!(rows, [[1.0, 2.0], [3.0, 4.0]]);

        let none = Embeddings::default();
        assert_eq!(
            (none.len(), none.is_empty(), none.rows().count()),
            (0, true, 0)
        );
    }

    #[test]
    fn a_vector_gets_length_1_and_zeros_stay() {
        let normalized = |mut vector: Vec<f32>| {
            let norm = norm(&vector);
            normalize(&mut vector, norm);
            vector
        };
        assert_eq!(normalized(vec![3.0, -4.0]), [0.6, -0.8]);
        // Squares that would overflow in `f32`.
        let large = 2f32.powi(100);
        assert_eq!(normalized(vec![3.0 * large, 4.0 * large]), [0.6, 0.8]);
        assert_eq!(normalized(vec![0.0; 3]), [0.0; 3]);
    }
}
