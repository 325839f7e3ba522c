//! Writing the folder of a cross-encoder, which `CrossEncoder` of sentence-transformers opens.

use std::path::Path;

use burn::tensor::TensorData;
use burn::tensor::backend::Backend;
use serde_json::{Map, Value, json};

use super::modules::MODULES_FILE;
use super::pair::PairSettings;
use super::sentence::{SENTENCE_FILE, Task};
use super::settings::SENTENCE_TRANSFORMERS_FILE;
use super::{Checkpoint, collect};
use crate::architecture::{CONFIG_FILE, EncoderConfig};
use crate::error::Result;
use crate::file::write_json;
use crate::modules::PooledModule;
use crate::sentence_model::SentenceModel;

/// The tensors of the network and of the head, under their names in `transformers`.
pub(super) fn tensors<B: Backend>(
    model: &SentenceModel<B>,
    config: &EncoderConfig,
    pair: &PairSettings,
) -> Result<Vec<(String, TensorData)>> {
    let network = collect::collect(&model.network, config)?.into_iter();
    let mut tensors: Vec<_> = network
        .map(|(name, data)| (format!("{}{name}", pair.head.prefix), data))
        .collect();
    let layers = model.modules().iter().filter_map(|module| match module {
        PooledModule::Dense(dense) => Some(dense.weights()),
        _ => None,
    });
    for (name, (weight, bias)) in [pair.head.dense, pair.head.output].iter().zip(layers) {
        let weight = weight.into_data().convert::<f32>();
        tensors.push((format!("{name}.weight"), weight));
        if let Some(bias) = bias {
            let bias = bias.into_data().convert::<f32>();
            tensors.push((format!("{name}.bias"), bias));
        }
    }
    Ok(tensors)
}

/// Writes the settings of the network, of the head and of the modules.
pub(super) fn write_settings(
    checkpoint: &Checkpoint,
    pair: &PairSettings,
    folder: &Path,
) -> Result<()> {
    let activation = pair.activation.class();
    let mut config = checkpoint.config.json.clone();
    for (field, value) in [
        ("architectures", json!([pair.head.class])),
        ("id2label", json!({ "0": "LABEL_0" })),
        ("label2id", json!({ "LABEL_0": 0 })),
        // Version 4 reads the activation in this file, and version 5 in the one below.
        (
            "sentence_transformers",
            json!({ "activation_fn": activation }),
        ),
    ] {
        config.insert(field.to_owned(), value);
    }
    config.remove("num_labels");
    write_json(&folder.join(CONFIG_FILE), &config)?;
    let settings = json!({
        "model_type": "CrossEncoder",
        "activation_fn": activation,
        "prompts": {},
        "default_prompt_name": null,
    });
    write_json(&folder.join(SENTENCE_TRANSFORMERS_FILE), &settings)?;
    let [task, output, name] = Task::Scores.settings();
    let mut sentence: Map<String, Value> = Map::new();
    for (field, value) in [
        ("transformer_task", json!(task)),
        (
            "modality_config",
            json!({ "text": { "method": "forward", "method_output_name": output } }),
        ),
        ("module_output_name", json!(name)),
        ("max_seq_length", json!(checkpoint.max_seq_length)),
        ("do_lower_case", json!(checkpoint.lowercase)),
    ] {
        sentence.insert(field.to_owned(), value);
    }
    write_json(&folder.join(SENTENCE_FILE), &sentence)?;
    let class = "sentence_transformers.base.modules.transformer.Transformer";
    let modules = json!([{ "idx": 0, "name": "0", "path": "", "type": class }]);
    write_json(&folder.join(MODULES_FILE), &modules)
}
