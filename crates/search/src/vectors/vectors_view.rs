//! A borrowed matrix of vectors.

use crate::error::SearchError;

/// A view of vectors of equal width, row-major `[len, width]`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct VectorsView<'a> {
    values: &'a [f32],
    width: usize,
}

impl<'a> VectorsView<'a> {
    /// Views `values` as rows of `width` values each.
    ///
    /// # Errors
    ///
    /// [`SearchError::Shape`] when `width` is 0 or does not divide the number of values.
    pub fn new(values: &'a [f32], width: usize) -> Result<Self, SearchError> {
        if width == 0 || !values.len().is_multiple_of(width) {
            return Err(SearchError::Shape {
                values: values.len(),
                width,
            });
        }
        Ok(Self { values, width })
    }

    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.values.len() / self.width
    }

    /// Whether the view holds no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Width of every row, above 0.
    #[must_use]
    pub fn width(&self) -> usize {
        self.width
    }

    /// The row at position `row`, from 0, or `None` behind the last.
    #[must_use]
    pub fn get(&self, row: usize) -> Option<&'a [f32]> {
        let start = row.checked_mul(self.width)?;
        self.values.get(start..start.checked_add(self.width)?)
    }

    /// The values of all rows.
    pub(crate) fn values(&self) -> &'a [f32] {
        self.values
    }

    /// The rows in order.
    pub fn iter(&self) -> std::slice::ChunksExact<'a, f32> {
        self.values.chunks_exact(self.width)
    }

    /// An error that names the first value that is not finite.
    pub(crate) fn check_finite(&self) -> Result<(), SearchError> {
        match self.values.iter().position(|value| !value.is_finite()) {
            None => Ok(()),
            Some(position) => Err(SearchError::NotFinite {
                row: position / self.width,
                column: position % self.width,
                value: self.values[position],
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_rows_make_a_view() {
        assert_eq!(VectorsView::new(&[1.0; 6], 2).unwrap().len(), 3);
        assert_eq!(VectorsView::new(&[], 2).unwrap().len(), 0);
        assert_eq!(
            VectorsView::new(&[1.0; 5], 2),
            Err(SearchError::Shape {
                values: 5,
                width: 2
            })
        );
        assert_eq!(
            VectorsView::new(&[], 0),
            Err(SearchError::Shape {
                values: 0,
                width: 0
            })
        );
    }

    #[test]
    fn a_row_behind_the_last_is_none() {
        let values = [1.0, 2.0, 3.0, 4.0];
        let rows = VectorsView::new(&values, 2).unwrap();
        assert_eq!(rows.get(1), Some(&values[2..]));
        assert_eq!(rows.get(2), None);
        assert_eq!(rows.get(usize::MAX), None);
    }
}
