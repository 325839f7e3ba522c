//! `tagger.json`: what a tagger knows beside its weights. `transformers` does not read it.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::labels::TagLabels;
use crate::error::{ModelError, Result};
use crate::file::{read_optional_json, write_json};

/// The file of these settings, beside `config.json`.
pub(crate) const TAGGER_FILE: &str = "tagger.json";

/// What a tagger knows beside its weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct TaggerSettings {
    /// Divides the logits, so that the score of a span is about the share of such spans that are right; from 0.001 to 1000
    /// (Guo et al., "On Calibration of Modern Neural Networks", 2017).
    pub temperature: f64,
    /// Labels of which a text has at most one span: the one with the highest score is kept.
    pub single_valued: Vec<String>,
    /// The labels that texts of a category may have. Texts of other categories, and of none, may have all.
    pub categories: BTreeMap<String, Vec<String>>,
}

impl Default for TaggerSettings {
    fn default() -> Self {
        Self {
            temperature: 1.0,
            single_valued: Vec::new(),
            categories: BTreeMap::new(),
        }
    }
}

impl TaggerSettings {
    /// The settings of a folder; the defaults without the file.
    pub(crate) fn read(folder: &Path, labels: &TagLabels) -> Result<Self> {
        let path = folder.join(TAGGER_FILE);
        let settings: Self = read_optional_json(&path)?.unwrap_or_default();
        let wrong = |field, reason| {
            Err(ModelError::Field {
                path: path.clone(),
                field,
                reason,
            })
        };
        let temperature = settings.temperature;
        // Logits that are divided by less can leave the range of float32.
        if !(0.001..=1000.0).contains(&temperature) {
            return wrong(
                "temperature",
                format!("{temperature} is not a number from 0.001 to 1000"),
            );
        }
        let unknown = |named: &[String]| {
            named
                .iter()
                .find(|label| labels.number(label).is_none())
                .cloned()
        };
        let no_label = |label| {
            format!("`{label}` is no label of the model (`id2label` of config.json lists them)")
        };
        if let Some(label) = unknown(&settings.single_valued) {
            return wrong("single_valued", no_label(label));
        }
        if let Some(label) = settings
            .categories
            .values()
            .find_map(|named| unknown(named))
        {
            return wrong("categories", no_label(label));
        }
        Ok(settings)
    }

    /// Writes the file into the folder of a tagger.
    ///
    /// # Errors
    ///
    /// When the file cannot be written.
    pub fn write(&self, folder: &Path) -> Result<()> {
        write_json(&folder.join(TAGGER_FILE), self)
    }

    /// Whether each label is one of which a text has at most one span.
    pub(super) fn single_valued(&self, labels: &TagLabels) -> Vec<bool> {
        let single = |label| self.single_valued.contains(label);
        labels.labels().iter().map(single).collect()
    }

    /// Whether texts of each category may have each label.
    pub(super) fn masks(&self, labels: &TagLabels) -> BTreeMap<String, Vec<bool>> {
        let mask = |(category, allowed): (&String, &Vec<String>)| {
            let mask = labels.labels().iter().map(|label| allowed.contains(label));
            (category.clone(), mask.collect())
        };
        self.categories.iter().map(mask).collect()
    }
}
