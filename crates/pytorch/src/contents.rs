//! The tensors that a pickle describes, compared with the entries of the archive.

use std::collections::BTreeMap;
use std::io::{Read, Seek};
use std::sync::Arc;

use crate::archive::Archive;
use crate::error::{Result, TensorErrorKind, TorchError, shown};
use crate::pickle::{Global, Id, Pickle, Value};
use crate::tensor::{Dtype, Tensor};

/// What `torch.save` was given.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Contents {
    /// One tensor.
    Tensor(Tensor),
    /// The tensors of a state dict by name.
    StateDict(BTreeMap<String, Tensor>),
}

/// The names of a state dict in the checkpoints of training programs, which hold an optimizer and others too.
const WRAPPERS: [&str; 3] = ["state_dict", "model_state_dict", "model"];

/// The name of the only tensor in errors.
const ALONE: &str = "tensor";

const MAX_TENSORS: usize = 1 << 15;
const MAX_DIMENSIONS: usize = 8;

/// A view may repeat the values of its storage up to this size.
const MAX_REPEATED_BYTES: usize = 1 << 20;

impl Contents {
    /// Finds the tensors; `folder` is the archive's, with a final slash.
    pub(crate) fn find<R: Read + Seek>(
        pickle: &Pickle,
        archive: &Archive<R>,
        folder: &str,
    ) -> Result<Self> {
        let mut finder = Finder {
            pickle,
            archive,
            folder,
            types: BTreeMap::new(),
        };
        match pickle.root() {
            Value::Tensor(arguments) => finder.tensor(ALONE, *arguments).map(Self::Tensor),
            Value::Dict(entries) => finder.state_dict(entries).map(Self::StateDict),
            _ => Err(TorchError::NoStateDict),
        }
    }
}

struct Finder<'a, R> {
    pickle: &'a Pickle,
    archive: &'a Archive<R>,
    folder: &'a str,
    /// The type of each storage so far.
    types: BTreeMap<Arc<str>, Dtype>,
}

impl<R: Read + Seek> Finder<'_, R> {
    /// The tensors of a dict, or of the state dict in it.
    fn state_dict(&mut self, entries: &[(Id, Id)]) -> Result<BTreeMap<String, Tensor>> {
        let has_tensors = |entries: &[(Id, Id)]| {
            let is_tensor =
                |(_, value): &(Id, Id)| matches!(self.pickle.value(*value), Value::Tensor(_));
            entries.iter().any(is_tensor)
        };
        let wrapped = |name: &&str| {
            let found = entries
                .iter()
                .find(|(key, _)| self.pickle.text(*key) == Some(name));
            match self.pickle.value(found?.1) {
                Value::Dict(inner) if has_tensors(inner) => Some(inner.as_slice()),
                _ => None,
            }
        };
        // First, because a checkpoint may hold tensors beside the state dict, such as its step.
        let entries = match WRAPPERS.iter().find_map(wrapped) {
            Some(inner) => inner,
            None if has_tensors(entries) => entries,
            None => return Err(TorchError::NoStateDict),
        };
        let mut tensors = BTreeMap::new();
        for (key, value) in entries {
            let Value::Tensor(arguments) = self.pickle.value(*value) else {
                continue;
            };
            let name = self.pickle.text(*key).ok_or(TorchError::NoStateDict)?;
            if tensors.contains_key(name) {
                return Err(TorchError::tensor(name, TensorErrorKind::Duplicate));
            }
            if tensors.len() >= MAX_TENSORS {
                return Err(TorchError::tensor(
                    name,
                    TensorErrorKind::TooMany(MAX_TENSORS),
                ));
            }
            tensors.insert(name.to_owned(), self.tensor(name, *arguments)?);
        }
        Ok(tensors)
    }

    /// Storage, offset, shape, strides, `requires_grad`, hooks, and the metadata of a few tensors.
    fn tensor(&mut self, name: &str, arguments: Id) -> Result<Tensor> {
        let wrong = |kind| TorchError::tensor(name, kind);
        let malformed = || TorchError::tensor(name, TensorErrorKind::Malformed);
        let pickle = self.pickle;
        let size = |id: Id| pickle.size(id).and_then(|size| usize::try_from(size).ok());
        let sizes = |id: Id| {
            let sizes = pickle.tuple(id)?;
            sizes.iter().map(|id| size(*id)).collect::<Option<Vec<_>>>()
        };
        let parts = pickle.tuple(arguments).ok_or_else(malformed)?;
        let Some((&[storage, offset, shape, strides, _, _], metadata)) = parts.split_first_chunk()
        else {
            return Err(malformed());
        };
        match metadata {
            [] => {}
            [bits] => match pickle.value(*bits) {
                Value::Dict(bits) if bits.is_empty() => {}
                // The bits that say that the values are negated or conjugated as they are read.
                _ => return Err(wrong(TensorErrorKind::Lazy)),
            },
            _ => return Err(malformed()),
        }
        if pickle
            .tuple(shape)
            .is_some_and(|shape| shape.len() > MAX_DIMENSIONS)
        {
            return Err(wrong(TensorErrorKind::TooMany(MAX_DIMENSIONS)));
        }
        let (Some(offset), Some(shape), Some(strides)) =
            (size(offset), sizes(shape), sizes(strides))
        else {
            return Err(malformed());
        };
        let (storage_name, dtype, length) = self.storage(storage).ok_or_else(malformed)?;
        let (storage_name, storage) = self.archive.entry(&storage_name)?;
        let expected = length as u128 * dtype.bytes() as u128;
        if expected != storage.bytes.into() {
            return Err(wrong(TensorErrorKind::StorageLength {
                entry: shown(&storage_name),
                expected,
                found: storage.bytes,
            }));
        }
        if *self.types.entry(Arc::clone(&storage_name)).or_insert(dtype) != dtype {
            let entry = shown(&storage_name);
            return Err(wrong(TensorErrorKind::StorageType { entry }));
        }
        if shape.len() != strides.len() {
            return Err(malformed());
        }
        let outside = || TorchError::tensor(name, TensorErrorKind::Outside);
        let end = end_of(offset, &shape, &strides).ok_or_else(outside)?;
        if end > length {
            return Err(outside());
        }
        let bytes = shape
            .iter()
            .try_fold(dtype.bytes(), |bytes, length| bytes.checked_mul(*length));
        match bytes {
            Some(bytes) if bytes as u64 <= storage.bytes.max(MAX_REPEATED_BYTES as u64) => {}
            // An empty tensor may have any lengths beside the 0.
            _ if shape.contains(&0) => {}
            _ => return Err(wrong(TensorErrorKind::Repeated)),
        }
        Ok(Tensor {
            name: name.to_owned(),
            dtype,
            shape,
            strides,
            offset,
            storage,
            storage_name,
        })
    }

    /// `("storage", torch.FloatStorage, key, device, elements)`: the entry's name, the type and the elements.
    fn storage(&self, id: Id) -> Option<(String, Dtype, usize)> {
        let pickle = self.pickle;
        let Value::Storage(id) = pickle.value(id) else {
            return None;
        };
        let &[kind, class, key, _device, elements] = pickle.tuple(*id)? else {
            return None;
        };
        match (pickle.text(kind)?, pickle.value(class)) {
            ("storage", Value::Global(Global::Storage(dtype))) => {
                let name = format!("{}data/{}", self.folder, pickle.text(key)?);
                let elements = usize::try_from(pickle.size(elements)?).ok()?;
                Some((name, *dtype, elements))
            }
            _ => None,
        }
    }
}

/// The element of the storage behind the last one of the tensor.
fn end_of(offset: usize, shape: &[usize], strides: &[usize]) -> Option<usize> {
    if shape.contains(&0) {
        return Some(0);
    }
    let steps = std::iter::zip(shape, strides);
    let last = steps
        .into_iter()
        .try_fold(offset, |last, (length, stride)| {
            last.checked_add((length - 1).checked_mul(*stride)?)
        });
    last?.checked_add(1)
}
