//! Single tensors of a weights file, by their names.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};

use super::weights::check_type;
use super::weights_files::{self, FoundTensor};
use crate::error::{ModelError, Result};

/// The tensors of a weights file.
pub(super) struct Tensors {
    path: PathBuf,
    found: BTreeMap<String, FoundTensor>,
}

impl Tensors {
    pub(super) fn open(path: &Path) -> Result<Self> {
        Ok(Self {
            path: path.to_owned(),
            found: weights_files::open(path)?,
        })
    }

    /// Whether the file has a tensor of this name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.found.contains_key(name)
    }

    /// The finite values of a tensor of this shape, in float32.
    pub(super) fn take<B: Backend, const D: usize>(
        &mut self,
        name: &str,
        shape: [usize; D],
        device: &B::Device,
    ) -> Result<Tensor<B, D>> {
        Ok(Tensor::from_data(self.values(name, &shape)?, device))
    }

    fn values(&mut self, name: &str, shape: &[usize]) -> Result<TensorData> {
        let tensor = || name.to_owned();
        let Some(FoundTensor { path, values }) = self.found.remove(name) else {
            return Err(ModelError::MissingTensor {
                path: self.path.clone(),
                tensor: tensor(),
            });
        };
        let path = || path.to_path_buf();
        if values.shape != shape {
            return Err(ModelError::TensorShape {
                path: path(),
                tensor: tensor(),
                expected: shape.to_vec(),
                found: values.shape.clone(),
            });
        }
        check_type(&path(), name, &values)?;
        let data = values.read().map_err(|source| ModelError::Weights {
            path: path(),
            source,
        })?;
        let data = data.convert::<f32>();
        let wrong = data
            .iter::<f32>()
            .enumerate()
            .find(|(_, value)| !value.is_finite());
        match wrong {
            None => Ok(data),
            Some((index, value)) => Err(ModelError::NonFinite {
                path: path(),
                tensor: tensor(),
                index,
                value,
            }),
        }
    }
}
