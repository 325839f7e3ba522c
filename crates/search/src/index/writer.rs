//! The one writer of an index.

use std::fs::{File, TryLockError};
use std::ops::Range;
use std::path::{Path, PathBuf};

use roaring::RoaringBitmap;

use crate::index::document::{Change, Document};
use crate::index::error::IndexError;
use crate::index::files::{ChecksumFile, UNFINISHED, sync_file, sync_folder};
use crate::index::manifest::{MANIFEST, Manifest, REBUILD, SegmentEntry};
use crate::index::merge::{self, LIMITS, Limits, Size};
use crate::index::names;
use crate::index::segment_writer::SegmentWriter;
use crate::index::settings::Settings;
use crate::index::stored::{StoredRows, read_deleted};
use crate::vectors::VectorsView;

/// Changes an index. What it does is visible, and survives a crash, from [`commit`](Self::commit) on;
/// what was not committed is lost with the writer.
///
/// Its memory is bounded by one segment, not by the index: vectors and texts go to files at once.
pub struct IndexWriter {
    folder: PathBuf,
    /// Holds the lock until it is dropped.
    _lock: File,
    /// The name of the manifest that a commit replaces.
    manifest: &'static str,
    settings: Settings,
    number: u64,
    next_segment: u64,
    segments: Vec<Segment>,
    pending: Option<Pending>,
    /// Whether anything differs from the manifest.
    changed: bool,
    failed: bool,
    limits: Limits,
}

/// What a commit led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Committed {
    /// Counts the commits that changed something.
    pub number: u64,
    /// Rows of the index.
    pub rows: u64,
}

/// A whole segment.
struct Segment {
    entry: SegmentEntry,
    rows: StoredRows,
    deleted: RoaringBitmap,
    /// Whether rows were deleted since the last commit.
    changed: bool,
    /// Whether its files are on the disk for good.
    synced: bool,
}

/// The segment that rows are added to.
struct Pending {
    writer: SegmentWriter,
    deleted: RoaringBitmap,
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
        let lock = lock(folder)?;
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
        if let Some(parent) = folder
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty())
        {
            sync_folder(parent)?;
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
        let lock = lock(folder)?;
        let mut manifest = Manifest::read(folder)?;
        let rebuild = Manifest::read_named(folder, REBUILD).ok();
        remove_unused(folder, &manifest, rebuild.as_ref());
        let taken = rebuild.map_or(0, |rebuild| rebuild.next_segment);
        manifest.next_segment = manifest.next_segment.max(taken);
        Self::with_manifest(folder, lock, MANIFEST, manifest)
    }

    /// Begins an index with other settings in the place of one, or goes on with it: it is filled beside
    /// the other, which stays in use until [`switch`](Self::switch). One that was begun with other
    /// settings than these is dropped.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open); [`IndexError::Settings`].
    pub fn rebuild(folder: &Path, settings: Settings) -> Result<Self, IndexError> {
        settings.check()?;
        Manifest::read(folder)?;
        let lock = lock(folder)?;
        let current = Manifest::read(folder)?;
        let begun = Manifest::read_named(folder, REBUILD).ok();
        let mut manifest = begun
            .filter(|begun| begun.settings == settings)
            .unwrap_or_else(|| Manifest {
                number: current.number,
                next_segment: current.next_segment,
                settings,
                segments: Vec::new(),
            });
        manifest.next_segment = manifest.next_segment.max(current.next_segment);
        manifest.write(folder, REBUILD)?;
        remove_unused(folder, &manifest, Some(&current));
        Self::with_manifest(folder, lock, REBUILD, manifest)
    }

    /// Commits, and puts the index that [`rebuild`](Self::rebuild) has begun in the place of the other:
    /// at once, for readers that open it from now on.
    ///
    /// # Errors
    ///
    /// As [`commit`](Self::commit).
    pub fn switch(mut self) -> Result<Committed, IndexError> {
        let committed = self.commit()?;
        if self.manifest == MANIFEST {
            return Ok(committed);
        }
        let current = Manifest::read(&self.folder)?;
        let manifest = Manifest {
            // Readers look for a higher number.
            number: self.number.max(current.number) + 1,
            ..Manifest::read_named(&self.folder, REBUILD)?
        };
        manifest.write(&self.folder, REBUILD)?;
        let target = self.folder.join(MANIFEST);
        std::fs::rename(self.folder.join(REBUILD), &target)
            .map_err(IndexError::io("replace", &target))?;
        sync_folder(&self.folder)?;
        remove_unused(&self.folder, &manifest, None);
        Ok(Committed {
            number: manifest.number,
            ..committed
        })
    }

    fn with_manifest(
        folder: &Path,
        lock: File,
        name: &'static str,
        manifest: Manifest,
    ) -> Result<Self, IndexError> {
        let segments = manifest
            .segments
            .into_iter()
            .map(|entry| {
                Ok(Segment {
                    rows: StoredRows::open(folder, &entry, &manifest.settings)?,
                    deleted: read_deleted(folder, &entry)?,
                    entry,
                    changed: false,
                    synced: true,
                })
            })
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

    /// Rows, with those that are not committed.
    #[must_use]
    pub fn len(&self) -> u64 {
        let whole: u64 = self.segments.iter().map(Segment::live).sum();
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
                ids.push(segment.rows.document(row)?.id);
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
    fn guarded<T>(
        &mut self,
        change: impl FnOnce(&mut Self) -> Result<T, IndexError>,
    ) -> Result<T, IndexError> {
        if self.failed {
            return Err(IndexError::WriterFailed {
                folder: self.folder.clone(),
            });
        }
        let result = change(self);
        self.failed = !matches!(result, Ok(_) | Err(IndexError::NeedsVector { .. }));
        result
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

    /// Makes a whole segment of the one that rows are added to.
    fn seal(&mut self) -> Result<(), IndexError> {
        if let Some(Pending { writer, deleted }) = self.pending.take() {
            let segment = Segment::open(&self.folder, writer, deleted, &self.settings)?;
            self.segments.push(segment);
        }
        Ok(())
    }

    fn finish(
        &mut self,
        plan: fn(&[Size], Limits) -> Vec<Range<usize>>,
    ) -> Result<Committed, IndexError> {
        self.seal()?;
        self.segments.retain(|segment| segment.live() > 0);
        let sizes: Vec<Size> = self.segments.iter().map(Segment::size).collect();
        for range in plan(&sizes, self.limits).into_iter().rev() {
            let joined = self.join(range.clone())?;
            self.segments.splice(range, [joined]);
            self.changed = true;
        }
        if self.changed {
            self.write_manifest()?;
        }
        Ok(Committed {
            number: self.number,
            rows: self.len(),
        })
    }

    /// Writes the rows of segments that are not deleted as one segment.
    fn join(&mut self, range: Range<usize>) -> Result<Segment, IndexError> {
        let mut writer = new_segment(&self.folder, &mut self.next_segment, &self.settings)?;
        for segment in &self.segments[range] {
            for row in (0..segment.rows.rows()).filter(|row| !segment.deleted.contains(*row)) {
                writer.push(&segment.rows.document(row)?, segment.rows.vector(row)?)?;
            }
        }
        Segment::open(&self.folder, writer, RoaringBitmap::new(), &self.settings)
    }

    fn write_manifest(&mut self) -> Result<(), IndexError> {
        let number = self.number + 1;
        for segment in &mut self.segments {
            segment.save(&self.folder, number)?;
        }
        // The names of the segments' folders must be there before the manifest that names them.
        sync_folder(&self.folder)?;
        let manifest = Manifest {
            number,
            next_segment: self.next_segment,
            settings: self.settings.clone(),
            segments: self.segments.iter().map(|s| s.entry.clone()).collect(),
        };
        manifest.write(&self.folder, self.manifest)?;
        self.number = number;
        self.changed = false;
        let other = if self.manifest == MANIFEST {
            REBUILD
        } else {
            MANIFEST
        };
        let other = Manifest::read_named(&self.folder, other).ok();
        remove_unused(&self.folder, &manifest, other.as_ref());
        Ok(())
    }
}

impl Segment {
    fn open(
        folder: &Path,
        writer: SegmentWriter,
        deleted: RoaringBitmap,
        settings: &Settings,
    ) -> Result<Self, IndexError> {
        let entry = writer.finish()?;
        Ok(Self {
            rows: StoredRows::open(folder, &entry, settings)?,
            entry,
            changed: !deleted.is_empty(),
            synced: false,
            deleted,
        })
    }

    fn live(&self) -> u64 {
        u64::from(self.rows.rows()) - self.deleted.len()
    }

    fn size(&self) -> Size {
        let files = self.entry.files.iter();
        let texts = files.filter(|file| names::holds_texts(&file.name));
        Size {
            live: self.live(),
            deleted: self.deleted.len(),
            text_bytes: texts.map(|file| file.bytes).sum(),
        }
    }

    /// Writes which rows are deleted, and syncs what is new. Segments that a commit joins at once never come
    /// to this.
    fn save(&mut self, index: &Path, number: u64) -> Result<(), IndexError> {
        let folder = index.join(&self.entry.name);
        if !self.synced {
            for file in &self.entry.files {
                sync_file(&folder.join(&file.name))?;
            }
            sync_folder(&folder.join(names::WORDS))?;
        }
        if self.changed {
            let mut file = ChecksumFile::create(&folder, &names::deleted(number))?;
            let path = file.path();
            self.deleted
                .serialize_into(&mut file)
                .map_err(IndexError::io("write", &path))?;
            self.entry.deleted = Some(file.finish()?);
            sync_file(&path)?;
        }
        if self.changed || !self.synced {
            sync_folder(&folder)?;
        }
        self.changed = false;
        self.synced = true;
        Ok(())
    }
}

/// Begins the segment of the next number.
fn new_segment(
    folder: &Path,
    next: &mut u64,
    settings: &Settings,
) -> Result<SegmentWriter, IndexError> {
    let number = *next;
    *next += 1;
    SegmentWriter::create(folder, names::segment(number), settings)
}

/// Takes the lock of the one writer.
fn lock(folder: &Path) -> Result<File, IndexError> {
    let path = folder.join(names::LOCK);
    let file = File::options()
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(IndexError::io("open", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(IndexError::Locked {
            folder: folder.to_owned(),
        }),
        Err(TryLockError::Error(source)) => Err(IndexError::io("lock", &path)(source)),
    }
}

fn unfinished_manifest() -> String {
    format!("{MANIFEST}{UNFINISHED}")
}

/// Removes what neither this manifest nor the other of the folder names any more. What cannot be removed,
/// as a file that a reader holds on Windows, stays until the next commit.
fn remove_unused(folder: &Path, manifest: &Manifest, other: Option<&Manifest>) {
    let _ = std::fs::remove_file(folder.join(unfinished_manifest()));
    let segments = || {
        let others = other.into_iter().flat_map(|other| &other.segments);
        manifest.segments.iter().chain(others)
    };
    for entry in names_in(folder) {
        if names::segment_number(&entry).is_none() {
            continue;
        }
        let path = folder.join(&entry);
        let Some(segment) = segments().find(|segment| segment.name == entry) else {
            let _ = std::fs::remove_dir_all(path);
            continue;
        };
        let used = segment.deleted.as_ref().map(|file| file.name.as_str());
        for name in names_in(&path) {
            if names::is_deleted(&name) && Some(name.as_str()) != used {
                let _ = std::fs::remove_file(path.join(name));
            }
        }
    }
}

fn names_in(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect()
}
