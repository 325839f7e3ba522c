//! A tensor of the file, not yet read.

use std::fmt;
use std::sync::Arc;

use crate::archive::Entry;

/// The type of a tensor's elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Dtype {
    /// `torch.float64`.
    Float64,
    /// `torch.float32`.
    Float32,
    /// `torch.float16`.
    Float16,
    /// `torch.bfloat16`.
    Bfloat16,
    /// `torch.int64`.
    Int64,
    /// `torch.int32`.
    Int32,
    /// `torch.int16`.
    Int16,
    /// `torch.int8`.
    Int8,
    /// `torch.uint8`.
    Uint8,
    /// `torch.bool`, one byte each.
    Bool,
}

/// Types, the classes of their storages, and torch's names.
const TYPES: [(Dtype, &str, &str); 10] = [
    (Dtype::Float64, "DoubleStorage", "float64"),
    (Dtype::Float32, "FloatStorage", "float32"),
    (Dtype::Float16, "HalfStorage", "float16"),
    (Dtype::Bfloat16, "BFloat16Storage", "bfloat16"),
    (Dtype::Int64, "LongStorage", "int64"),
    (Dtype::Int32, "IntStorage", "int32"),
    (Dtype::Int16, "ShortStorage", "int16"),
    (Dtype::Int8, "CharStorage", "int8"),
    (Dtype::Uint8, "ByteStorage", "uint8"),
    (Dtype::Bool, "BoolStorage", "bool"),
];

impl Dtype {
    /// Bytes of an element.
    #[must_use]
    pub fn bytes(self) -> usize {
        match self {
            Self::Float64 | Self::Int64 => 8,
            Self::Float32 | Self::Int32 => 4,
            Self::Float16 | Self::Bfloat16 | Self::Int16 => 2,
            Self::Int8 | Self::Uint8 | Self::Bool => 1,
        }
    }

    /// The type that the class `torch.NAME` holds.
    pub(crate) fn of_storage(name: &str) -> Option<Self> {
        let found = TYPES.iter().find(|(_, class, _)| *class == name);
        found.map(|(dtype, ..)| *dtype)
    }

    /// The class of its storages in `torch`.
    pub(crate) fn storage(self) -> &'static str {
        let found = TYPES.iter().find(|(dtype, ..)| *dtype == self);
        found.map_or("", |(_, class, _)| class)
    }
}

impl fmt::Display for Dtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found = TYPES.iter().find(|(dtype, ..)| dtype == self);
        f.write_str(found.map_or("", |(.., name)| name))
    }
}

/// A tensor of the file: its type, its shape and the place of its values.
#[derive(Clone, Debug)]
pub struct Tensor {
    pub(crate) name: String,
    pub(crate) dtype: Dtype,
    pub(crate) shape: Vec<usize>,
    /// Elements of the storage from one index of a dimension to the next.
    pub(crate) strides: Vec<usize>,
    /// Elements of the storage before the first.
    pub(crate) offset: usize,
    pub(crate) storage: Entry,
    pub(crate) storage_name: Arc<str>,
}

impl Tensor {
    /// The type of its elements.
    #[must_use]
    pub fn dtype(&self) -> Dtype {
        self.dtype
    }

    /// The length of each dimension.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Bytes of all elements.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.elements() * self.dtype.bytes()
    }

    /// The product of the shape, which was checked when the file was opened. Beside a 0, any lengths are possible.
    pub(crate) fn elements(&self) -> usize {
        if self.shape.contains(&0) {
            return 0;
        }
        self.shape.iter().product()
    }
}
