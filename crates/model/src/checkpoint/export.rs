//! Converts a checkpoint's weights to another precision.

use burn::tensor::{TensorData, bf16};
use kernels::Precision;
use serde_json::{Value, json};

use super::weights::{SCALE_SUFFIX, StoredTensor, WeightsFile};
use super::write::Contents;
use crate::error::Result;

/// Reads all tensors and converts them to `precision`: int8 only for the weights of the linear layers, half
/// precision for all.
pub(super) fn contents(file: &WeightsFile, precision: Precision) -> Result<Contents> {
    let mut tensors = Vec::new();
    for tensor in &file.tensors {
        let name = tensor.named.checkpoint.clone();
        if precision == Precision::Int8 && tensor.named.dense_weight {
            let matrix = tensor.quantized()?;
            let (outputs, input) = (matrix.scales().len(), matrix.input());
            let scales = TensorData::new(matrix.scales().to_vec(), [outputs, 1]);
            tensors.push((format!("{name}{SCALE_SUFFIX}"), scales));
            let values = TensorData::new(matrix.values().to_vec(), [outputs, input]);
            tensors.push((name, values));
        } else {
            tensors.push((name, rounded(tensor, precision)?));
        }
    }
    for tensor in &file.unused {
        if tensor.named.checkpoint.starts_with("pooler.") {
            let name = tensor.named.checkpoint.clone();
            tensors.push((name, rounded(tensor, precision)?));
        }
    }
    Ok(Contents {
        tensors,
        quantization: (precision == Precision::Int8).then(quantization_config),
    })
}

fn rounded(tensor: &StoredTensor, precision: Precision) -> Result<TensorData> {
    Ok(match precision {
        Precision::Float16 => tensor.float16s()?,
        Precision::Bfloat16 => tensor.floats()?.convert::<bf16>(),
        _ => tensor.floats()?,
    })
}

/// The entry of `config.json` by the compressed-tensors convention: symmetric weights with a scale per
/// output; inputs of a linear layer with a scale and a zero point per token, computed at run time.
fn quantization_config() -> Value {
    let numbers = |symmetric: bool, strategy: &str, dynamic: bool| json!({ "num_bits": 8, "type": "int", "symmetric": symmetric, "strategy": strategy, "dynamic": dynamic });
    json!({
        "quant_method": "compressed-tensors",
        "format": "int-quantized",
        "quantization_status": "compressed",
        // No vector depends on it, and it stays in float32.
        "ignore": ["pooler.dense"],
        "config_groups": {
            "group_0": {
                "targets": ["Linear"],
                "weights": numbers(true, "channel", false),
                "input_activations": numbers(false, "token", true),
                "output_activations": null,
            },
        },
    })
}
