//! What one pass over the vectors is to find.

use roaring::RoaringBitmap;

use crate::vectors::similarity::Similarity;

/// Vectors of an index, normalized for their similarity.
#[derive(Clone, Copy)]
pub(crate) struct Vectors<'a> {
    pub(crate) values: &'a [f32],
    /// Above 0.
    pub(crate) width: usize,
    pub(crate) similarity: Similarity,
}

impl<'a> Vectors<'a> {
    pub(crate) fn len(self) -> usize {
        self.values.len() / self.width
    }

    /// The row at `index`, which must be below [`len`](Self::len).
    #[inline(always)]
    pub(crate) fn row(self, index: usize) -> &'a [f32] {
        &self.values[index * self.width..][..self.width]
    }
}

/// What one pass over the vectors is to find.
#[derive(Clone, Copy)]
pub(crate) struct Request<'a> {
    /// The most hits of a query, at most the number of vectors.
    pub(crate) k: usize,
    /// The lowest score of a hit.
    pub(crate) lowest: f32,
    /// Rows to choose from; of none, all.
    pub(crate) rows: Option<&'a RoaringBitmap>,
    /// A row that is no hit.
    pub(crate) without: Option<usize>,
}
