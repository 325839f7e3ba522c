//! The values of a tensor that lie in its storage in another order than row-major.

use std::io::{Read, Seek};

use crate::archive::Archive;
use crate::error::{Result, TensorErrorKind, TorchError};
use crate::tensor::Tensor;

/// Bytes of the storage that are in memory at a time.
const WINDOW_BYTES: usize = 16 << 20;

/// A dimension in the order of the storage.
#[derive(Clone, Copy)]
struct Dimension {
    length: usize,
    /// Elements of the storage from one index to the next.
    stride: usize,
    /// Elements of the row-major result from one index to the next.
    step: usize,
}

impl Tensor {
    /// Whether the values lie in the storage without gaps in row-major order.
    pub(crate) fn is_contiguous(&self) -> bool {
        // torch gives any stride to a dimension of one element.
        let in_order = |dimension: &Dimension| dimension.stride == dimension.step;
        self.elements() == 0 || self.dimensions().iter().all(in_order)
    }

    /// The dimensions of more than one element.
    fn dimensions(&self) -> Vec<Dimension> {
        let mut step = 1;
        let mut dimensions = Vec::new();
        for (&length, &stride) in std::iter::zip(&self.shape, &self.strides).rev() {
            if length > 1 {
                dimensions.push(Dimension {
                    length,
                    stride,
                    step,
                });
                step *= length;
            }
        }
        dimensions
    }

    /// Brings the values into row-major order.
    ///
    /// Walks through the storage from its first to its last element, so that a window of it is enough.
    pub(crate) fn gather<R: Read + Seek>(
        &self,
        archive: &Archive<R>,
        bytes: &mut [u8],
    ) -> Result<()> {
        let size = self.dtype.bytes();
        let mut dimensions = self.dimensions();
        dimensions.sort_by_key(|dimension| dimension.stride);
        let mut window = Window::new(self);
        if !window.holds_all() && !ascends(&dimensions) {
            return Err(TorchError::tensor(&self.name, TensorErrorKind::Repeated));
        }
        // An odometer whose first digit is the fastest, and the places that it stands for.
        let mut digits = vec![0; dimensions.len()];
        let (mut from, mut to) = (self.offset, 0);
        loop {
            let value = window.get(archive, from * size)?;
            bytes[to * size..][..size].copy_from_slice(value);
            let mut advanced = false;
            for (digit, dimension) in digits.iter_mut().zip(&dimensions) {
                if *digit + 1 < dimension.length {
                    *digit += 1;
                    from += dimension.stride;
                    to += dimension.step;
                    advanced = true;
                    break;
                }
                from -= *digit * dimension.stride;
                to -= *digit * dimension.step;
                *digit = 0;
            }
            if !advanced {
                return Ok(());
            }
        }
    }
}

/// Whether each step of the odometer goes forward in the storage: no dimension is longer than the stride of the next.
fn ascends(dimensions: &[Dimension]) -> bool {
    let mut reach = 0;
    dimensions.iter().all(|dimension| {
        let forward = dimension.stride >= reach;
        reach += (dimension.length - 1) * dimension.stride;
        forward
    })
}

/// A part of a storage in memory.
struct Window {
    /// Position of the storage in the file, and its length.
    storage: (u64, usize),
    /// Bytes of the element.
    size: usize,
    /// First byte of the part in the storage.
    start: usize,
    bytes: Vec<u8>,
}

impl Window {
    fn new(tensor: &Tensor) -> Self {
        Self {
            storage: (tensor.storage.start, tensor.storage.bytes as usize),
            size: tensor.dtype.bytes(),
            start: 0,
            bytes: Vec::new(),
        }
    }

    fn holds_all(&self) -> bool {
        self.storage.1 <= WINDOW_BYTES
    }

    /// The element at a byte of the storage.
    fn get<R: Read + Seek>(&mut self, archive: &Archive<R>, position: usize) -> Result<&[u8]> {
        let inside = position
            .checked_sub(self.start)
            .is_some_and(|at| at + self.size <= self.bytes.len());
        if !inside {
            let (file_start, length) = self.storage;
            self.start = if self.holds_all() { 0 } else { position };
            self.bytes.resize(WINDOW_BYTES.min(length - self.start), 0);
            archive.read_at(file_start + self.start as u64, &mut self.bytes)?;
        }
        Ok(&self.bytes[position - self.start..][..self.size])
    }
}
