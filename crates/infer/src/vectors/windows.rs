//! Vectors on their way into a file.

use records::Row;

use super::VectorError;

/// Takes some rows and their vectors, row-major `[rows, width]`.
pub(super) type Take<'a> = &'a mut dyn FnMut(&[Row], &[f32]) -> Result<(), VectorError>;

/// Rows with their vectors, in order, which can be passed more than once: a header holds numbers
/// that are known after the last row.
pub trait Windows {
    /// Passes every window to `take`: some rows, and their vectors `[rows, width]`.
    ///
    /// # Errors
    ///
    /// When the windows cannot be read, or `take` fails.
    fn for_each(&mut self, take: Take<'_>) -> Result<(), VectorError>;
}

/// One window, in memory.
#[derive(Clone, Copy, Debug)]
pub struct OneWindow<'a> {
    rows: &'a [Row],
    values: &'a [f32],
}

impl<'a> OneWindow<'a> {
    /// Rows and their vectors, row-major `[rows, width]`.
    ///
    /// # Errors
    ///
    /// When there is not one vector of that width for each row.
    pub fn new(rows: &'a [Row], values: &'a [f32], width: usize) -> Result<Self, VectorError> {
        if rows.len().checked_mul(width) == Some(values.len()) && width > 0 {
            Ok(Self { rows, values })
        } else {
            Err(VectorError::Shape {
                values: values.len(),
                rows: rows.len(),
                width,
            })
        }
    }
}

impl Windows for OneWindow<'_> {
    fn for_each(&mut self, take: Take<'_>) -> Result<(), VectorError> {
        take(self.rows, self.values)
    }
}
