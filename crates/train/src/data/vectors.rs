//! The vectors of all texts by a guide or a teacher: one for each distinct text, in a file.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use model::ModelError;

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
}

impl TextVectors {
    /// `file` has `[distinct texts, width]` numbers, and `places` names the vector of every text, row by row.
    pub(crate) fn new(file: File, path: PathBuf, width: usize, places: Vec<usize>) -> Self {
        Self {
            file: Mutex::new(file),
            path,
            width,
            places,
        }
    }

    /// The vectors of the texts of some rows, one after the other.
    pub(super) fn of_rows(&self, rows: &[usize], columns: usize) -> Result<Vec<f32>, ModelError> {
        let cells = rows
            .iter()
            .flat_map(|row| row * columns..(row + 1) * columns);
        let places: Vec<usize> = cells.map(|cell| self.places[cell]).collect();
        let bytes = self.read(&places).map_err(|source| ModelError::Io {
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
