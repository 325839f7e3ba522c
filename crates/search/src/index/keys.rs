//! Rows by their ids.

use std::path::Path;

use memmap2::Mmap;

use crate::filter::fold_case;
use crate::index::error::IndexError;
use crate::index::files::{ChecksumFile, FileEntry, map_checked};

/// Bytes of an entry: the hash of a name, then its row.
const ENTRY: usize = size_of::<u64>() + size_of::<u32>();

/// The hash of a folded name: FNV-1a of 64 bits, which is part of the format.
fn hash(folded: &str) -> u64 {
    folded
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        })
}

/// Collects names.
#[derive(Default)]
pub(super) struct KeysBuilder {
    entries: Vec<(u64, u32)>,
}

impl KeysBuilder {
    pub(super) fn push(&mut self, name: &str, row: u32) {
        self.entries.push((hash(&fold_case(name)), row));
    }

    pub(super) fn write(mut self, folder: &Path, name: &str) -> Result<FileEntry, IndexError> {
        self.entries.sort_unstable();
        let mut file = ChecksumFile::create(folder, name)?;
        for (hash, row) in self.entries {
            file.append(&hash.to_le_bytes())?;
            file.append(&row.to_le_bytes())?;
        }
        file.finish()
    }
}

/// Entries of a mapped file, ordered by hash and row.
pub(super) struct Keys {
    mapped: Mmap,
}

impl Keys {
    pub(super) fn open(folder: &Path, entry: &FileEntry) -> Result<Self, IndexError> {
        let mapped = map_checked(folder, entry)?;
        if !mapped.len().is_multiple_of(ENTRY) {
            let path = folder.join(&entry.name);
            return Err(IndexError::damaged(&path, "its last entry is not whole"));
        }
        Ok(Self { mapped })
    }

    /// Rows that may have a name, without regard to case: those of its hash, which another name may share.
    pub(super) fn candidates(&self, name: &str) -> impl Iterator<Item = u32> {
        let (entries, _) = self.mapped.as_chunks::<ENTRY>();
        let wanted = hash(&fold_case(name));
        let start = entries.partition_point(|entry| parts(entry).0 < wanted);
        entries[start..]
            .iter()
            .map(parts)
            .take_while(move |(hash, _)| *hash == wanted)
            .map(|(_, row)| row)
    }
}

fn parts(entry: &[u8; ENTRY]) -> (u64, u32) {
    let [h0, h1, h2, h3, h4, h5, h6, h7, r0, r1, r2, r3] = *entry;
    (
        u64::from_le_bytes([h0, h1, h2, h3, h4, h5, h6, h7]),
        u32::from_le_bytes([r0, r1, r2, r3]),
    )
}
