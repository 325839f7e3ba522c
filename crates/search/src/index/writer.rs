//! The one writer of an index.

use std::fs::File;
use std::path::{Path, PathBuf};

use roaring::RoaringBitmap;

use crate::index::document::{Change, Document};
use crate::index::error::IndexError;
use crate::index::files::sync_folder;
use crate::index::folder::{
    lock, names_in, remove_unfinished_merge, remove_unused, unfinished_manifest,
};
use crate::index::manifest::{MANIFEST, Manifest, REBUILD};
use crate::index::merge::{self, LIMITS, Limits};
use crate::index::names;
use crate::index::segment_writer::SegmentWriter;
use crate::index::settings::Settings;
use crate::index::written::WrittenSegment;
use crate::query::Fusion;
use crate::vectors::VectorsView;

/// Changes an index. What it does is visible, and survives a crash, from [`commit`](Self::commit) on;
/// what was not committed is lost with the writer.
///
/// Its memory is bounded by one segment, not by the index: vectors and texts go to files at once.
pub struct IndexWriter {
    pub(super) folder: PathBuf,
    /// Holds the lock until it is dropped.
    pub(super) _lock: File,
    /// The name of the manifest that a commit replaces.
    pub(super) manifest: &'static str,
    pub(super) settings: Settings,
    pub(super) number: u64,
    pub(super) next_segment: u64,
    pub(super) segments: Vec<WrittenSegment>,
    pub(super) pending: Option<Pending>,
    /// Whether anything differs from the manifest.
    pub(super) changed: bool,
    failed: bool,
    pub(super) limits: Limits,
}

/// What a commit led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Committed {
    /// Counts the commits that changed something.
    pub number: u64,
    /// Rows of the index.
    pub rows: u64,
}

/// The segment that rows are added to.
pub(super) struct Pending {
    pub(super) writer: SegmentWriter,
    pub(super) deleted: RoaringBitmap,
}

/// Where a row is.
#[derive(Clone, Copy)]
enum Place {
    Segment(usize, u32),
    Pending(u32),
}

impl IndexWriter {
    /// Makes an index without rows, in a folder that is new, empty or left by a killed `create`.
    ///
    /// # Errors
    ///
    /// [`IndexError::Exists`] or [`IndexError::NotEmpty`] if the folder holds something;
    /// [`IndexError::Settings`], [`IndexError::Locked`] and [`IndexError::Io`].
    pub fn create(folder: &Path, settings: Settings) -> Result<Self, IndexError> {
        settings.check()?;
        std::fs::create_dir_all(folder).map_err(IndexError::io("create", folder))?;
        let exists = || IndexError::Exists {
            folder: folder.to_owned(),
        };
        if folder.join(MANIFEST).exists() {
            return Err(exists());
        }
        let entries = std::fs::read_dir(folder).map_err(IndexError::io("read", folder))?;
        for entry in entries {
            let entry = entry.map_err(IndexError::io("read", folder))?;
            let name = entry.file_name();
            if name != names::LOCK && name != unfinished_manifest().as_str() {
                return Err(IndexError::NotEmpty {
                    folder: folder.to_owned(),
                });
            }
        }
        let lock = lock(folder, names::LOCK)?;
        // Another program may have made an index until the lock was taken.
        if folder.join(MANIFEST).exists() {
            return Err(exists());
        }
        let manifest = Manifest {
            number: 0,
            next_segment: 1,
            settings,
            segments: Vec::new(),
        };
        manifest.write(folder, MANIFEST)?;
        match folder.parent() {
            Some(parent) if parent.as_os_str().is_empty() => sync_folder(Path::new("."))?,
            Some(parent) => sync_folder(parent)?,
            None => {}
        }
        Self::with_manifest(folder, lock, MANIFEST, manifest)
    }

    /// Opens an index to change it. Files that a killed writer left are removed.
    ///
    /// # Errors
    ///
    /// [`IndexError::NoIndex`], [`IndexError::Locked`], [`IndexError::Format`],
    /// [`IndexError::Damaged`] and [`IndexError::Io`].
    pub fn open(folder: &Path) -> Result<Self, IndexError> {
        // Before the lock, whose file would be made in any folder.
        Manifest::read(folder)?;
        let lock = lock(folder, names::LOCK)?;
        let mut manifest = Manifest::read(folder)?;
        let rebuild = Manifest::read_usable(folder, REBUILD)?;
        remove_unused(folder, &manifest, rebuild.as_ref());
        remove_unfinished_merge(folder);
        let taken = rebuild.map_or(0, |rebuild| rebuild.next_segment);
        manifest.next_segment = manifest.next_segment.max(taken);
        Self::with_manifest(folder, lock, MANIFEST, manifest)
    }

    pub(super) fn with_manifest(
        folder: &Path,
        lock: File,
        name: &'static str,
        manifest: Manifest,
    ) -> Result<Self, IndexError> {
        let segments = manifest
            .segments
            .into_iter()
            .map(|entry| WrittenSegment::committed(folder, entry, &manifest.settings))
            .collect::<Result<_, IndexError>>()?;
        // A folder of a killed writer that could not be removed keeps its name.
        let numbers = names_in(folder).into_iter();
        let unused = numbers
            .filter_map(|name| names::segment_number(&name))
            .max();
        let unused = unused.unwrap_or_default();
        Ok(Self {
            folder: folder.to_owned(),
            _lock: lock,
            manifest: name,
            settings: manifest.settings,
            number: manifest.number,
            next_segment: manifest.next_segment.max(unused + 1),
            segments,
            pending: None,
            changed: false,
            failed: false,
            limits: LIMITS,
        })
    }

    /// What the index was made for.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Sets how hybrid search joins both rankings unless a query says it, from the next commit on.
    ///
    /// # Errors
    ///
    /// [`IndexError::Settings`] for a weight outside `[0, 1]`.
    pub fn set_fusion(&mut self, fusion: Fusion) -> Result<(), IndexError> {
        let settings = Settings {
            fusion,
            ..self.settings.clone()
        };
        settings.check()?;
        self.changed |= settings != self.settings;
        self.settings = settings;
        Ok(())
    }

    /// Rows, with those that are not committed.
    #[must_use]
    pub fn len(&self) -> u64 {
        let whole: u64 = self.segments.iter().map(WrittenSegment::live).sum();
        let pending = self.pending.as_ref().map_or(0, |pending| {
            u64::from(pending.writer.rows()) - pending.deleted.len()
        });
        whole + pending
    }

    /// The ids of all rows that are committed.
    ///
    /// # Errors
    ///
    /// When the index cannot be read.
    pub fn ids(&self) -> Result<Vec<String>, IndexError> {
        let mut ids = Vec::new();
        for segment in &self.segments {
            for row in (0..segment.rows.rows()).filter(|row| !segment.deleted.contains(*row)) {
                ids.push(segment.rows.id(row)?.to_owned());
            }
        }
        Ok(ids)
    }

    /// Whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What [`add`](Self::add) needs for a document. Texts and values are compared themselves, not
    /// their hashes.
    ///
    /// # Errors
    ///
    /// When the document does not fit the settings, or the index cannot be read.
    pub fn needed(&mut self, document: &Document) -> Result<Change, IndexError> {
        document.check(&self.settings)?;
        self.guarded(|writer| writer.change(document))
    }

    /// Adds a document, or replaces the one with its id. A document that is replaced moves to the end
    /// of the order in which rows were added; one that is not changed stays where it is.
    ///
    /// Without a vector, the row keeps the vector that it has.
    ///
    /// # Errors
    ///
    /// When the document or its vector does not fit the settings; [`IndexError::NeedsVector`] without
    /// a vector for a document whose texts are not in the index; [`IndexError::Io`].
    pub fn add(&mut self, document: &Document, vector: Option<&[f32]>) -> Result<(), IndexError> {
        document.check(&self.settings)?;
        let normalized = vector
            .map(|vector| self.normalized(&document.id, vector))
            .transpose()?;
        self.guarded(|writer| {
            let vector = match normalized {
                Some(vector) => vector,
                None => match writer.change(document)? {
                    Change::Unchanged => return Ok(()),
                    Change::SameTexts => writer.vector_of(&document.id)?,
                    Change::New => {
                        return Err(IndexError::NeedsVector {
                            id: document.id.clone(),
                        });
                    }
                },
            };
            writer.delete(&document.id)?;
            writer.push(document, &vector)
        })
    }

    /// Removes the document with an id, and says whether there was one.
    ///
    /// # Errors
    ///
    /// When the index cannot be read.
    pub fn remove(&mut self, id: &str) -> Result<bool, IndexError> {
        self.guarded(|writer| writer.delete(id))
    }

    /// Makes everything since the last commit part of the index, at once and for good: all of it is
    /// there after a crash, or nothing. Small segments are joined on the way.
    ///
    /// # Errors
    ///
    /// [`IndexError::Io`], after which the index is as it was before, and this writer is of no use.
    pub fn commit(&mut self) -> Result<Committed, IndexError> {
        self.guarded(|writer| writer.finish(merge::small))
    }

    /// Commits, and rewrites segments so that as few as possible are left, without deleted rows.
    ///
    /// # Errors
    ///
    /// As [`commit`](Self::commit).
    pub fn merge(&mut self) -> Result<Committed, IndexError> {
        self.guarded(|writer| writer.finish(merge::all))
    }

    /// Runs a change. When it fails on the way, the files may hold half of it: then the writer is of
    /// no use, so that no commit can make that half part of the index.
    pub(super) fn guarded<T>(
        &mut self,
        change: impl FnOnce(&mut Self) -> Result<T, IndexError>,
    ) -> Result<T, IndexError> {
        self.check_usable()?;
        let result = change(self);
        self.failed = !matches!(result, Ok(_) | Err(IndexError::NeedsVector { .. }));
        result
    }

    /// Fails after a change that failed on its way.
    pub(super) fn check_usable(&self) -> Result<(), IndexError> {
        if !self.failed {
            return Ok(());
        }
        Err(IndexError::WriterFailed {
            folder: self.folder.clone(),
        })
    }

    /// A vector as it is stored.
    fn normalized(&self, id: &str, vector: &[f32]) -> Result<Vec<f32>, IndexError> {
        let refused = |source| IndexError::Vector {
            id: id.to_owned(),
            source,
        };
        let width = self.settings.width;
        if vector.len() != width {
            return Err(refused(crate::SearchError::Width {
                left: vector.len(),
                right: width,
            }));
        }
        let view = VectorsView::new(vector, width).map_err(refused)?;
        self.settings
            .similarity
            .normalized_rows(view)
            .map_err(refused)
    }

    fn change(&mut self, document: &Document) -> Result<Change, IndexError> {
        let Some(place) = self.place(&document.id)? else {
            return Ok(Change::New);
        };
        let (same_texts, values) = match place {
            Place::Segment(number, row) => {
                let rows = &self.segments[number].rows;
                (rows.texts(row)? == document.texts, rows.values(row))
            }
            Place::Pending(row) => match &mut self.pending {
                None => return Ok(Change::New),
                Some(Pending { writer, .. }) => {
                    (writer.texts(row)? == document.texts, writer.values(row))
                }
            },
        };
        Ok(match (same_texts, values == document.values) {
            (false, _) => Change::New,
            (true, false) => Change::SameTexts,
            (true, true) => Change::Unchanged,
        })
    }

    fn vector_of(&mut self, id: &str) -> Result<Vec<f32>, IndexError> {
        match (self.place(id)?, &mut self.pending) {
            (Some(Place::Segment(number, row)), _) => {
                self.segments[number].rows.vector(row).map(<[f32]>::to_vec)
            }
            (Some(Place::Pending(row)), Some(pending)) => pending.writer.vector(row),
            _ => Err(IndexError::NeedsVector { id: id.to_owned() }),
        }
    }

    fn place(&self, id: &str) -> Result<Option<Place>, IndexError> {
        if let Some(row) = self
            .pending
            .as_ref()
            .and_then(|pending| pending.writer.find(id))
        {
            return Ok(Some(Place::Pending(row)));
        }
        // Rows that change are more often new ones.
        for (number, segment) in self.segments.iter().enumerate().rev() {
            if let Some(row) = segment.rows.find(id, &segment.deleted)? {
                return Ok(Some(Place::Segment(number, row)));
            }
        }
        Ok(None)
    }

    fn delete(&mut self, id: &str) -> Result<bool, IndexError> {
        match (self.place(id)?, &mut self.pending) {
            (Some(Place::Segment(number, row)), _) => {
                self.segments[number].deleted.insert(row);
                self.segments[number].changed = true;
            }
            (Some(Place::Pending(row)), Some(pending)) => {
                pending.deleted.insert(row);
                pending.writer.forget(id);
            }
            _ => return Ok(false),
        }
        self.changed = true;
        Ok(true)
    }

    fn push(&mut self, document: &Document, vector: &[f32]) -> Result<(), IndexError> {
        self.changed = true;
        let pending = match &mut self.pending {
            Some(pending) => pending,
            none => none.insert(Pending {
                writer: new_segment(&self.folder, &mut self.next_segment, &self.settings)?,
                deleted: RoaringBitmap::new(),
            }),
        };
        pending.writer.push(document, vector)?;
        if u64::from(pending.writer.rows()) >= self.limits.rows
            || pending.writer.text_bytes() >= self.limits.text_bytes
        {
            self.seal()?;
        }
        Ok(())
    }
}

/// Begins the segment of the next number.
pub(super) fn new_segment(
    folder: &Path,
    next: &mut u64,
    settings: &Settings,
) -> Result<SegmentWriter, IndexError> {
    let number = *next;
    *next += 1;
    SegmentWriter::create(folder, names::segment(number), settings)
}
