//! LoRA adapters in the format of PEFT: `adapter_config.json` and `adapter_model.safetensors`.
//!
//! `SentenceTransformer.load_adapter` and PEFT's `PeftModel.from_pretrained` read them.

use std::collections::HashMap;
use std::path::Path;

use burn::tensor::TensorData;
use burn::tensor::backend::Backend;
use model::MpNet;
use model::parts::{EncoderConfig, LowRankConfig};
use safetensors::Dtype;
use safetensors::tensor::TensorView;
use serde_json::json;

use crate::error::TrainError;

const CONFIG_FILE: &str = "adapter_config.json";
const WEIGHTS_FILE: &str = "adapter_model.safetensors";

/// Writes the adapters of a network into a new folder.
pub(crate) fn write<B: Backend>(
    network: &MpNet<B>,
    names: &EncoderConfig,
    config: LowRankConfig,
    base_model: &str,
    folder: &Path,
) -> Result<(), TrainError> {
    let modules = names.attention_modules().ok_or_else(|| {
        TrainError::Usage(format!(
            "adapters of {} cannot be saved by themselves, because it has one layer for query, key and value",
            names.model_type()
        ))
    })?;
    std::fs::create_dir_all(folder).map_err(TrainError::io(folder))?;
    let settings = json!({
        "peft_type": "LORA",
        "task_type": "FEATURE_EXTRACTION",
        "base_model_name_or_path": base_model,
        "r": config.rank,
        "lora_alpha": config.alpha,
        "lora_dropout": 0.0,
        "bias": "none",
        "fan_in_fan_out": false,
        "inference_mode": true,
        "init_lora_weights": true,
        "target_modules": modules,
    });
    let config_path = folder.join(CONFIG_FILE);
    let text = serde_json::to_vec_pretty(&settings).map_err(TrainError::config(&config_path))?;
    std::fs::write(&config_path, text).map_err(TrainError::io(&config_path))?;

    let path = folder.join(WEIGHTS_FILE);
    let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    let tensors = tensors(network, names, modules);
    tensors
        .iter()
        .map(|(name, data)| {
            let view = TensorView::new(Dtype::F32, data.shape.to_vec(), data.as_bytes())?;
            Ok((name, view))
        })
        .collect::<Result<Vec<_>, _>>()
        .and_then(|views| safetensors::serialize_to_file(views, Some(metadata), &path))
        .map_err(|error| TrainError::Checkpoint {
            path: path.clone(),
            reason: error.to_string(),
        })?;
    // safetensors writes with private permissions; give the weights those of the settings.
    std::fs::metadata(&config_path)
        .and_then(|config| std::fs::set_permissions(&path, config.permissions()))
        .map_err(TrainError::io(&path))
}

/// The adapters' tensors under PEFT's names and in PyTorch's layout.
fn tensors<B: Backend>(
    network: &MpNet<B>,
    names: &EncoderConfig,
    modules: [&str; 4],
) -> Vec<(String, TensorData)> {
    let mut named = Vec::new();
    for (index, layer) in network.layers().iter().enumerate() {
        let Some(adapters) = layer.adapters() else {
            continue;
        };
        let adapters = [
            &adapters.query,
            &adapters.key,
            &adapters.value,
            &adapters.output,
        ];
        for (module, adapter) in modules.into_iter().zip(adapters) {
            let module = format!("base_model.model.{}", names.module_of_layer(index, module));
            for (part, tensor) in [("lora_A", &adapter.down), ("lora_B", &adapter.up)] {
                named.push((
                    format!("{module}.{part}.weight"),
                    tensor.val().transpose().into_data().convert::<f32>(),
                ));
            }
        }
    }
    named
}
