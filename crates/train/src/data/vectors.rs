//! The vectors of all texts by a guide or a teacher: one for each distinct text, in a file.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use model::ModelError;

use super::axes::Axes;

/// The most vectors of which principal axes are computed.
const SAMPLE: usize = 50_000;

/// The vectors of the texts of a table, in a file of little-endian `f32`.
///
/// A vector of 768 numbers takes 3 KB, so a million would take more memory than most models; the system keeps what
/// is read often.
#[derive(Debug)]
pub(crate) struct TextVectors {
    /// Behind a lock, because a read moves the position.
    file: Mutex<File>,
    /// For messages.
    path: PathBuf,
    width: usize,
    /// The number of every text's vector in the file, row by row.
    places: Vec<usize>,
    /// What the vectors are projected on, unless they are as they were computed.
    axes: Option<Arc<Axes>>,
}

impl TextVectors {
    /// `file` has `[distinct texts, width]` numbers, and `places` names the vector of every text, row by row.
    pub(crate) fn new(file: File, path: PathBuf, width: usize, places: Vec<usize>) -> Self {
        Self {
            file: Mutex::new(file),
            path,
            width,
            places,
            axes: None,
        }
    }

    /// The first principal axes of the vectors, or of a part of many.
    pub(crate) fn axes(&self, count: usize) -> Result<Axes, ModelError> {
        let every = self.places.len().div_ceil(SAMPLE).max(1);
        let sample: Vec<usize> = self.places.iter().copied().step_by(every).collect();
        Ok(Axes::of(&self.numbers(&sample)?, self.width, count))
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
        let places: Vec<usize> = cells.map(|cell| self.places[cell]).collect();
        let vectors = self.numbers(&places)?;
        Ok(match &self.axes {
            Some(axes) => axes.project(&vectors),
            None => vectors,
        })
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
