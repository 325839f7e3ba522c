//! A model without some of its layers, from which training makes a smaller model.

use std::borrow::Cow;

use burn::tensor::backend::Backend;
use serde_json::Value;

use super::Checkpoint;
use crate::architecture::{CONFIG_FILE, EncoderConfig};
use crate::encoder::Encoder;
use crate::error::{ModelError, Result};

/// The layers of the file that a model keeps.
#[derive(Clone, Debug)]
pub(super) struct KeptLayers {
    /// The number of layers in the file.
    of: usize,
    /// The kept ones, lowest first.
    layers: Vec<usize>,
}

impl Checkpoint {
    /// Keeps only these layers of the network, counted from 0, lowest first. Everything else stays, so that
    /// [`load`](Self::load) gives a smaller network of the same width, and [`save`](Self::save) writes it.
    /// [`export`](Self::export), which converts the file, fails then.
    ///
    /// # Errors
    ///
    /// When there is no layer, when they are not in order, when the network does not have one, or when a layer would be
    /// of another kind in its new place: ModernBERT has layers that attend within a window and others that do not.
    pub fn keep_layers(&mut self, layers: &[usize]) -> Result<()> {
        let wrong = |reason: String| {
            Err(ModelError::Field {
                path: self.transformer_folder.join(CONFIG_FILE),
                field: "num_hidden_layers",
                reason,
            })
        };
        let count = self.config.num_hidden_layers;
        if layers.is_empty() || !layers.is_sorted_by(|one, next| one < next) {
            return wrong(format!(
                "layers {layers:?} are not one or more layers in ascending order"
            ));
        }
        if let Some(layer) = layers.iter().find(|&&layer| layer >= count) {
            return wrong(format!(
                "there is no layer {layer}: the model has layers 0 to {}",
                count.saturating_sub(1)
            ));
        }
        if let Some((place, layer)) =
            (layers.iter().enumerate()).find(|&(place, &layer)| !self.config.alike(place, layer))
        {
            return wrong(format!(
                "layer {layer} would be layer {place}, which is of another kind"
            ));
        }
        let kept = match self.kept_layers.take() {
            None => KeptLayers {
                of: count,
                layers: layers.to_vec(),
            },
            Some(before) => KeptLayers {
                layers: layers.iter().map(|&layer| before.layers[layer]).collect(),
                ..before
            },
        };
        self.kept_layers = Some(kept);
        self.config.num_hidden_layers = layers.len();
        let json = &mut self.config.json;
        // DistilBERT has a name of its own.
        let names = ["n_layers", "num_hidden_layers"];
        let name = names.into_iter().find(|&name| json.contains_key(name));
        json.insert(name.unwrap_or(names[1]).to_owned(), layers.len().into());
        if let Some(Value::Array(types)) = json.get_mut("layer_types") {
            *types = layers
                .iter()
                .filter_map(|&layer| types.get(layer).cloned())
                .collect();
        }
        Ok(())
    }

    /// The configuration of the file, which has all layers.
    pub(super) fn config_of_file(&self) -> Cow<'_, EncoderConfig> {
        match &self.kept_layers {
            None => Cow::Borrowed(&self.config),
            Some(kept) => Cow::Owned(EncoderConfig {
                num_hidden_layers: kept.of,
                ..self.config.clone()
            }),
        }
    }

    /// The network without the layers that are not kept.
    pub(super) fn without_dropped<B: Backend>(&self, mut network: Encoder<B>) -> Encoder<B> {
        let Some(kept) = &self.kept_layers else {
            return network;
        };
        let layers = network.take_layers().into_iter().enumerate();
        let layers = layers.filter(|(index, _)| kept.layers.contains(index));
        let layers = layers.map(|(_, layer)| layer).collect();
        network.with_layers(layers)
    }
}
