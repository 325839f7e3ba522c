//! The errors of this crate.

/// Result of this crate.
pub(crate) type Result<T> = std::result::Result<T, TorchError>;

/// A file of `torch.save` that cannot be read. It names the entry, the tensor or the byte at fault.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TorchError {
    /// The file could not be read.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// A pickle without a zip archive.
    #[error(
        "written in the form of torch.save before PyTorch 1.6, which is not supported; convert it in Python with \
         `torch.save(torch.load(OLD, weights_only=True), NEW)`"
    )]
    Legacy,
    /// A tar archive.
    #[error(
        "written in the tar form of the first versions of PyTorch, which is not supported; if you trust the file, convert \
         it in Python with `torch.save(torch.load(OLD, weights_only=False), NEW)`"
    )]
    Tar,
    /// The text file that Git stores in place of a large file.
    #[error("a Git LFS pointer, not the file itself; run `git lfs pull`")]
    GitLfsPointer,
    /// Not a zip archive.
    #[error(
        "not a file of torch.save, or cut off: it does not end with the directory of a zip archive"
    )]
    NotAnArchive,
    /// The directory of the zip archive is damaged.
    #[error("the directory of the zip archive is damaged: {reason}")]
    Directory {
        /// What is wrong.
        reason: &'static str,
    },
    /// An entry of the zip archive is damaged or not as `torch.save` writes it.
    #[error("entry `{entry}`: {kind}")]
    Entry {
        /// Its name.
        entry: String,
        /// What is wrong.
        kind: EntryErrorKind,
    },
    /// The pickle is damaged, or is not a state dict or a tensor.
    #[error("data.pkl, byte {position}: {kind}")]
    Pickle {
        /// Position of the instruction.
        position: usize,
        /// What is wrong.
        kind: PickleErrorKind,
    },
    /// A tensor cannot be read.
    #[error("tensor `{tensor}`: {kind}")]
    Tensor {
        /// Its name in the state dict; `tensor` for a file of one tensor.
        tensor: String,
        /// What is wrong.
        kind: TensorErrorKind,
    },
    /// The file holds neither a tensor nor a dict of tensors.
    #[error("holds neither a tensor nor a dict of tensors; save a tensor or `model.state_dict()`")]
    NoStateDict,
}

/// The fault of an entry of the zip archive.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EntryErrorKind {
    /// No entry has this name.
    #[error("missing")]
    Missing,
    /// Two entries have this name, or two pickles are in the archive.
    #[error("is there twice")]
    Duplicate,
    /// The entry is compressed.
    #[error(
        "compressed, but torch.save only stores; save the file again with torch.save, without a zip program"
    )]
    Compressed,
    /// The entry is encrypted, or has another feature that `torch.save` does not use.
    #[error("has the flags {flags:#06x}, which torch.save does not use")]
    Flags {
        /// The flags of the zip entry.
        flags: u16,
    },
    /// The header in front of the entry differs from the directory.
    #[error("its header differs from the directory of the archive")]
    Header,
    /// The entry lies in another one, or outside of the file.
    #[error("overlaps another entry or the end of the file")]
    Overlap,
    /// The checksum is wrong: the values are damaged.
    #[error("damaged: its checksum is wrong")]
    Checksum,
    /// The entry is longer than it may be.
    #[error("{bytes} bytes are more than the {limit} bytes that are read")]
    TooLarge {
        /// Its length.
        bytes: u64,
        /// The maximum.
        limit: u64,
    },
    /// The values are stored in another byte order, or the order is unknown.
    #[error("the values are not little-endian; save the file again on a little-endian machine")]
    ByteOrder,
}

/// The fault of the pickle.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PickleErrorKind {
    /// The pickle ends in the middle of an instruction.
    #[error("the pickle is cut off")]
    Cut,
    /// An instruction that no state dict needs.
    #[error("the instruction {0:#04x} is not one of a state dict")]
    Opcode(u8),
    /// A class or a function that no state dict needs.
    #[error(
        "`{0}` is not one of the classes and functions of a state dict; save `model.state_dict()` alone"
    )]
    Global(String),
    /// An instruction does not find the values that it needs.
    #[error("an instruction has not the values that it needs")]
    Operands,
    /// A text is not UTF-8.
    #[error("a text is not UTF-8")]
    Text,
    /// More values than a state dict needs.
    #[error("more values than the maximum of {0}")]
    TooMany(usize),
}

/// The fault of a tensor.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TensorErrorKind {
    /// The pickle describes no tensor.
    #[error("its shape, strides or storage are not those of a tensor")]
    Malformed,
    /// The name is twice in the state dict.
    #[error("is there twice")]
    Duplicate,
    /// More tensors, or dimensions, than the maximum.
    #[error("more than the maximum of {0}")]
    TooMany(usize),
    /// The entry of the storage has not the length that the pickle says.
    #[error("its storage `{entry}` has {found} bytes instead of {expected}")]
    StorageLength {
        /// The entry of the storage.
        entry: String,
        /// Bytes by the pickle.
        expected: u128,
        /// Bytes of the entry.
        found: u64,
    },
    /// Two tensors say that one storage holds different types.
    #[error("its storage `{entry}` holds another type by another tensor")]
    StorageType {
        /// The entry of the storage.
        entry: String,
    },
    /// The tensor reaches beyond its storage.
    #[error("reaches beyond the end of its storage")]
    Outside,
    /// The tensor repeats the values of a small storage, or its parts overlap.
    #[error("a view that repeats the values of its storage; save a `.clone()` of it")]
    Repeated,
    /// The tensor has a bit of torch by which its values are others than the stored ones.
    #[error(
        "its stored values wait for a negation or a conjugation; save a `.resolve_neg().clone()` of it"
    )]
    Lazy,
    /// The values are of another type than the caller wants.
    #[error("holds {found} instead of float32")]
    NotFloat32 {
        /// The type.
        found: crate::Dtype,
    },
}

impl TorchError {
    pub(crate) fn entry(name: &str, kind: EntryErrorKind) -> Self {
        Self::Entry {
            entry: shown(name),
            kind,
        }
    }

    pub(crate) fn tensor(name: &str, kind: TensorErrorKind) -> Self {
        Self::Tensor {
            tensor: shown(name),
            kind,
        }
    }
}

/// A name of the file for a message: without control characters, at most 160 characters.
pub(crate) fn shown(name: &str) -> String {
    const MOST: usize = 160;
    let mut shown: String = name
        .chars()
        .take(MOST)
        .flat_map(char::escape_debug)
        .collect();
    if name.chars().nth(MOST).is_some() {
        shown.push('…');
    }
    shown
}
