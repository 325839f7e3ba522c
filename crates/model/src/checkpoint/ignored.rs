//! Tensors of the weights file that are not part of the network.

use super::Checkpoint;
use super::tags::CLASSIFIER_LAYER;
use super::weights::WeightsFile;
use crate::error::Result;

impl Checkpoint {
    /// Names of the tensors of heads (`lm_head.…`, `classifier.…`, `qa_outputs.…`), in alphabetical order. No vector or
    /// score depends on them, and [`save`](Self::save) does not write them.
    ///
    /// # Errors
    ///
    /// When the weights file is missing or damaged, or its tensors are not those of this network.
    pub fn ignored_tensors(&self) -> Result<Vec<String>> {
        let mut ignored = WeightsFile::open(&self.weights_file()?, &self.config_of_file())?.ignored;
        if let Some(pair) = &self.pair {
            let own = [pair.head.dense, pair.head.output];
            ignored.retain(|name| !own.iter().any(|layer| name.starts_with(layer)));
        }
        if self.tags.as_ref().is_some_and(|tags| tags.seed.is_none()) {
            ignored.retain(|name| !name.starts_with(CLASSIFIER_LAYER));
        }
        Ok(ignored)
    }
}
