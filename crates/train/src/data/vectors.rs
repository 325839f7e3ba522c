//! The vectors of all texts by guides or teachers: one for each distinct text and model, in a file per model.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use model::ModelError;

use super::axes::Axes;

/// The most vectors of which principal axes are computed.
const SAMPLE: usize = 50_000;

/// The vectors of the texts of a table by one or several models.
#[derive(Debug)]
pub(crate) struct TextVectors {
    /// Those of every model.
    parts: Vec<Part>,
    /// What the vectors are projected on, unless they are as they were computed.
    axes: Option<Arc<Axes>>,
}

/// The vectors of one model, in a file of little-endian `f32`.
///
/// A vector of 768 numbers takes 3 KB, so a million would take more memory than most models; the system keeps what
/// is read often.
#[derive(Debug)]
struct Part {
    /// Behind a lock, because a read moves the position.
    file: Mutex<File>,
    /// For messages.
    path: PathBuf,
    width: usize,
    /// The number of every text's vector in the file, row by row.
    places: Vec<usize>,
    /// The norm of each vector; `None` leaves it as it is.
    norm: Option<f32>,
}

impl TextVectors {
    /// `file` has `[distinct texts, width]` numbers, and `places` names the vector of every text, row by row.
    pub(crate) fn new(file: File, path: PathBuf, width: usize, places: Vec<usize>) -> Self {
        let part = Part {
            file: Mutex::new(file),
            path,
            width,
            places,
            norm: None,
        };
        Self {
            parts: vec![part],
            axes: None,
        }
    }

    /// The vectors of several models for the same table, side by side and with these norms. Those of one stay as they are.
    pub(crate) fn side_by_side(all: Vec<(Self, f32)>) -> Self {
        let several = all.len() > 1;
        let parts = all.into_iter().flat_map(|(vectors, norm)| {
            vectors.parts.into_iter().map(move |part| Part {
                norm: several.then_some(norm),
                ..part
            })
        });
        Self {
            parts: parts.collect(),
            axes: None,
        }
    }

    /// The first principal axes of the vectors of rows with so many columns of texts, or of a part of many rows.
    pub(crate) fn axes(&self, count: usize, columns: usize) -> Result<Axes, ModelError> {
        let texts = self.parts.first().map_or(0, |part| part.places.len());
        let every = texts.div_ceil(SAMPLE).max(1);
        let rows = (0..texts / columns).step_by(every);
        let sample = rows.flat_map(|row| row * columns..(row + 1) * columns);
        let width = self.parts.iter().map(|part| part.width).sum();
        Ok(Axes::of(
            &self.of_cells(&sample.collect::<Vec<_>>())?,
            width,
            count,
        ))
    }

    /// The number of different vectors by the first model.
    pub(crate) fn count(&self) -> usize {
        let places = self.parts.iter().take(1).flat_map(|part| &part.places);
        places.max().map_or(0, |last| last + 1)
    }

    /// Gives the coordinates of all vectors along axes from now on.
    pub(crate) fn project(&mut self, axes: Arc<Axes>) {
        self.axes = Some(axes);
    }

    /// The vectors of the texts of some rows, one after the other.
    pub(super) fn of_rows(&self, rows: &[usize], columns: usize) -> Result<Vec<f32>, ModelError> {
        let cells = rows
            .iter()
            .flat_map(|row| row * columns..(row + 1) * columns);
        let vectors = self.of_cells(&cells.collect::<Vec<_>>())?;
        Ok(match &self.axes {
            Some(axes) => axes.project(&vectors),
            None => vectors,
        })
    }

    /// The vectors of texts, counted row by row, before they are projected.
    fn of_cells(&self, cells: &[usize]) -> Result<Vec<f32>, ModelError> {
        let mut parts = Vec::with_capacity(self.parts.len());
        for part in &self.parts {
            parts.push((part.of_cells(cells)?, part.width));
        }
        if let [(_, _)] = &parts[..] {
            return Ok(parts.remove(0).0);
        }
        let row = |index: usize| {
            parts
                .iter()
                .flat_map(move |(numbers, width)| &numbers[index * width..][..*width])
        };
        Ok((0..cells.len()).flat_map(row).copied().collect())
    }
}

impl Part {
    fn of_cells(&self, cells: &[usize]) -> Result<Vec<f32>, ModelError> {
        let places: Vec<usize> = cells.iter().map(|&cell| self.places[cell]).collect();
        let mut numbers = self.numbers(&places)?;
        if let Some(norm) = self.norm {
            for vector in numbers.chunks_exact_mut(self.width) {
                let length = vector.iter().map(|value| value * value).sum::<f32>().sqrt();
                // A text of which a static model knows no word has a vector of zeros.
                let factor = if length > 0.0 { norm / length } else { 0.0 };
                vector.iter_mut().for_each(|value| *value *= factor);
            }
        }
        Ok(numbers)
    }

    /// The vectors of these numbers in the file.
    fn numbers(&self, places: &[usize]) -> Result<Vec<f32>, ModelError> {
        let bytes = self.read(places).map_err(|source| ModelError::Io {
            path: self.path.clone(),
            source,
        })?;
        let (numbers, _) = bytes.as_chunks::<4>();
        Ok(numbers.iter().copied().map(f32::from_le_bytes).collect())
    }

    fn read(&self, places: &[usize]) -> io::Result<Vec<u8>> {
        let row = self.width * size_of::<f32>();
        let mut bytes = vec![0; places.len() * row];
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        for (place, vector) in places.iter().zip(bytes.chunks_exact_mut(row)) {
            file.seek(SeekFrom::Start((place * row) as u64))?;
            file.read_exact(vector)?;
        }
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn vectors(numbers: &[f32], width: usize, places: Vec<usize>) -> TextVectors {
        let mut file = tempfile::tempfile().unwrap();
        let bytes = numbers.iter().flat_map(|number| number.to_le_bytes());
        file.write_all(&bytes.collect::<Vec<u8>>()).unwrap();
        TextVectors::new(file, PathBuf::new(), width, places)
    }

    /// The second model tells apart two texts that are one for the first.
    #[test]
    fn vectors_of_several_models_are_side_by_side() {
        let one = || vectors(&[3.0, 4.0], 2, vec![0, 0]);
        let other = vectors(&[0.0, 5.0, 0.0, 2.0, 0.0, 0.0], 3, vec![1, 0]);
        let both = TextVectors::side_by_side(vec![(one(), 2.0), (other, 10.0)]);
        let expected = [1.2, 1.6, 10.0, 0.0, 0.0, 1.2, 1.6, 0.0, 10.0, 0.0];
        for (number, expected) in both.of_rows(&[0, 1], 1).unwrap().iter().zip(expected) {
            assert!((number - expected).abs() < 1e-6, "{number} {expected}");
        }
        let zero = vectors(&[0.0, 0.0], 2, vec![0]);
        let zero = TextVectors::side_by_side(vec![(zero, 1e3), (one(), 1.0)]);
        assert_eq!(zero.of_rows(&[0], 1).unwrap(), [0.0, 0.0, 0.6, 0.8]);
        let alone = TextVectors::side_by_side(vec![(one(), 2.0)]);
        assert_eq!(alone.of_rows(&[1], 1).unwrap(), [3.0, 4.0]);
    }
}
