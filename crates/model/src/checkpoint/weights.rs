//! The weights file: every tensor checked, then put into the network.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::rc::Rc;

use burn::module::ParamId;
use burn::tensor::backend::Backend;
use burn::tensor::{DType, TensorData};
use burn_store::pytorch::PytorchReader;
use burn_store::{ModuleSnapshot, PyTorchToBurnAdapter, TensorSnapshot, TensorSnapshotError};

use super::names::{NamedTensor, UNUSED, tensors};
use super::safetensors_file;
use crate::config::MpNetConfig;
use crate::error::{BoxedError, ModelError, Result};
use crate::guard::guarded;
use crate::network::MpNet;

pub(super) const SAFETENSORS_FILE: &str = "model.safetensors";
pub(super) const PYTORCH_FILE: &str = "pytorch_model.bin";

/// Reads a network. Names and shapes are checked before the first weight is read.
pub(super) fn load<B: Backend>(
    path: &Path,
    config: &MpNetConfig,
    device: &B::Device,
) -> Result<MpNet<B>> {
    let mut found = read_snapshots(path)?;
    let failure = Rc::new(RefCell::new(None));
    let mut snapshots = Vec::new();
    for expected in tensors(config) {
        let Some(snapshot) = found.remove(&expected.checkpoint) else {
            return Err(ModelError::MissingTensor {
                path: path.to_owned(),
                tensor: expected.checkpoint,
            });
        };
        check(path, &expected, &snapshot)?;
        snapshots.push(checked_values(
            path,
            expected,
            snapshot,
            Rc::clone(&failure),
        ));
    }
    if let Some(tensor) = found
        .into_keys()
        .find(|name| !UNUSED.contains(&name.as_str()))
    {
        return Err(ModelError::UnexpectedTensor {
            path: path.to_owned(),
            tensor,
        });
    }

    // Parameters are initialised when first used, so nothing random is drawn here.
    let mut network = MpNet::new(config, device);
    let outcome = network.apply(snapshots, None, Some(Box::new(PyTorchToBurnAdapter)), false);
    if let Some(error) = failure.take() {
        return Err(error);
    }
    if let Some(error) = outcome.errors.into_iter().next() {
        return Err(ModelError::Weights {
            path: path.to_owned(),
            source: Box::new(error),
        });
    }
    match outcome.missing.into_iter().next() {
        Some((tensor, _)) => Err(ModelError::MissingTensor {
            path: path.to_owned(),
            tensor,
        }),
        None => Ok(network),
    }
}

/// The tensors of a file by name, their values still unread.
fn read_snapshots(path: &Path) -> Result<BTreeMap<String, TensorSnapshot>> {
    let damaged = |source: BoxedError| ModelError::Weights {
        path: path.to_owned(),
        source,
    };
    if path
        .extension()
        .is_some_and(|extension| extension == "safetensors")
    {
        return safetensors_file::open(path).map_err(damaged);
    }
    let reader = guarded(|| PytorchReader::new(path)).map_err(damaged)?;
    Ok(reader.into_tensors().into_iter().collect())
}

fn check(path: &Path, expected: &NamedTensor, snapshot: &TensorSnapshot) -> Result<()> {
    let shape: Vec<usize> = snapshot.shape.iter().copied().collect();
    if shape != expected.shape {
        return Err(ModelError::TensorShape {
            path: path.to_owned(),
            tensor: expected.checkpoint.clone(),
            expected: expected.shape.clone(),
            found: shape,
        });
    }
    match snapshot.dtype {
        DType::F64 | DType::F32 | DType::F16 | DType::BF16 => Ok(()),
        other => Err(ModelError::TensorType {
            path: path.to_owned(),
            tensor: expected.checkpoint.clone(),
            found: format!("{other:?}"),
        }),
    }
}

/// A snapshot under the parameter's path that reads `f32` and refuses what is not finite.
///
/// burn-store passes on only text from inside a snapshot, so the error itself goes to `failure`.
fn checked_values(
    path: &Path,
    tensor: NamedTensor,
    snapshot: TensorSnapshot,
    failure: Rc<RefCell<Option<ModelError>>>,
) -> TensorSnapshot {
    let path = path.to_owned();
    let parameter = tensor.parameter.split('.').map(str::to_owned).collect();
    let shape = snapshot.shape.clone();
    let read = move || -> std::result::Result<TensorData, TensorSnapshotError> {
        let refuse = |error: ModelError| {
            let text = TensorSnapshotError::DataError(error.to_string());
            failure.borrow_mut().get_or_insert(error);
            text
        };
        let damaged = |source: BoxedError| ModelError::Weights {
            path: path.clone(),
            source,
        };
        let data = guarded(|| snapshot.to_data()).map_err(|error| refuse(damaged(error)))?;
        let data = data.convert::<f32>();
        let values = data.as_slice::<f32>().map_err(|error| {
            refuse(damaged(
                format!("`{}`: {error:?}", tensor.checkpoint).into(),
            ))
        })?;
        if let Some(index) = values.iter().position(|value| !value.is_finite()) {
            return Err(refuse(ModelError::NonFinite {
                path: path.clone(),
                tensor: tensor.checkpoint.clone(),
                index,
                value: values[index],
            }));
        }
        Ok(data)
    };
    TensorSnapshot::from_closure(
        Rc::new(read),
        DType::F32,
        shape,
        parameter,
        Vec::new(),
        ParamId::new(),
    )
}

/// The network's tensors under their checkpoint names and in PyTorch's layout.
pub(super) fn collect<B: Backend>(
    network: &MpNet<B>,
    config: &MpNetConfig,
) -> Result<Vec<(String, TensorData)>> {
    let adapter = Box::new(burn_store::BurnToPyTorchAdapter);
    let mut collected: HashMap<String, TensorSnapshot> = network
        .collect(None, Some(adapter), false)
        .into_iter()
        .map(|snapshot| (snapshot.full_path(), snapshot))
        .collect();
    let mut named = Vec::new();
    for tensor in tensors(config) {
        let read = |source: BoxedError| ModelError::Compute {
            device: std::any::type_name::<B>().to_owned(),
            source,
        };
        let snapshot = collected.remove(&tensor.parameter).ok_or_else(|| {
            read(format!("the network has no parameter `{}`", tensor.parameter).into())
        })?;
        let data = snapshot.to_data().map_err(|error| read(Box::new(error)))?;
        named.push((tensor.checkpoint, data.convert::<f32>()));
    }
    Ok(named)
}

/// The tensors of a file that belong to no parameter but to the published model: the pooler.
pub(super) fn unused_tensors(path: &Path) -> Result<Vec<(String, TensorData)>> {
    let mut unused = Vec::new();
    for (name, snapshot) in read_snapshots(path)? {
        if name.starts_with("pooler.") && UNUSED.contains(&name.as_str()) {
            let data = guarded(|| snapshot.to_data()).map_err(|source| ModelError::Weights {
                path: path.to_owned(),
                source,
            })?;
            unused.push((name, data.convert::<f32>()));
        }
    }
    Ok(unused)
}
