//! The network of an encoder, with its backend type erased.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use kernels::{EncoderOps, Precision};

use crate::backend::{BackendTask, Device};
use crate::batch::TokenBatch;
use crate::checkpoint::Checkpoint;
use crate::error::{ModelError, Result};
use crate::sentence_model::SentenceModel;

/// A model with its backend type erased.
pub(crate) trait PooledVectors: Send + Sync {
    /// Vectors before normalisation, row-major `[texts, width]`.
    fn pooled(&self, batch: &TokenBatch) -> Result<Vec<f32>>;
}

/// A network and the precision of its computation.
pub(crate) struct Loaded {
    pub(crate) network: Box<dyn PooledVectors>,
    pub(crate) precision: Precision,
}

/// Maximum tokens of a batch unless the caller says otherwise: on a CPU the activations of a layer stay in its cache.
pub(crate) fn default_batch_tokens(device: Device) -> usize {
    if device.is_gpu() { 32_768 } else { 1_024 }
}

/// Loads a checkpoint onto a device.
pub(crate) struct Load<'a> {
    pub(crate) checkpoint: &'a Checkpoint,
    pub(crate) device_name: String,
    pub(crate) precision: Option<Precision>,
}

impl BackendTask for Load<'_> {
    type Output = Result<Loaded>;

    fn run<B: EncoderOps>(self, device: B::Device) -> Self::Output {
        known::<B>(self.precision, &self.device_name, &device)?;
        let (model, precision) = self.checkpoint.load_packed::<B>(&device, self.precision)?;
        Ok(on_backend(model, precision, self.device_name))
    }
}

/// Refuses a precision that the device lacks, before a model is found.
pub(crate) struct CheckPrecision {
    pub(crate) device_name: String,
    pub(crate) precision: Option<Precision>,
}

impl BackendTask for CheckPrecision {
    type Output = Result<()>;

    fn run<B: EncoderOps>(self, device: B::Device) -> Self::Output {
        known::<B>(self.precision, &self.device_name, &device)
    }
}

/// Refuses a precision that the device lacks.
pub(crate) fn known<B: EncoderOps>(
    asked: Option<Precision>,
    name: &str,
    device: &B::Device,
) -> Result<()> {
    let possible = B::precisions(device);
    match asked {
        Some(precision) if !possible.contains(&precision) => Err(ModelError::Precision {
            precision,
            device: name.to_owned(),
            possible,
        }),
        _ => Ok(()),
    }
}

/// Erases the backend type.
pub(crate) fn on_backend<B: EncoderOps>(
    model: SentenceModel<B>,
    precision: Precision,
    name: String,
) -> Loaded {
    Loaded {
        network: Box::new(OnBackend {
            model,
            name,
            precision,
            biases: Mutex::default(),
        }),
        precision,
    }
}

struct OnBackend<B: Backend> {
    model: SentenceModel<B>,
    name: String,
    precision: Precision,
    biases: Mutex<BiasCache<B>>,
}

impl<B: EncoderOps> PooledVectors for OnBackend<B> {
    fn pooled(&self, batch: &TokenBatch) -> Result<Vec<f32>> {
        // A text of a varlen batch reads the corner of a longer bias, so fewer lengths are cached.
        let length = if B::VARLEN {
            batch.length().next_multiple_of(BIAS_STEP)
        } else {
            batch.length()
        };
        let pooled = self.model.batch_pooled(batch, self.bias(length));
        let failed = |source| ModelError::Compute {
            device: self.name.clone(),
            source,
        };
        let data = pooled
            .try_into_data()
            .map_err(|error| failed(Box::new(error)))?;
        let rows: Vec<f32> = data
            .convert::<f32>()
            .into_vec()
            .map_err(|error| failed(format!("{error:?}").into()))?;
        if self.precision == Precision::Float16 && rows.iter().any(|value| !value.is_finite()) {
            let overflow = "values exceed 65504, the maximum of f16; choose bf16 or f32";
            return Err(failed(overflow.into()));
        }
        Ok(rows)
    }
}

impl<B: EncoderOps> OnBackend<B> {
    /// The position bias, if the encoder has one.
    ///
    /// Computed without the lock: while the backend waits for its threads, rayon may give this thread another
    /// batch, which needs a bias too.
    fn bias(&self, length: usize) -> Option<Tensor<B, 4>> {
        let biases = || self.biases.lock().unwrap_or_else(PoisonError::into_inner);
        let known = biases().by_length.get(&length).cloned();
        known.or_else(|| {
            let bias = self.model.network.position_bias(length)?;
            biases().insert(length, bias.clone());
            Some(bias)
        })
    }
}

/// Varlen batches take the bias of the next multiple of this length.
const BIAS_STEP: usize = 32;

/// Position biases by length: computed once for every length that occurs.
struct BiasCache<B: Backend> {
    by_length: HashMap<usize, Tensor<B, 4>>,
    values: usize,
}

/// The cache is emptied above this many values (64 MiB of `f32`): 384 lengths of 12 heads would
/// take 0.9 GB.
const MAX_CACHED_VALUES: usize = 16 << 20;

impl<B: Backend> Default for BiasCache<B> {
    fn default() -> Self {
        Self {
            by_length: HashMap::new(),
            values: 0,
        }
    }
}

impl<B: Backend> BiasCache<B> {
    fn insert(&mut self, length: usize, bias: Tensor<B, 4>) {
        let values = bias.shape().num_elements();
        if self.values + values > MAX_CACHED_VALUES {
            self.by_length.clear();
            self.values = 0;
        }
        // Two concurrent batches may have computed the same bias.
        if self.by_length.insert(length, bias).is_none() {
            self.values += values;
        }
    }
}
