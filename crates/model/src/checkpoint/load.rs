//! Loads a weights file into a network.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ops::Range;
use std::path::Path;
use std::rc::Rc;

use burn::module::ParamId;
use burn::tensor::backend::Backend;
use burn::tensor::{DType, Shape};
use burn_store::{ModuleSnapshot, PyTorchToBurnAdapter, TensorSnapshot, TensorSnapshotError};
use kernels::{EncoderOps, Int8Matrix, PackedLinear, Precision};

use super::weights::{StoredTensor, WeightsFile};
use crate::architecture::EncoderConfig;
use crate::encoder::Encoder;
use crate::encoder::layer::{EncoderLayer, PackedLayer};
use crate::error::{ModelError, Result};

/// Reads a network in float32: half precision is upcast, int8 is dequantized.
pub(super) fn load<B: Backend>(
    path: &Path,
    config: &EncoderConfig,
    device: &B::Device,
) -> Result<Encoder<B>> {
    let file = WeightsFile::open(path, config)?;
    let mut network = Encoder::new(config, device);
    apply::<B, _>(&mut network, path, "", file.tensors)?;
    Ok(network)
}

/// What a packed network will read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Input {
    /// Texts alone: all tokens have type 0.
    Texts,
    /// Pairs of texts.
    Pairs,
}

/// Reads a network layer by layer and packs each layer on a backend that packs, so that at most one layer is
/// in memory twice. [`Precision::Int8`] packs quantized weights of the file unchanged.
///
/// Without a precision, that of the file applies, or float32 on a device without it.
pub(super) fn load_packed<B: EncoderOps>(
    path: &Path,
    config: &EncoderConfig,
    device: &B::Device,
    precision: Option<Precision>,
    input: Input,
) -> Result<(Encoder<B>, Precision)> {
    let file = WeightsFile::open(path, config)?;
    let precision = match precision {
        Some(precision) => precision,
        None => Some(file.precision())
            .filter(|precision| B::precisions(device).contains(precision))
            .unwrap_or_default(),
    };
    let mut of_layers: Vec<Vec<Rc<StoredTensor>>> = vec![Vec::new(); config.num_hidden_layers];
    let mut rest = Vec::new();
    for tensor in file.tensors {
        match layer_of(&tensor.named.parameter).and_then(|layer| of_layers.get_mut(layer)) {
            Some(layer) => layer.push(tensor),
            None => rest.push(tensor),
        }
    }
    // Parameters are initialised on first use, so no random value is drawn.
    let mut network = Encoder::new(config, device);
    let layers = network.take_layers();
    apply::<B, _>(&mut network, path, "", rest)?;
    if input == Input::Texts {
        network = network.for_texts_alone();
    }
    let network = network.pack_embeddings(precision);
    let layers = layers
        .into_iter()
        .zip(of_layers)
        .enumerate()
        .map(|(index, (layer, tensors))| {
            let prefix = format!("layers.{index}.");
            pack_layer::<B>(layer, path, &prefix, tensors, precision, config.gated)
        })
        .collect::<Result<Vec<_>>>()?;
    Ok((network.with_layers(layers), precision))
}

fn layer_of(parameter: &str) -> Option<usize> {
    let (index, _) = parameter.strip_prefix("layers.")?.split_once('.')?;
    index.parse().ok()
}

fn pack_layer<B: EncoderOps>(
    mut layer: EncoderLayer<B>,
    path: &Path,
    prefix: &str,
    tensors: Vec<Rc<StoredTensor>>,
    precision: Precision,
    gated: bool,
) -> Result<EncoderLayer<B>> {
    if !B::PACKS_WEIGHTS {
        apply::<B, _>(&mut layer, path, prefix, tensors)?;
        return Ok(layer.pack(precision));
    }
    // Packed directly, without tensors in between.
    let mut dense = HashMap::new();
    let mut others = Vec::new();
    for tensor in tensors {
        let parameter = &tensor.named.parameter[prefix.len()..];
        if parameter.contains("norm.") {
            others.push(tensor);
        } else {
            dense.insert(parameter.to_owned(), tensor);
        }
    }
    let join = |names: &[&str]| join(path, &dense, names, precision);
    let packed = PackedLayer {
        projections: join(&["attention.query", "attention.key", "attention.value"])?,
        attention_output: join(&["attention.output"])?,
        intermediate: if gated {
            gated_layer(path, &dense, "intermediate", precision)?
        } else {
            join(&["intermediate"])?
        },
        output: join(&["output"])?,
    };
    layer = layer.with_packed(packed);
    apply::<B, _>(&mut layer, path, prefix, others)?;
    Ok(layer)
}

/// The tensors of a layer by the paths of their parameters.
type OfLayer = HashMap<String, Rc<StoredTensor>>;

/// Layers that share their input, packed as one.
fn join(
    path: &Path,
    tensors: &OfLayer,
    names: &[&str],
    precision: Precision,
) -> Result<PackedLinear> {
    let mut weights = Vec::new();
    let mut biases = Vec::new();
    for name in names {
        let weight = weight(path, tensors, name)?;
        biases.push(bias(tensors, name, weight.named.part_shape()[0])?);
        weights.push(weight);
    }
    let biases = biases.iter().map(Vec::as_slice);
    if precision == Precision::Int8 && quantizes(&weights) {
        let matrices = collect(&weights, StoredTensor::quantized)?;
        let layers: Vec<(&Int8Matrix, &[f32])> = matrices.iter().zip(biases).collect();
        return Ok(PackedLinear::pack_int8(&layers));
    }
    let matrices = collect(&weights, StoredTensor::float_values)?;
    let layers: Vec<(&[f32], &[f32])> = matrices.iter().map(Vec::as_slice).zip(biases).collect();
    Ok(PackedLinear::pack_by_output(&layers, precision))
}

/// A gated layer: the first half of its outputs is activated.
fn gated_layer(
    path: &Path,
    tensors: &OfLayer,
    name: &str,
    precision: Precision,
) -> Result<PackedLinear> {
    let weight = weight(path, tensors, name)?;
    let outputs = weight.named.part_shape()[0];
    let half = outputs / 2;
    let bias = bias(tensors, name, outputs)?;
    let (activated_bias, other_bias) = bias.split_at(half);
    let input = weight.named.shape[1];
    if precision == Precision::Int8 && quantizes(&[weight]) {
        let matrix = weight.quantized()?;
        let part = |rows: Range<usize>| {
            let values = matrix.values()[rows.start * input..rows.end * input].to_vec();
            Int8Matrix::new(values, matrix.scales()[rows].to_vec(), input)
        };
        if let (Some(activated), Some(other)) = (part(0..half), part(half..outputs)) {
            let halves = [(&activated, activated_bias), (&other, other_bias)];
            return Ok(PackedLinear::pack_gated_int8(halves));
        }
    }
    let values = weight.float_values()?;
    let (activated, other) = values.split_at(half * input);
    let halves = [(activated, activated_bias), (other, other_bias)];
    Ok(PackedLinear::pack_gated_by_output(halves, precision))
}

fn weight<'a>(path: &Path, tensors: &'a OfLayer, name: &str) -> Result<&'a Rc<StoredTensor>> {
    let name = format!("{name}.weight");
    tensors.get(&name).ok_or_else(|| ModelError::MissingTensor {
        path: path.to_owned(),
        tensor: name,
    })
}

/// The bias of a linear layer; zeros for one without.
fn bias(tensors: &OfLayer, name: &str, outputs: usize) -> Result<Vec<f32>> {
    match tensors.get(&format!("{name}.bias")) {
        Some(bias) => bias.float_values(),
        None => Ok(vec![0.0; outputs]),
    }
}

/// Whether int8 takes these weights: sums of very deep layers would not fit.
fn quantizes(weights: &[&Rc<StoredTensor>]) -> bool {
    let deepest = weights
        .iter()
        .filter_map(|weight| weight.named.shape.last());
    deepest.max() <= Some(&Int8Matrix::MAX_INPUTS)
}

fn collect<T>(
    tensors: &[&Rc<StoredTensor>],
    read: impl Fn(&StoredTensor) -> Result<T>,
) -> Result<Vec<T>> {
    tensors.iter().map(|tensor| read(tensor)).collect()
}

/// Loads tensors into a module whose path in the network is `prefix`.
fn apply<B: Backend, M: ModuleSnapshot<B>>(
    module: &mut M,
    path: &Path,
    prefix: &str,
    tensors: Vec<Rc<StoredTensor>>,
) -> Result<()> {
    let failure = Rc::new(RefCell::new(None));
    let expected = tensors.len();
    let snapshots = tensors
        .into_iter()
        .map(|tensor| snapshot(tensor, prefix, Rc::clone(&failure)))
        .collect();
    let outcome = module.apply(snapshots, None, Some(Box::new(PyTorchToBurnAdapter)), false);
    if let Some(error) = failure.take() {
        return Err(error);
    }
    if let Some(error) = outcome.errors.into_iter().next() {
        return Err(ModelError::Weights {
            path: path.to_owned(),
            source: Box::new(error),
        });
    }
    if outcome.applied.len() == expected {
        return Ok(());
    }
    let tensor = outcome.unused.into_iter().next().unwrap_or_default();
    Err(ModelError::UnexpectedTensor {
        path: path.to_owned(),
        tensor,
    })
}

/// A tensor under the parameter's path that reads `f32`.
///
/// burn-store passes on only the text of an error in a snapshot, so the error itself goes to `failure`.
fn snapshot(
    tensor: Rc<StoredTensor>,
    prefix: &str,
    failure: Rc<RefCell<Option<ModelError>>>,
) -> TensorSnapshot {
    let parameter = &tensor.named.parameter;
    let parameter = parameter.strip_prefix(prefix).unwrap_or(parameter);
    let parameter = parameter.split('.').map(str::to_owned).collect();
    let shape = Shape::from(tensor.named.part_shape());
    let read = move || {
        tensor.floats().map_err(|error| {
            let text = TensorSnapshotError::DataError(error.to_string());
            failure.borrow_mut().get_or_insert(error);
            text
        })
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
