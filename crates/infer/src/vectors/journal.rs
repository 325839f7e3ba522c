//! The journal of a run: the rows that are embedded, until the file of vectors is complete.
//!
//! `OUTPUT.partial` begins with [`MAGIC`] and holds records: the settings of the run, then one
//! record per window. A record is its length (4 bytes, little-endian), its CRC-32 and its content.
//! A record that a kill cut short is dropped when the run resumes, and its rows are embedded again.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use program::atomic_file::sync_folder_of;
use records::Row;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::error::JournalErrorKind;
use super::provenance::{Difference, Provenance};
use super::windows::{Take, Windows};
use super::{VectorError, beside};

/// The first bytes; the last one is the version.
const MAGIC: &[u8; 12] = b"mpnet-burn\0\x01";

/// Bytes before the content of a record: its length and its CRC-32.
const RECORD_HEAD: usize = 8;

/// Bytes of SHA-256.
const DIGEST_BYTES: usize = 32;

/// The most bytes of a record: a window of 4,096 vectors and some rows of 16 MiB stays below.
const MAX_RECORD_BYTES: usize = 1 << 29;

/// A power failure may lose what was not synced: together with one window less than 30 s of work.
const SYNC_INTERVAL: Duration = Duration::from_secs(10);

/// What a run must share with the interrupted one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// The settings of the model and the columns; the texts are not known yet.
    pub provenance: Provenance,
    /// The format of the file of vectors.
    pub format: String,
    /// The column of the ids.
    pub id_column: Option<String>,
    /// The device; another one computes other bits.
    pub device: String,
}

impl Settings {
    fn differences(&self, now: &Self) -> Vec<Difference> {
        let mut differences = self.provenance.differences(&now.provenance);
        let none = || "none".to_owned();
        let id_column = |of: &Self| of.id_column.clone().unwrap_or_else(none);
        let dimensions = |of: &Self| of.provenance.dimensions.to_string();
        let normalized = |of: &Self| of.provenance.normalized.to_string();
        for (option, saved, now) in [
            ("--output-format", self.format.clone(), now.format.clone()),
            ("--id-column", id_column(self), id_column(now)),
            ("--device", self.device.clone(), now.device.clone()),
            ("--dimensions", dimensions(self), dimensions(now)),
            ("normalized vectors", normalized(self), normalized(now)),
        ] {
            if saved != now {
                differences.push(Difference { option, saved, now });
            }
        }
        differences
    }
}

/// What becomes of the rows of an interrupted run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Earlier {
    /// They are an error.
    Refuse,
    /// They are kept.
    Resume,
    /// They are dropped.
    Restart,
}

/// Whether a journal of this process holds rows.
static HOLDS_ROWS: AtomicBool = AtomicBool::new(false);

/// Whether a run that ends now can be resumed.
#[must_use]
pub fn can_resume() -> bool {
    HOLDS_ROWS.load(Ordering::Relaxed)
}

/// A row in the journal.
#[derive(Serialize, Deserialize)]
struct KeptRow(Option<String>, Vec<String>);

/// The hash of ids and fields of the rows so far.
#[derive(Clone, Debug, Default)]
struct RowsHash(Sha256);

impl RowsHash {
    fn add(&mut self, row: &Row) {
        let fields = row.fields.iter().map(String::as_str);
        let count = row.fields.len() as u64;
        self.0.update(count.to_le_bytes());
        for text in row.id.as_deref().into_iter().chain(fields) {
            self.0.update((text.len() as u64).to_le_bytes());
            self.0.update(text);
        }
    }

    fn digest(&self) -> [u8; DIGEST_BYTES] {
        self.0.clone().finalize().into()
    }
}

/// Rows with their vectors, on disk.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
    /// The records of the windows begin here.
    start: u64,
    /// Rows in the file.
    rows: u64,
    width: usize,
    keeps_texts: bool,
    /// The hash of the rows in the file, if the file was read.
    recorded: [u8; DIGEST_BYTES],
    hash: RowsHash,
    synced: Instant,
}

impl Journal {
    /// The journal of a file of vectors.
    #[must_use]
    pub fn path_of(output: &Path) -> PathBuf {
        beside(output, ".partial")
    }

    /// Opens or creates the journal of `output`. [`rows`](Self::rows) are those of an interrupted run
    /// that it keeps.
    ///
    /// # Errors
    ///
    /// When the file cannot be read or written, is no journal, is in use, or holds rows
    /// that are not to be kept or dropped, or that belong to a run with other settings.
    pub fn open(
        output: &Path,
        settings: &Settings,
        keeps_texts: bool,
        earlier: Earlier,
    ) -> Result<Self, VectorError> {
        let path = Self::path_of(output);
        let io = VectorError::io(&path);
        let failed = |kind| VectorError::Journal {
            path: path.clone(),
            kind,
        };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(io)?;
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => return Err(failed(JournalErrorKind::Locked)),
            // A file system without locks.
            Err(TryLockError::Error(_)) | Ok(()) => {}
        }
        match check_magic(&mut file).map_err(io)? {
            Err(JournalErrorKind::Version) if earlier == Earlier::Restart => {}
            found => found.map_err(failed)?,
        }
        let mut journal = Self::of(
            path.clone(),
            file,
            settings.provenance.dimensions,
            keeps_texts,
        );
        let kept = match earlier {
            Earlier::Restart => None,
            Earlier::Resume => journal.settings()?,
            Earlier::Refuse => {
                journal.refuse_rows()?;
                None
            }
        };
        if let Some(kept) = kept {
            let differences = kept.differences(settings);
            if !differences.is_empty() {
                return Err(failed(JournalErrorKind::Settings { differences }));
            }
            journal.find_end()?;
        } else {
            journal.begin(settings).map_err(io)?;
        }
        HOLDS_ROWS.store(journal.rows > 0, Ordering::Relaxed);
        Ok(journal)
    }

    /// Refuses the rows of an interrupted run, as [`open`](Self::open) does, but changes no file: before
    /// a model is loaded.
    ///
    /// # Errors
    ///
    /// When the journal of `output` cannot be read, is none, or holds rows.
    pub fn check(output: &Path, earlier: Earlier) -> Result<(), VectorError> {
        let path = Self::path_of(output);
        if earlier != Earlier::Refuse || !path.exists() {
            return Ok(());
        }
        let io = VectorError::io(&path);
        let mut file = File::open(&path).map_err(io)?;
        check_magic(&mut file)
            .map_err(io)?
            .map_err(|kind| VectorError::Journal {
                path: path.clone(),
                kind,
            })?;
        Self::of(path.clone(), file, 0, false).refuse_rows()
    }

    fn of(path: PathBuf, file: File, width: usize, keeps_texts: bool) -> Self {
        Self {
            path,
            file,
            start: 0,
            rows: 0,
            width,
            keeps_texts,
            recorded: RowsHash::default().digest(),
            hash: RowsHash::default(),
            synced: Instant::now(),
        }
    }

    fn refuse_rows(&mut self) -> Result<(), VectorError> {
        let holds_rows =
            self.settings()?.is_some() && self.is_record().map_err(VectorError::io(&self.path))?;
        if holds_rows {
            return Err(VectorError::Journal {
                path: self.path.clone(),
                kind: JournalErrorKind::Interrupted,
            });
        }
        Ok(())
    }

    /// The number of rows that the journal holds.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Takes notice of a row of the input that the journal holds already.
    pub fn pass(&mut self, row: &Row) {
        self.hash.add(row);
    }

    /// Compares the passed rows with those of the interrupted run.
    ///
    /// # Errors
    ///
    /// When the input has changed since.
    pub fn check_passed(&self) -> Result<(), VectorError> {
        if self.hash.digest() == self.recorded {
            return Ok(());
        }
        Err(VectorError::Journal {
            path: self.path.clone(),
            kind: JournalErrorKind::Input { rows: self.rows },
        })
    }

    /// Appends a window: rows and their vectors `[rows, width]`.
    ///
    /// # Errors
    ///
    /// When there is not one vector per row, or the disk is full.
    pub fn append(&mut self, rows: &[Row], values: &[f32]) -> Result<(), VectorError> {
        if rows.len().checked_mul(self.width) != Some(values.len()) {
            return Err(VectorError::Shape {
                values: values.len(),
                rows: rows.len(),
                width: self.width,
            });
        }
        let kept = rows.iter().map(|row| {
            let fields = if self.keeps_texts {
                row.fields.clone()
            } else {
                Vec::new()
            };
            KeptRow(row.id.clone(), fields)
        });
        self.append_kept(rows, kept.collect(), values)
    }

    /// Appends a window of another kind of output: for each row a line, which [`for_each`](Windows::for_each) gives as its
    /// only field.
    ///
    /// # Errors
    ///
    /// When there is not one line per row, or the disk is full.
    pub fn append_lines(&mut self, rows: &[Row], lines: Vec<String>) -> Result<(), VectorError> {
        if rows.len() != lines.len() {
            return Err(VectorError::Shape {
                values: lines.len(),
                rows: rows.len(),
                width: 1,
            });
        }
        let kept = lines.into_iter().map(|line| KeptRow(None, vec![line]));
        self.append_kept(rows, kept.collect(), &[])
    }

    fn append_kept(
        &mut self,
        rows: &[Row],
        kept: Vec<KeptRow>,
        values: &[f32],
    ) -> Result<(), VectorError> {
        for row in rows {
            self.hash.add(row);
        }
        let io = VectorError::io(&self.path);
        let kept = serde_json::to_vec(&kept)
            .map_err(io::Error::from)
            .map_err(io)?;
        let mut content = Vec::with_capacity(DIGEST_BYTES + 4 + kept.len() + values.len() * 4);
        content.extend(self.hash.digest());
        content.extend((kept.len() as u32).to_le_bytes());
        content.extend(kept);
        content.extend(values.iter().flat_map(|value| value.to_le_bytes()));
        self.append_record(&content).map_err(io)?;
        self.rows += rows.len() as u64;
        HOLDS_ROWS.store(true, Ordering::Relaxed);
        if self.synced.elapsed() >= SYNC_INTERVAL {
            self.file.sync_data().map_err(io)?;
            self.synced = Instant::now();
        }
        Ok(())
    }

    /// Removes the journal: the file of vectors is complete.
    ///
    /// # Errors
    ///
    /// When it cannot be removed.
    pub fn remove(self) -> Result<(), VectorError> {
        let io = VectorError::io(&self.path);
        HOLDS_ROWS.store(false, Ordering::Relaxed);
        // Windows removes no open file.
        drop(self.file);
        program::atomic_file::remove(&self.path).map_err(io)
    }

    /// Begins a new journal.
    fn begin(&mut self, settings: &Settings) -> io::Result<()> {
        self.file.set_len(0)?;
        self.file.rewind()?;
        self.file.write_all(MAGIC)?;
        self.append_record(&serde_json::to_vec(settings)?)?;
        self.start = self.file.stream_position()?;
        self.file.sync_all()?;
        sync_folder_of(&self.path)
    }

    fn append_record(&self, content: &[u8]) -> io::Result<()> {
        let mut out = BufWriter::new(&self.file);
        out.write_all(&(content.len() as u32).to_le_bytes())?;
        out.write_all(&crc32fast::hash(content).to_le_bytes())?;
        out.write_all(content)?;
        out.flush()
    }

    /// Reads the settings; `None` if they were not written completely, or nothing was.
    fn settings(&mut self) -> Result<Option<Settings>, VectorError> {
        let io = VectorError::io(&self.path);
        self.file
            .seek(SeekFrom::Start(MAGIC.len() as u64))
            .map_err(io)?;
        let mut content = Vec::new();
        if !read_record(&mut self.file, &mut content).map_err(io)? {
            return Ok(None);
        }
        self.start = self.file.stream_position().map_err(io)?;
        let settings = serde_json::from_slice(&content).map_err(|_| VectorError::Journal {
            path: self.path.clone(),
            kind: JournalErrorKind::Version,
        })?;
        Ok(Some(settings))
    }

    /// Whether a complete record is at the current place.
    fn is_record(&mut self) -> io::Result<bool> {
        read_record(&mut self.file, &mut Vec::new())
    }

    /// Counts the rows of the complete records, and cuts off what follows them.
    fn find_end(&mut self) -> Result<(), VectorError> {
        let io = VectorError::io(&self.path);
        let (width, mut end) = (self.width, self.start);
        self.file.seek(SeekFrom::Start(end)).map_err(io)?;
        let mut reader = BufReader::new(&self.file);
        let mut content = Vec::new();
        while read_record(&mut reader, &mut content).map_err(io)? {
            let Some(window) = Window::parse(&content, width) else {
                break;
            };
            end += (RECORD_HEAD + content.len()) as u64;
            self.rows += window.rows.len() as u64;
            self.recorded = window.digest;
        }
        self.file.set_len(end).map_err(io)?;
        self.file.seek(SeekFrom::Start(end)).map_err(io)?;
        Ok(())
    }
}

impl Windows for Journal {
    fn for_each(&mut self, take: Take<'_>) -> Result<(), VectorError> {
        let io = VectorError::io(&self.path);
        self.file.seek(SeekFrom::Start(self.start)).map_err(io)?;
        let mut reader = BufReader::new(&self.file);
        let (mut content, mut rows) = (Vec::new(), 0);
        while rows < self.rows {
            let complete = read_record(&mut reader, &mut content).map_err(io)?;
            let Some(window) = Window::parse(&content, self.width).filter(|_| complete) else {
                return Err(VectorError::Journal {
                    path: self.path.clone(),
                    kind: JournalErrorKind::Damaged { rows },
                });
            };
            rows += window.rows.len() as u64;
            take(&window.rows, &window.values)?;
        }
        Ok(())
    }
}

/// The content of a record.
struct Window {
    digest: [u8; DIGEST_BYTES],
    rows: Vec<Row>,
    values: Vec<f32>,
}

impl Window {
    fn parse(content: &[u8], width: usize) -> Option<Self> {
        let (digest, rest) = content.split_first_chunk()?;
        let (length, rest) = rest.split_first_chunk()?;
        let (kept, values) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        let kept: Vec<KeptRow> = serde_json::from_slice(kept).ok()?;
        let row = |KeptRow(id, fields)| Row {
            id,
            fields,
            ..Row::default()
        };
        let rows: Vec<Row> = kept.into_iter().map(row).collect();
        let values = values.as_chunks().0.iter();
        let values: Vec<f32> = values.map(|four| f32::from_le_bytes(*four)).collect();
        (rows.len().checked_mul(width) == Some(values.len())).then_some(Self {
            digest: *digest,
            rows,
            values,
        })
    }
}

/// Reads a record into `content`; `false` if it is not there, or not complete.
fn read_record(reader: &mut impl Read, content: &mut Vec<u8>) -> io::Result<bool> {
    let mut head = [0; RECORD_HEAD];
    content.clear();
    let complete = |reader: &mut dyn Read, bytes: &mut [u8]| match reader.read_exact(bytes) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
        Ok(()) => Ok(true),
    };
    if !complete(reader, &mut head)? {
        return Ok(false);
    }
    let [length, checksum] =
        [0, 4].map(|at| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]));
    let length = length as usize;
    // After a power failure the end may be zeros.
    if length == 0 || length > MAX_RECORD_BYTES {
        return Ok(false);
    }
    content.resize(length, 0);
    Ok(complete(reader, content)? && crc32fast::hash(content) == checksum)
}

/// A file that is not empty must be a journal, of this version.
fn check_magic(file: &mut File) -> io::Result<Result<(), JournalErrorKind>> {
    let mut found = Vec::new();
    file.rewind()?;
    Read::by_ref(file)
        .take(MAGIC.len() as u64)
        .read_to_end(&mut found)?;
    let (name, version) = MAGIC.split_at(MAGIC.len() - 1);
    Ok(if MAGIC.starts_with(&found) {
        // Also a file that a kill left empty or shorter.
        Ok(())
    } else if found.starts_with(name) && !found.ends_with(version) {
        Err(JournalErrorKind::Version)
    } else {
        Err(JournalErrorKind::Foreign)
    })
}

#[cfg(test)]
mod tests;
