//! Files of an index: written once with a checksum, synced to the disk, mapped into memory.

use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use memmap2::Mmap;
use serde::{Deserialize, Serialize};

use crate::index::error::IndexError;

/// Bytes between two calls of the file system.
const BUFFER: usize = 1 << 18;

/// What the manifest knows of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FileEntry {
    /// Its name in the folder of its segment, as `words/meta.json`.
    pub(super) name: String,
    /// Its size.
    pub(super) bytes: u64,
    /// The CRC-32 of its bytes.
    pub(super) crc32: u32,
}

/// A new file, whose checksum is computed from what is written, not from what the disk returns.
pub(super) struct ChecksumFile {
    file: BufWriter<File>,
    folder: PathBuf,
    name: String,
    hasher: crc32fast::Hasher,
    bytes: u64,
}

impl ChecksumFile {
    pub(super) fn create(folder: &Path, name: &str) -> Result<Self, IndexError> {
        let path = folder.join(name);
        let file = File::create_new(&path).map_err(IndexError::io("create", &path))?;
        Ok(Self {
            file: BufWriter::with_capacity(BUFFER, file),
            folder: folder.to_owned(),
            name: name.to_owned(),
            hasher: crc32fast::Hasher::new(),
            bytes: 0,
        })
    }

    pub(super) fn path(&self) -> PathBuf {
        self.folder.join(&self.name)
    }

    /// Bytes written so far.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Appends bytes.
    pub(super) fn append(&mut self, bytes: &[u8]) -> Result<(), IndexError> {
        self.write_all(bytes)
            .map_err(IndexError::io("write", &self.path()))
    }

    /// Reads bytes that were written before.
    pub(super) fn read_back(&mut self, start: u64, bytes: &mut [u8]) -> Result<(), IndexError> {
        let path = self.path();
        self.file.flush().map_err(IndexError::io("write", &path))?;
        let mut file = File::open(&path).map_err(IndexError::io("open", &path))?;
        file.seek(SeekFrom::Start(start))
            .and_then(|_| file.read_exact(bytes))
            .map_err(IndexError::io("read", &path))
    }

    /// Hands what is buffered to the file system, so that the file can be mapped.
    pub(super) fn flush_buffer(&mut self) -> Result<(), IndexError> {
        let path = self.path();
        self.file.flush().map_err(IndexError::io("write", &path))
    }

    /// Ends the file. It is not synced to the disk yet.
    pub(super) fn finish(mut self) -> Result<FileEntry, IndexError> {
        self.flush_buffer()?;
        Ok(FileEntry {
            name: self.name,
            bytes: self.bytes,
            crc32: self.hasher.finalize(),
        })
    }
}

impl Write for ChecksumFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Maps a file whose size must be that of its entry.
pub(super) fn map(folder: &Path, entry: &FileEntry) -> Result<Mmap, IndexError> {
    let path = folder.join(&entry.name);
    let mapped = map_path(&path)?;
    if mapped.len() as u64 != entry.bytes {
        return Err(IndexError::damaged(&path, "its size has changed"));
    }
    Ok(mapped)
}

/// Maps a whole file.
pub(super) fn map_path(path: &Path) -> Result<Mmap, IndexError> {
    let file = File::open(path).map_err(IndexError::io("open", path))?;
    // SAFETY: files of an index are written once, under a name of their own, and never changed; the
    // page about the format says that nobody else may. A removed file stays whole while it is mapped.
    #[allow(unsafe_code, reason = "a mapped file that nobody changes")]
    let mapped = unsafe { Mmap::map(&file) };
    mapped.map_err(IndexError::io("map", path))
}

/// Maps a file whose bytes must be those that were written.
pub(super) fn map_checked(folder: &Path, entry: &FileEntry) -> Result<Mmap, IndexError> {
    let mapped = map(folder, entry)?;
    if crc32fast::hash(&mapped) != entry.crc32 {
        let path = folder.join(&entry.name);
        return Err(IndexError::damaged(&path, "its checksum differs"));
    }
    Ok(mapped)
}

/// The entries of the files that another library has written into the folder `name` in `folder`.
pub(super) fn entries_of(folder: &Path, name: &str) -> Result<Vec<FileEntry>, IndexError> {
    let written = folder.join(name);
    let mut names = Vec::new();
    for entry in std::fs::read_dir(&written).map_err(IndexError::io("read", &written))? {
        let entry = entry.map_err(IndexError::io("read", &written))?;
        names.extend(entry.file_name().into_string());
    }
    names.sort_unstable();
    names
        .into_iter()
        .map(|file| {
            let bytes = map_path(&written.join(&file))?;
            Ok(FileEntry {
                name: format!("{name}/{file}"),
                bytes: bytes.len() as u64,
                crc32: crc32fast::hash(&bytes),
            })
        })
        .collect()
}

/// Syncs a file to the disk.
pub(super) fn sync_file(path: &Path) -> Result<(), IndexError> {
    // Windows syncs no file that is open to read alone.
    let file = File::options().read(true).write(true).open(path);
    file.and_then(|file| file.sync_all())
        .map_err(IndexError::io("sync", path))
}

/// After a power failure, a synced folder has the names that it has now.
pub(super) fn sync_folder(folder: &Path) -> Result<(), IndexError> {
    // Windows opens no folders, and writes its names through.
    if cfg!(unix) {
        File::open(folder)
            .and_then(|folder| folder.sync_all())
            .map_err(IndexError::io("sync", folder))?;
    }
    Ok(())
}

/// Replaces a file by a whole new one. Only the writer that holds the lock may, because the temporary
/// name is always the same.
pub(super) fn replace(folder: &Path, name: &str, bytes: &[u8]) -> Result<(), IndexError> {
    let temporary = folder.join(format!("{name}{UNFINISHED}"));
    let target = folder.join(name);
    let mut file = File::create(&temporary).map_err(IndexError::io("create", &temporary))?;
    file.write_all(bytes)
        .and_then(|()| file.sync_all())
        .map_err(IndexError::io("write", &temporary))?;
    drop(file);
    std::fs::rename(&temporary, &target).map_err(IndexError::io("replace", &target))?;
    sync_folder(folder)
}

/// The end of a name that [`replace`] gives until the file is whole.
pub(super) const UNFINISHED: &str = ".new";
