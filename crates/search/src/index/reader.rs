//! A snapshot of an index.

use std::path::{Path, PathBuf};

use crate::index::document::Document;
use crate::index::error::IndexError;
use crate::index::manifest::Manifest;
use crate::index::names;
use crate::index::place::Place;
use crate::index::recall;
use crate::index::segment::LiveSegment;
use crate::index::settings::Settings;
use crate::index::stored::StoredRows;
use crate::vectors::Recall;

/// How often a manifest is read that was replaced while its segments were opened.
const ATTEMPTS: usize = 100;

/// An index as it was at a commit. It stays so, whatever a writer does; threads may share it.
pub struct IndexReader {
    folder: PathBuf,
    pub(super) manifest: Manifest,
    pub(super) segments: Vec<LiveSegment>,
}

/// What an index consists of.
#[derive(Clone, Debug, PartialEq)]
pub struct Info {
    /// Counts the commits that changed something.
    pub number: u64,
    /// Rows that are not deleted.
    pub rows: u64,
    /// Deleted rows that no merge has dropped yet.
    pub deleted: u64,
    /// Segments.
    pub segments: usize,
    /// Bytes of all files.
    pub bytes: u64,
    /// Bytes of the vectors in float32, which are mapped and read where a row may be a hit.
    pub vector_bytes: u64,
    /// Bytes of their codes, which are in memory.
    pub code_bytes: u64,
    /// Bytes of the words, which are mapped.
    pub word_bytes: u64,
    /// The share of the exact ten hits that a search with [`recall`](crate::Query::recall) finds, by the
    /// number of candidates: measured with rows of the index as queries. Empty for an index whose
    /// segments are so small that every search is exact.
    pub recall: Vec<Recall>,
}

impl IndexReader {
    /// Opens the index in a folder as its last commit left it.
    ///
    /// # Errors
    ///
    /// [`IndexError::NoIndex`], [`IndexError::Format`], [`IndexError::Damaged`],
    /// [`IndexError::Manifest`] and [`IndexError::Io`].
    pub fn open(folder: &Path) -> Result<Self, IndexError> {
        Self::open_after(folder, &[])
    }

    /// The snapshot of a later commit, or of another index that took the place of this one, which shares the segments that
    /// it has in common with this one; none where nothing changed.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub fn refreshed(&self) -> Result<Option<Self>, IndexError> {
        let manifest = Manifest::read(&self.folder)?;
        // Another index may have the same number.
        if manifest == self.manifest {
            return Ok(None);
        }
        Self::open_after(&self.folder, &self.segments).map(Some)
    }

    fn open_after(folder: &Path, older: &[LiveSegment]) -> Result<Self, IndexError> {
        let mut manifest = Manifest::read(folder)?;
        for _ in 0..ATTEMPTS {
            match Self::open_segments(folder, &manifest, older) {
                // A writer removes the files of older commits, also while they are being opened.
                Err(error) => {
                    let newer = Manifest::read(folder)?;
                    if newer == manifest {
                        return Err(error);
                    }
                    manifest = newer;
                }
                Ok(segments) => {
                    return Ok(Self {
                        folder: folder.to_owned(),
                        segments,
                        manifest,
                    });
                }
            }
        }
        Self::open_segments(folder, &manifest, older).map(|segments| Self {
            folder: folder.to_owned(),
            manifest,
            segments,
        })
    }

    fn open_segments(
        folder: &Path,
        manifest: &Manifest,
        older: &[LiveSegment],
    ) -> Result<Vec<LiveSegment>, IndexError> {
        manifest
            .segments
            .iter()
            .map(|entry| LiveSegment::open(folder, entry, &manifest.settings, older))
            .collect()
    }

    /// What the index was made for.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.manifest.settings
    }

    /// Rows.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.segments.iter().map(LiveSegment::live).sum()
    }

    /// Whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The document with an id.
    ///
    /// # Errors
    ///
    /// [`IndexError::Damaged`].
    pub fn document(&self, id: &str) -> Result<Option<Document>, IndexError> {
        self.find(id)?
            .map(|place| self.rows_at(place).document(place.row))
            .transpose()
    }

    /// The vector of the document with an id: `[width]`, of length 1 for the cosine.
    ///
    /// # Errors
    ///
    /// [`IndexError::Damaged`].
    pub fn vector(&self, id: &str) -> Result<Option<Vec<f32>>, IndexError> {
        self.find(id)?
            .map(|place| self.rows_at(place).vector(place.row).map(<[f32]>::to_vec))
            .transpose()
    }

    /// All documents, in the order in which they were added.
    pub fn documents(&self) -> impl Iterator<Item = Result<Document, IndexError>> {
        self.segments.iter().flat_map(|segment| {
            (0..segment.rows())
                .filter(|row| !segment.deleted.contains(*row))
                .map(|row| segment.segment.rows.document(row))
        })
    }

    /// A hash of the checksums of all files: the same for the same rows, wherever the folder is.
    #[must_use]
    pub fn content_hash(&self) -> String {
        let mut hash = crc32fast::Hasher::new();
        let mut bytes = 0;
        for segment in &self.manifest.segments {
            for file in segment.files.iter().chain(&segment.deleted) {
                hash.update(file.name.as_bytes());
                hash.update(&file.crc32.to_le_bytes());
                bytes += file.bytes;
            }
        }
        format!("{:08x}-{bytes}", hash.finalize())
    }

    /// What the index consists of.
    #[must_use]
    pub fn info(&self) -> Info {
        let bytes = |counts: fn(&str) -> bool| {
            let segments = self.manifest.segments.iter();
            let files = segments.flat_map(|segment| segment.files.iter().chain(&segment.deleted));
            files
                .filter(|file| counts(&file.name))
                .map(|file| file.bytes)
                .sum()
        };
        let segments = self.segments.iter();
        let tables = segments.map(|live| (live.segment.recall.as_slice(), live.live()));
        Info {
            number: self.manifest.number,
            rows: self.len(),
            deleted: self.segments.iter().map(|s| s.deleted.len()).sum(),
            segments: self.segments.len(),
            bytes: bytes(|_| true),
            vector_bytes: bytes(|name| name == names::VECTORS),
            code_bytes: bytes(|name| name == names::CODES),
            word_bytes: bytes(names::is_of_words),
            recall: recall::joined(tables),
        }
    }

    /// The row with an id.
    pub(super) fn find(&self, id: &str) -> Result<Option<Place>, IndexError> {
        for (number, segment) in self.segments.iter().enumerate() {
            if let Some(row) = segment.segment.rows.find(id, &segment.deleted)? {
                return Ok(Some(Place {
                    segment: number,
                    row,
                }));
            }
        }
        Ok(None)
    }

    fn rows_at(&self, place: Place) -> &StoredRows {
        &self.segments[place.segment].segment.rows
    }
}
