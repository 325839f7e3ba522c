//! The memory of float32 rows: their own, or a mapped file.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use memmap2::Mmap;

use crate::error::SearchError;

/// Values of float32 rows, row-major. Cheap to clone.
///
/// A mapped file holds little-endian values, as every machine that this project supports has them.
#[derive(Clone)]
pub struct Rows(Memory);

#[derive(Clone)]
enum Memory {
    Owned(Arc<Vec<f32>>),
    Mapped(Arc<Mmap>),
}

impl Rows {
    /// Values in memory.
    #[must_use]
    pub fn owned(values: Vec<f32>) -> Self {
        Self(Memory::Owned(Arc::new(values)))
    }

    /// Values of a mapped file, all of it. An empty file is [`owned`](Self::owned) without values.
    ///
    /// # Errors
    ///
    /// [`SearchError::Mapping`] if the mapping does not hold whole float32 values at an address for them.
    pub fn mapped(mapping: Mmap) -> Result<Self, SearchError> {
        if bytemuck::try_cast_slice::<u8, f32>(&mapping).is_err() {
            return Err(SearchError::Mapping {
                bytes: mapping.len(),
            });
        }
        Ok(Self(Memory::Mapped(Arc::new(mapping))))
    }
}

impl Deref for Rows {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        match &self.0 {
            Memory::Owned(values) => values,
            // `mapped` has cast it before.
            Memory::Mapped(mapping) => bytemuck::cast_slice(mapping),
        }
    }
}

impl fmt::Debug for Rows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let memory = match self.0 {
            Memory::Owned(_) => "owned",
            Memory::Mapped(_) => "mapped",
        };
        write!(f, "Rows({memory}, {} values)", self.len())
    }
}
