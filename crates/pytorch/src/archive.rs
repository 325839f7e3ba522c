//! The zip archive: every entry with its position, its length and its checksum.
//!
//! The form of the zip format that torch.save writes: stored entries, one disk, no comment at the end, and the zip64
//! records of large files.

use std::collections::BTreeMap;
use std::io::{self, Read, Seek, SeekFrom};
use std::sync::{Arc, Mutex, PoisonError};

use crate::error::{EntryErrorKind, Result, TorchError};

/// Maximum length of the directory: about 45,000 entries.
const MAX_DIRECTORY_BYTES: u64 = 4 << 20;

/// The record at the very end, without a comment.
const END_BYTES: u64 = 22;
/// The zip64 record and the pointer to it, which precede the end record.
const ZIP64_END_BYTES: u64 = 56;
const ZIP64_LOCATOR_BYTES: u64 = 20;
const LOCAL_HEADER_BYTES: usize = 30;
/// Checksum and lengths behind an entry; zip64 has lengths of 8 bytes.
const DESCRIPTOR_BYTES: usize = 16;
const ZIP64_DESCRIPTOR_BYTES: usize = 24;

/// "The lengths are behind the entry", and "the name is UTF-8".
const FLAG_DESCRIPTOR: u16 = 1 << 3;
const FLAG_UTF8: u16 = 1 << 11;

/// A 32-bit field whose value is in the zip64 field.
const IN_ZIP64: u64 = u32::MAX as u64;
const ZIP64_TAG: u16 = 1;

/// Bytes that are read at a time for a checksum.
const BLOCK_BYTES: usize = 1 << 16;

/// An archive whose headers have been compared.
pub(crate) struct Archive<R> {
    source: Mutex<R>,
    entries: BTreeMap<Arc<str>, Entry>,
}

/// A stored entry.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    /// Position of its first byte in the file.
    pub(crate) start: u64,
    pub(crate) bytes: u64,
    crc: u32,
}

impl<R: Read + Seek> Archive<R> {
    pub(crate) fn open(mut source: R) -> Result<Self> {
        let length = source.seek(SeekFrom::End(0))?;
        let directory = Directory::find(&mut source, length)?;
        let mut bytes = vec![0; directory.bytes as usize];
        read_at(&mut source, directory.start, &mut bytes)?;
        let mut rest = Bytes(&bytes);
        let mut named = BTreeMap::new();
        for _ in 0..directory.entries {
            let record = Record::read(&mut rest).ok_or(damaged("an entry is cut off"))?;
            let name = std::str::from_utf8(record.name)
                .map_err(|_| damaged("the name of an entry is not UTF-8"))?;
            if named.insert(name, record.checked(name)?).is_some() {
                return Err(TorchError::entry(name, EntryErrorKind::Duplicate));
            }
        }
        if !rest.0.is_empty() {
            return Err(damaged("bytes follow the last entry"));
        }

        // In the order of the file, each entry ends before the next begins.
        let mut in_order: Vec<(&str, Record<'_>)> = named.into_iter().collect();
        in_order.sort_by_key(|(_, record)| record.header);
        let mut free = 0;
        let mut entries = BTreeMap::new();
        for (name, record) in in_order {
            let (entry, end) = record.locate(&mut source, name, directory.start)?;
            if record.header < free {
                return Err(TorchError::entry(name, EntryErrorKind::Overlap));
            }
            free = end;
            entries.insert(name.into(), entry);
        }
        let source = Mutex::new(source);
        Ok(Self { source, entries })
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(AsRef::as_ref)
    }

    pub(crate) fn entry(&self, name: &str) -> Result<(Arc<str>, Entry)> {
        let found = self.entries.get_key_value(name);
        let (name, entry) =
            found.ok_or_else(|| TorchError::entry(name, EntryErrorKind::Missing))?;
        Ok((Arc::clone(name), *entry))
    }

    /// All bytes of a small entry.
    pub(crate) fn read(&self, name: &str, limit: u64) -> Result<Vec<u8>> {
        let (_, entry) = self.entry(name)?;
        if entry.bytes > limit {
            let bytes = entry.bytes;
            return Err(TorchError::entry(
                name,
                EntryErrorKind::TooLarge { bytes, limit },
            ));
        }
        let mut bytes = vec![0; entry.bytes as usize];
        self.read_at(entry.start, &mut bytes)?;
        if !entry.has_checksum_of(&bytes) {
            return Err(TorchError::entry(name, EntryErrorKind::Checksum));
        }
        Ok(bytes)
    }

    /// Reads an entry for its checksum, and keeps nothing.
    pub(crate) fn is_sound(&self, entry: Entry) -> Result<bool> {
        let mut crc = crc32fast::Hasher::new();
        let mut block = vec![0; BLOCK_BYTES.min(entry.bytes as usize)];
        let (mut position, end) = (entry.start, entry.start + entry.bytes);
        while position < end {
            let length = (end - position).min(BLOCK_BYTES as u64) as usize;
            self.read_at(position, &mut block[..length])?;
            crc.update(&block[..length]);
            position += length as u64;
        }
        Ok(entry.has_checksum(crc.finalize()))
    }

    pub(crate) fn read_at(&self, position: u64, bytes: &mut [u8]) -> Result<()> {
        let mut source = self.source.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(read_at(&mut *source, position, bytes)?)
    }
}

impl Entry {
    pub(crate) fn has_checksum_of(&self, bytes: &[u8]) -> bool {
        self.has_checksum(crc32fast::hash(bytes))
    }

    /// A fuzzer finds no right checksum, and would never reach what lies behind it.
    fn has_checksum(&self, crc: u32) -> bool {
        crc == self.crc || cfg!(fuzzing)
    }
}

/// The place of the directory.
struct Directory {
    start: u64,
    bytes: u64,
    entries: u64,
}

impl Directory {
    fn find(source: &mut (impl Read + Seek), length: u64) -> Result<Self> {
        let tail_bytes = length.min(ZIP64_END_BYTES + ZIP64_LOCATOR_BYTES + END_BYTES);
        let mut tail = vec![0; tail_bytes as usize];
        read_at(source, length - tail_bytes, &mut tail)?;
        let end_at = tail.len().saturating_sub(END_BYTES as usize);
        let (before, end) = tail.split_at(end_at);
        let Some(end) = End::read(end) else {
            return Err(other_form(source));
        };
        let (directory, end_of_directory) = match Self::in_zip64(before, length)? {
            Some(directory) if end.agrees(&directory) => (directory, length - tail_bytes),
            Some(_) => return Err(damaged("its two end records differ")),
            None => (end.0, length - END_BYTES),
        };
        if directory.start.checked_add(directory.bytes) != Some(end_of_directory) {
            return Err(damaged("it is not where the end record says"));
        }
        if directory.bytes > MAX_DIRECTORY_BYTES {
            return Err(damaged("it is longer than 4 MiB"));
        }
        Ok(directory)
    }

    /// The zip64 end record, which `before` ends with; `None` for a file without one.
    fn in_zip64(before: &[u8], length: u64) -> Result<Option<Self>> {
        let locator_at = before.len().saturating_sub(ZIP64_LOCATOR_BYTES as usize);
        let (record, locator) = before.split_at(locator_at);
        if !locator.starts_with(b"PK\x06\x07") {
            return Ok(None);
        }
        let read = || {
            let mut locator = Bytes(locator.get(4..)?);
            let place = (locator.u32()?, locator.u64()?, locator.u32()?);
            let at = length.checked_sub(ZIP64_END_BYTES + ZIP64_LOCATOR_BYTES + END_BYTES)?;
            let mut record = Bytes(record.strip_prefix(b"PK\x06\x06")?);
            let size = record.u64()?;
            record.take(4)?; // versions
            let disks = (record.u32()?, record.u32()?);
            let (here, entries) = (record.u64()?, record.u64()?);
            let (bytes, start) = (record.u64()?, record.u64()?);
            let sound = place == (0, at, 1)
                && size == ZIP64_END_BYTES - 12
                && disks == (0, 0)
                && here == entries;
            sound.then_some(Self {
                start,
                bytes,
                entries,
            })
        };
        read()
            .map(Some)
            .ok_or(damaged("its zip64 end record is wrong"))
    }
}

/// The end record; fields may refer to the zip64 record.
struct End(Directory);

impl End {
    fn read(bytes: &[u8]) -> Option<Self> {
        let mut rest = Bytes(bytes.strip_prefix(b"PK\x05\x06")?);
        let disks = (rest.u16()?, rest.u16()?);
        let (here, entries) = (rest.u16()?, rest.u16()?);
        let (bytes, start) = (rest.u32()?, rest.u32()?);
        let comment = rest.u16()?;
        (disks == (0, 0) && here == entries && comment == 0).then_some(Self(Directory {
            start: start.into(),
            bytes: bytes.into(),
            entries: entries.into(),
        }))
    }

    fn agrees(&self, zip64: &Directory) -> bool {
        let Self(end) = self;
        (end.start == zip64.start || end.start == IN_ZIP64)
            && (end.bytes == zip64.bytes || end.bytes == IN_ZIP64)
            && (end.entries == zip64.entries || end.entries == u16::MAX.into())
    }
}

/// An entry by the directory.
struct Record<'a> {
    name: &'a [u8],
    flags: u16,
    method: u16,
    crc: u32,
    stored: u64,
    bytes: u64,
    /// Position of the local header.
    header: u64,
}

impl<'a> Record<'a> {
    fn read(rest: &mut Bytes<'a>) -> Option<Self> {
        let signature = rest.take(4)?;
        rest.take(4)?; // versions
        let (flags, method) = (rest.u16()?, rest.u16()?);
        rest.take(4)?; // time and date
        let (crc, mut stored, mut bytes) = (rest.u32()?, rest.u32()?.into(), rest.u32()?.into());
        let lengths = [rest.u16()?, rest.u16()?, rest.u16()?].map(usize::from);
        let disk = rest.u16()?;
        rest.take(6)?; // attributes
        let mut header = rest.u32()?.into();
        let name = rest.take(lengths[0])?;
        let extra = rest.take(lengths[1])?;
        rest.take(lengths[2])?; // comment
        from_zip64(extra, [&mut bytes, &mut stored, &mut header])?;
        (signature == b"PK\x01\x02" && disk == 0).then_some(Self {
            name,
            flags,
            method,
            crc,
            stored,
            bytes,
            header,
        })
    }

    fn checked(self, name: &str) -> Result<Self> {
        let kind = if self.method != 0 {
            EntryErrorKind::Compressed
        } else if self.flags & !(FLAG_DESCRIPTOR | FLAG_UTF8) != 0 {
            EntryErrorKind::Flags { flags: self.flags }
        } else if self.stored != self.bytes {
            return Err(damaged("a stored entry has two lengths"));
        } else {
            return Ok(self);
        };
        Err(TorchError::entry(name, kind))
    }

    /// Reads the local header and the descriptor; returns the entry and the position behind it.
    fn locate(
        &self,
        source: &mut (impl Read + Seek),
        name: &str,
        directory: u64,
    ) -> Result<(Entry, u64)> {
        let differs = || TorchError::entry(name, EntryErrorKind::Header);
        let overlaps = || TorchError::entry(name, EntryErrorKind::Overlap);
        // All reads lie before the directory, so a file that is cut off is told apart from a damaged one.
        let inside =
            |from: u64, bytes: u64| from.checked_add(bytes).filter(|end| *end <= directory);

        let mut header = [0; LOCAL_HEADER_BYTES];
        let names_at = inside(self.header, LOCAL_HEADER_BYTES as u64).ok_or_else(overlaps)?;
        read_at(source, self.header, &mut header)?;
        let header = LocalHeader::read(&header).ok_or_else(differs)?;
        let mut names = vec![0; header.name_bytes + header.extra_bytes];
        let start = inside(names_at, names.len() as u64).ok_or_else(overlaps)?;
        read_at(source, names_at, &mut names)?;
        let (local_name, extra) = names.split_at(header.name_bytes);
        if local_name != self.name || !header.agrees(self, extra) {
            return Err(differs());
        }
        let entry = Entry {
            start,
            bytes: self.bytes,
            crc: self.crc,
        };
        let end = inside(start, self.bytes).ok_or_else(overlaps)?;
        if self.flags & FLAG_DESCRIPTOR == 0 {
            return Ok((entry, end));
        }
        // The directory and its end record follow, so 24 bytes can always be read.
        let mut descriptor = [0; ZIP64_DESCRIPTOR_BYTES];
        read_at(source, end, &mut descriptor)?;
        let bytes = self.descriptor_bytes(&descriptor).ok_or_else(differs)?;
        let end = inside(end, bytes as u64).ok_or_else(overlaps)?;
        Ok((entry, end))
    }

    /// The length of the descriptor, if it agrees with the directory.
    fn descriptor_bytes(&self, descriptor: &[u8]) -> Option<usize> {
        let mut rest = Bytes(descriptor.strip_prefix(b"PK\x07\x08")?);
        if rest.u32()? != self.crc {
            return None;
        }
        let mut wide = Bytes(rest.0);
        let short = (rest.u32()?.into(), rest.u32()?.into());
        if short == (self.bytes, self.bytes) {
            return Some(DESCRIPTOR_BYTES);
        }
        let wide = (wide.u64()?, wide.u64()?);
        (wide == (self.bytes, self.bytes)).then_some(ZIP64_DESCRIPTOR_BYTES)
    }
}

/// The header in front of an entry.
struct LocalHeader {
    flags: u16,
    method: u16,
    crc: u32,
    stored: u64,
    bytes: u64,
    name_bytes: usize,
    extra_bytes: usize,
}

impl LocalHeader {
    fn read(bytes: &[u8]) -> Option<Self> {
        let mut rest = Bytes(bytes.strip_prefix(b"PK\x03\x04")?);
        rest.take(2)?; // version
        let (flags, method) = (rest.u16()?, rest.u16()?);
        rest.take(4)?; // time and date
        Some(Self {
            flags,
            method,
            crc: rest.u32()?,
            stored: rest.u32()?.into(),
            bytes: rest.u32()?.into(),
            name_bytes: rest.u16()?.into(),
            extra_bytes: rest.u16()?.into(),
        })
    }

    /// Whether it says what the directory says. Checksum and lengths may be 0 where the descriptor has them.
    fn agrees(&self, record: &Record<'_>, extra: &[u8]) -> bool {
        let [mut bytes, mut stored] = [self.bytes, self.stored];
        let later = record.flags & FLAG_DESCRIPTOR != 0;
        if from_zip64(extra, [&mut bytes, &mut stored]).is_none() && !later {
            return false;
        }
        let same =
            |local: u64, value: u64| local == value || later && (local == 0 || local == IN_ZIP64);
        self.flags == record.flags
            && self.method == record.method
            && same(self.crc.into(), record.crc.into())
            && same(bytes, record.bytes)
            && same(stored, record.bytes)
    }
}

/// Replaces fields that are in the zip64 field of `extra`; `None` if they are not there.
fn from_zip64<const N: usize>(extra: &[u8], fields: [&mut u64; N]) -> Option<()> {
    if fields.iter().all(|field| **field != IN_ZIP64) {
        return Some(());
    }
    let mut rest = Bytes(extra);
    let mut zip64 = loop {
        let (tag, bytes) = (rest.u16()?, rest.u16()?);
        let content = rest.take(bytes.into())?;
        if tag == ZIP64_TAG {
            break Bytes(content);
        }
    };
    for field in fields {
        if *field == IN_ZIP64 {
            *field = zip64.u64()?;
        }
    }
    Some(())
}

/// Says what a file without an end record is.
fn other_form(source: &mut (impl Read + Seek)) -> TorchError {
    /// The name of the tar format in its first header.
    const USTAR_AT: usize = 257;
    let mut start = Vec::new();
    let read = source
        .seek(SeekFrom::Start(0))
        .and_then(|_| source.take(512).read_to_end(&mut start));
    if let Err(error) = read {
        return error.into();
    }
    if matches!(start.as_slice(), [0x80, 0..=5, ..]) {
        TorchError::Legacy
    } else if start
        .get(USTAR_AT..)
        .is_some_and(|rest| rest.starts_with(b"ustar"))
    {
        TorchError::Tar
    } else if start.starts_with(b"version https://git-lfs") {
        TorchError::GitLfsPointer
    } else {
        TorchError::NotAnArchive
    }
}

fn damaged(reason: &'static str) -> TorchError {
    TorchError::Directory { reason }
}

fn read_at(source: &mut (impl Read + Seek), position: u64, bytes: &mut [u8]) -> io::Result<()> {
    source.seek(SeekFrom::Start(position))?;
    source.read_exact(bytes)
}

/// Bytes that are taken from the front; `None` where they end.
#[derive(Clone, Copy)]
pub(crate) struct Bytes<'a>(pub(crate) &'a [u8]);

impl<'a> Bytes<'a> {
    pub(crate) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }

    pub(crate) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }
}
