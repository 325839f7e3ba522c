//! Calibration of 8-bit integers: the smallest and the largest value of each dimension.

use std::path::{Path, PathBuf};

use program::atomic_file;

use super::error::VectorFileErrorKind;
use super::{VectorError, VectorFormat, count::count, npy};

/// How many rows at most the ranges come from, if no file has them.
pub const CALIBRATION_ROWS: usize = 10_000;

/// Steps between the smallest and the largest value.
const STEPS: f32 = 255.0;

/// The smallest and the largest value of each dimension.
#[derive(Clone, Debug, PartialEq)]
pub struct Ranges {
    smallest: Vec<f32>,
    largest: Vec<f32>,
}

impl Ranges {
    /// Ranges of no vector yet.
    #[must_use]
    pub fn of_width(width: usize) -> Self {
        Self {
            smallest: vec![f32::INFINITY; width],
            largest: vec![f32::NEG_INFINITY; width],
        }
    }

    /// Widens the ranges so that they hold these vectors, row-major `[rows, width]`.
    pub fn include(&mut self, values: &[f32]) {
        let width = self.smallest.len().max(1);
        for vector in values.chunks_exact(width) {
            for (value, (smallest, largest)) in vector
                .iter()
                .zip(self.smallest.iter_mut().zip(&mut self.largest))
            {
                *smallest = smallest.min(*value);
                *largest = largest.max(*value);
            }
        }
    }

    /// Reads an array `[2, width]` of float32: the smallest values, then the largest.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, or does not hold such an array of finite numbers.
    pub fn read(path: &Path, width: usize) -> Result<Self, VectorError> {
        let read = npy::read_npy(path, Some("<f4"))?;
        let mut values = read.values;
        let ordered = || {
            let (smallest, largest) = values.split_at(width);
            smallest.iter().zip(largest).all(|(a, b)| a <= b)
        };
        if read.width != width || values.len() != 2 * width || !ordered() {
            let kind = VectorFileErrorKind::Ranges { width };
            return Err(VectorError::file(path, kind));
        }
        let largest = values.split_off(width);
        Ok(Self {
            smallest: values,
            largest,
        })
    }

    /// Writes an array that [`read`](Self::read) and NumPy read.
    ///
    /// # Errors
    ///
    /// When the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), VectorError> {
        let io = VectorError::io(path);
        let mut bytes = Vec::new();
        npy::write_header(&mut bytes, "<f4", 2, self.smallest.len()).map_err(io)?;
        for value in self.smallest.iter().chain(&self.largest) {
            bytes.extend(value.to_le_bytes());
        }
        atomic_file::write(path, &bytes).map_err(io)
    }

    /// The step of each value of a vector, from 0 to 255.
    pub(super) fn steps(&self, vector: &[f32]) -> impl Iterator<Item = u8> {
        vector
            .iter()
            .zip(self.smallest.iter().zip(&self.largest))
            .map(|(value, (smallest, largest))| {
                let step = (largest - smallest) / STEPS;
                let step = if step == 0.0 { 1.0 } else { step };
                // The conversion keeps the number within 0 and 255, and NaN is excluded.
                ((value - smallest) / step).floor() as u8
            })
    }
}

/// Whether a file looks like the ranges of some vectors.
#[must_use]
pub fn is_ranges_file(path: &Path) -> bool {
    path.metadata().is_ok_and(|found| found.is_file()) && count(path, VectorFormat::Npy) == Some(2)
}

/// The file of the ranges of a file of vectors.
#[must_use]
pub fn ranges_path(path: &Path) -> PathBuf {
    super::beside(path, ".ranges.npy")
}
