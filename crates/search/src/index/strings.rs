//! Strings of a segment by their number: their bytes end to end, then where each begins.

use std::path::{Path, PathBuf};

use memmap2::Mmap;

use crate::index::error::IndexError;
use crate::index::files::{ChecksumFile, FileEntry};

/// Bytes of a position.
const POSITION: usize = size_of::<u64>();

/// Writes strings one after the other. It holds the positions in memory, not the strings.
pub(super) struct StringsWriter {
    file: ChecksumFile,
    /// Where every string begins, and where the last ends.
    positions: Vec<u64>,
}

impl StringsWriter {
    pub(super) fn create(folder: &Path, name: &str) -> Result<Self, IndexError> {
        Ok(Self {
            file: ChecksumFile::create(folder, name)?,
            positions: vec![0],
        })
    }

    pub(super) fn push(&mut self, string: &str) -> Result<(), IndexError> {
        self.file.append(string.as_bytes())?;
        self.positions.push(self.file.bytes());
        Ok(())
    }

    /// A string that was pushed.
    pub(super) fn read_back(&mut self, number: usize) -> Result<String, IndexError> {
        let path = self.file.path();
        let behind = || IndexError::damaged(&path, "it ends early");
        let start = *self.positions.get(number).ok_or_else(behind)?;
        let end = *self.positions.get(number + 1).ok_or_else(behind)?;
        let mut bytes = vec![0; (end - start) as usize];
        self.file.read_back(start, &mut bytes)?;
        String::from_utf8(bytes).map_err(|_| not_utf8(&path))
    }

    pub(super) fn finish(mut self) -> Result<FileEntry, IndexError> {
        for position in &self.positions {
            self.file.append(&position.to_le_bytes())?;
        }
        self.file.finish()
    }
}

/// Strings of a mapped file.
pub(super) struct Strings {
    mapped: Mmap,
    path: PathBuf,
    len: usize,
    /// Where the positions begin.
    positions: usize,
}

impl Strings {
    /// Strings of a file of `len` strings.
    pub(super) fn of(mapped: Mmap, path: PathBuf, len: usize) -> Result<Self, IndexError> {
        let positions = len
            .checked_add(1)
            .and_then(|positions| positions.checked_mul(POSITION))
            .and_then(|bytes| mapped.len().checked_sub(bytes))
            .ok_or_else(|| IndexError::damaged(&path, "it is too short for its rows"))?;
        Ok(Self {
            mapped,
            path,
            len,
            positions,
        })
    }

    /// The string of that number, from 0.
    pub(super) fn get(&self, number: usize) -> Result<&str, IndexError> {
        let out_of_place = || IndexError::damaged(&self.path, "a position is out of place");
        if number >= self.len {
            return Err(out_of_place());
        }
        let start = self.position(number).ok_or_else(out_of_place)?;
        let end = self.position(number + 1).ok_or_else(out_of_place)?;
        if end > self.positions {
            return Err(out_of_place());
        }
        let bytes = self.mapped.get(start..end).ok_or_else(out_of_place)?;
        std::str::from_utf8(bytes).map_err(|_| not_utf8(&self.path))
    }

    fn position(&self, number: usize) -> Option<usize> {
        let start = self.positions + number * POSITION;
        let bytes = self.mapped.get(start..start + POSITION)?;
        usize::try_from(u64::from_le_bytes(bytes.try_into().ok()?)).ok()
    }
}

fn not_utf8(path: &Path) -> IndexError {
    IndexError::damaged(path, "a text is not UTF-8")
}
