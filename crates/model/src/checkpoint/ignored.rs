//! Tensors of the weights file that are not part of the network.

use super::Checkpoint;
use super::weights::WeightsFile;
use crate::error::Result;

impl Checkpoint {
    /// Names of the tensors of heads (`lm_head.…`, `classifier.…`, `qa_outputs.…`), in alphabetical order. No vector
    /// depends on them, and [`save`](Self::save) does not write them.
    ///
    /// # Errors
    ///
    /// When the weights file is missing or damaged, or its tensors are not those of this network.
    pub fn ignored_tensors(&self) -> Result<Vec<String>> {
        Ok(WeightsFile::open(&self.weights_file()?, &self.config)?.ignored)
    }
}
