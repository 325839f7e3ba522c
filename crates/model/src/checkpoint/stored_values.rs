//! The values of a tensor in a weights file, not yet read.

use std::rc::Rc;

use burn::tensor::{DType, TensorData};

use crate::boxed_error::BoxedError;

/// A tensor of a weights file: its type and shape, and a reader of its values.
#[derive(Clone)]
pub(crate) struct StoredValues {
    /// The type in the file.
    pub(crate) dtype: DType,
    /// The length of each dimension.
    pub(crate) shape: Vec<usize>,
    read: Rc<dyn Fn() -> Result<TensorData, BoxedError>>,
}

impl StoredValues {
    /// `read` must give values of this type and shape.
    pub(super) fn new(
        dtype: DType,
        shape: Vec<usize>,
        read: impl Fn() -> Result<TensorData, BoxedError> + 'static,
    ) -> Self {
        let read = Rc::new(read);
        Self { dtype, shape, read }
    }

    /// Bytes of the values in the file.
    pub(super) fn bytes(&self) -> u64 {
        let values = self.shape.iter().map(|length| *length as u64);
        values.fold(self.dtype.size() as u64, u64::saturating_mul)
    }

    /// Reads the values.
    pub(crate) fn read(&self) -> Result<TensorData, BoxedError> {
        (self.read)()
    }
}
