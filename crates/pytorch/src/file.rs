//! A file of `torch.save`: what it holds, and the values of each tensor.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Read, Seek};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use crate::archive::Archive;
use crate::contents::Contents;
use crate::error::{EntryErrorKind, Result, TensorErrorKind, TorchError};
use crate::pickle::{self, Pickle};
use crate::tensor::{Dtype, Tensor};

/// The entry that describes all others.
const PICKLE: &str = "data.pkl";

/// An opened file. Its structure has been checked; values are read and checked on request.
pub struct TorchFile<R> {
    archive: Archive<R>,
    contents: Contents,
    /// Positions of the storages whose checksum is right.
    sound: Mutex<BTreeSet<u64>>,
}

impl TorchFile<File> {
    /// Opens a file.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, is damaged, or holds neither a tensor nor a dict of tensors.
    pub fn open(path: &Path) -> Result<Self> {
        Self::new(File::open(path)?)
    }
}

impl<R: Read + Seek> TorchFile<R> {
    /// As [`open`](TorchFile::open), from anything that can be read at any position.
    ///
    /// # Errors
    ///
    /// When the source cannot be read, is damaged, or holds neither a tensor nor a dict of tensors.
    pub fn new(source: R) -> Result<Self> {
        let archive = Archive::open(source)?;
        let folder = folder(&archive)?;
        check_byte_order(&archive, &folder)?;
        let pickle = archive.read(&format!("{folder}{PICKLE}"), pickle::MAX_BYTES)?;
        let contents = Contents::find(&Pickle::read(pickle)?, &archive, &folder)?;
        Ok(Self {
            archive,
            contents,
            sound: Mutex::default(),
        })
    }

    /// What the file holds.
    #[must_use]
    pub fn contents(&self) -> &Contents {
        &self.contents
    }

    /// The elements of a tensor of this file, row-major and little-endian.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, or the storage is damaged.
    pub fn read_bytes(&self, tensor: &Tensor) -> Result<Vec<u8>> {
        let mut bytes = vec![0; tensor.bytes()];
        self.read_into(tensor, &mut bytes)?;
        Ok(bytes)
    }

    /// The elements of a float32 tensor of this file, row-major.
    ///
    /// # Errors
    ///
    /// When the tensor is of another type, the file cannot be read, or the storage is damaged.
    pub fn read_f32(&self, tensor: &Tensor) -> Result<Vec<f32>> {
        if tensor.dtype != Dtype::Float32 {
            let found = tensor.dtype;
            return Err(TorchError::tensor(
                &tensor.name,
                TensorErrorKind::NotFloat32 { found },
            ));
        }
        let mut values = vec![0.0f32; tensor.elements()];
        self.read_into(tensor, bytemuck::cast_slice_mut(&mut values))?;
        if cfg!(target_endian = "big") {
            for value in &mut values {
                *value = f32::from_bits(value.to_bits().swap_bytes());
            }
        }
        Ok(values)
    }

    fn read_into(&self, tensor: &Tensor, bytes: &mut [u8]) -> Result<()> {
        let storage = tensor.storage;
        if tensor.is_contiguous() && bytes.len() as u64 == storage.bytes {
            // The usual case: one pass.
            self.archive.read_at(storage.start, bytes)?;
            if !storage.has_checksum_of(bytes) {
                return Err(damaged(tensor));
            }
            return Ok(());
        }
        let is_sound = self.sound().contains(&storage.start);
        if !is_sound {
            if !self.archive.is_sound(storage)? {
                return Err(damaged(tensor));
            }
            self.sound().insert(storage.start);
        }
        if tensor.is_contiguous() {
            let first = (tensor.offset * tensor.dtype.bytes()) as u64;
            return self.archive.read_at(storage.start + first, bytes);
        }
        tensor.gather(&self.archive, bytes)
    }

    fn sound(&self) -> std::sync::MutexGuard<'_, BTreeSet<u64>> {
        self.sound.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The folder of all entries, with a final slash.
fn folder<R: Read + Seek>(archive: &Archive<R>) -> Result<String> {
    let folder_of = |name: &str| {
        let folder = name.strip_suffix(PICKLE)?;
        folder.ends_with('/').then(|| folder.to_owned())
    };
    let mut folders = archive.names().filter_map(folder_of);
    let kind = match (folders.next(), folders.next()) {
        (Some(folder), None) => return Ok(folder),
        (None, _) => EntryErrorKind::Missing,
        (Some(_), Some(_)) => EntryErrorKind::Duplicate,
    };
    Err(TorchError::entry(PICKLE, kind))
}

/// Files of PyTorch before 2.1 do not say their byte order, and are little-endian.
fn check_byte_order<R: Read + Seek>(archive: &Archive<R>, folder: &str) -> Result<()> {
    const MAX_WORD_BYTES: u64 = 64;
    let name = format!("{folder}byteorder");
    if archive.names().any(|entry| entry == name)
        && archive.read(&name, MAX_WORD_BYTES)? != b"little"
    {
        return Err(TorchError::entry(&name, EntryErrorKind::ByteOrder));
    }
    Ok(())
}

fn damaged(tensor: &Tensor) -> TorchError {
    TorchError::entry(&tensor.storage_name, EntryErrorKind::Checksum)
}
