//! Collects a network's weights for a file.

use std::collections::HashMap;
use std::path::Path;

use burn::tensor::TensorData;
use burn::tensor::backend::Backend;
use burn_store::{ModuleSnapshot, TensorSnapshot};

use super::weights::WeightsFile;
use crate::architecture::EncoderConfig;
use crate::architecture::tensors::tensors;
use crate::boxed_error::BoxedError;
use crate::encoder::Encoder;
use crate::error::{ModelError, Result};

/// The network's tensors under their checkpoint names and in PyTorch's layout.
pub(super) fn collect<B: Backend>(
    network: &Encoder<B>,
    config: &EncoderConfig,
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

/// The pooler's tensors of a file, which belong to the published model and to no parameter.
pub(super) fn pooler(path: &Path, config: &EncoderConfig) -> Result<Vec<(String, TensorData)>> {
    let file = WeightsFile::open(path, config)?;
    file.unused
        .iter()
        .filter(|tensor| tensor.named.checkpoint.starts_with("pooler."))
        .map(|tensor| Ok((tensor.named.checkpoint.clone(), tensor.floats()?)))
        .collect()
}
