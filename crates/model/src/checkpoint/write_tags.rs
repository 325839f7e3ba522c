//! Writing the folder of a tagger, which `pipeline("token-classification")` of `transformers` opens.

use std::path::Path;

use burn::tensor::TensorData;
use burn::tensor::backend::Backend;
use serde_json::{Map, Value, json};

use super::modules::MODULES_FILE;
use super::sentence::SENTENCE_FILE;
use super::tags::{CLASSIFIER_LAYER, TagHead};
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
    tags: &TagHead,
) -> Result<Vec<(String, TensorData)>> {
    let network = collect::collect(&model.network, config)?.into_iter();
    let mut tensors: Vec<_> = network
        .map(|(name, data)| (format!("{}{name}", tags.prefix), data))
        .collect();
    let scales = model.modules().iter().map(|module| match module {
        PooledModule::Scale(scale) => scale.factor,
        _ => 1.0,
    });
    let scale: f64 = scales.product();
    for module in model.modules() {
        let PooledModule::Dense(dense) = module else {
            continue;
        };
        let (weight, bias) = dense.weights();
        let weight = (weight * scale).into_data().convert::<f32>();
        tensors.push((format!("{CLASSIFIER_LAYER}.weight"), weight));
        if let Some(bias) = bias {
            let bias = (bias * scale).into_data().convert::<f32>();
            tensors.push((format!("{CLASSIFIER_LAYER}.bias"), bias));
        }
    }
    Ok(tensors)
}

/// Writes the settings of the network, of the head and of the tagger.
pub(super) fn write_settings(checkpoint: &Checkpoint, tags: &TagHead, folder: &Path) -> Result<()> {
    let names = tags.labels.names();
    let named = |(number, name): (usize, &String)| (number.to_string(), Value::from(name.as_str()));
    let numbered = |(number, name): (usize, &String)| (name.clone(), Value::from(number));
    let by_number: Map<String, Value> = names.iter().enumerate().map(named).collect();
    let by_name: Map<String, Value> = names.iter().enumerate().map(numbered).collect();
    let mut config = checkpoint.config.json.clone();
    config.insert("architectures".to_owned(), json!([tags.class]));
    config.insert("id2label".to_owned(), by_number.into());
    config.insert("label2id".to_owned(), by_name.into());
    config.remove("num_labels");
    // Of a base model that was a cross-encoder.
    config.remove("sentence_transformers");
    write_json(&folder.join(CONFIG_FILE), &config)?;
    let sentence = json!({ "max_seq_length": checkpoint.max_seq_length, "do_lower_case": checkpoint.lowercase });
    write_json(&folder.join(SENTENCE_FILE), &sentence)?;
    tags.settings.write(folder)?;
    // An encoder without pooling: whoever asks for vectors is refused.
    let class = "sentence_transformers.models.Transformer";
    let modules = json!([{ "idx": 0, "name": "0", "path": "", "type": class }]);
    write_json(&folder.join(MODULES_FILE), &modules)
}
