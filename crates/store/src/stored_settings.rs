//! The settings of a store as its table holds them.

use search::filter::FilterColumn;
use search::{Fusion, Similarity};
use serde::{Deserialize, Serialize};

use crate::error::StoreError;
use search::index::{IndexError, ModelFingerprint, Settings, TextColumn};
use search::words::Language;

/// [`Settings`] in serde's types.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct StoredSettings {
    model: ModelFingerprint,
    width: usize,
    similarity: String,
    id_column: String,
    text_columns: Vec<(String, f32)>,
    filter_columns: Vec<FilterColumn>,
    language: String,
    /// The weight of words; of none, reciprocal ranks.
    words_weight: Option<f32>,
}

impl StoredSettings {
    pub(crate) fn of(settings: &Settings) -> Self {
        let texts = settings.text_columns.iter();
        Self {
            model: settings.model.clone(),
            width: settings.width,
            similarity: settings.similarity.name().to_owned(),
            id_column: settings.id_column.clone(),
            text_columns: texts
                .map(|column| (column.name.clone(), column.weight))
                .collect(),
            filter_columns: settings.filter_columns.clone(),
            language: settings.language.name().to_owned(),
            words_weight: match settings.fusion {
                Fusion::WeightedSum { weight } => Some(weight),
                Fusion::ReciprocalRank => None,
            },
        }
    }

    /// Fails for a name that this version does not know.
    pub(crate) fn settings(self) -> Result<Settings, StoreError> {
        let unknown = |what: &str, name: &str| StoreError::Settings {
            reason: format!("the store has the {what} {name:?}, which this version does not know"),
        };
        let texts = self.text_columns.into_iter();
        Ok(Settings {
            model: self.model,
            width: self.width,
            similarity: Similarity::from_name(&self.similarity)
                .ok_or_else(|| unknown("similarity", &self.similarity))?,
            id_column: self.id_column,
            text_columns: texts
                .map(|(name, weight)| TextColumn { name, weight })
                .collect(),
            filter_columns: self.filter_columns,
            // A store is loaded from an index, which knows them.
            attribute_columns: Vec::new(),
            language: Language::from_name(&self.language)
                .ok_or_else(|| unknown("language", &self.language))?,
            fusion: match self.words_weight {
                Some(weight) => Fusion::WeightedSum { weight },
                None => Fusion::ReciprocalRank,
            },
        })
    }
}

/// The most text columns: PostgreSQL tells the words of four apart.
pub(crate) const TEXT_COLUMNS: usize = 4;

/// The widest vectors that pgvector's HNSW index takes.
pub(crate) const INDEXED_WIDTH: usize = 4000;

/// The widest vectors that fit into a row.
const WIDTH: usize = 16_000;

/// Fails where no store can be made for these settings.
pub(crate) fn check(settings: &Settings) -> Result<(), StoreError> {
    let wrong = |reason: String| Err(StoreError::Settings { reason });
    if settings.width == 0 || settings.width > WIDTH {
        return wrong(format!(
            "a store holds vectors of width 1 to {WIDTH}, and these have {}",
            settings.width
        ));
    }
    if settings.text_columns.len() > TEXT_COLUMNS {
        return wrong(format!(
            "a store searches the words of at most {TEXT_COLUMNS} columns, and {} are named",
            settings.text_columns.len()
        ));
    }
    if let Some(column) = settings
        .text_columns
        .iter()
        .find(|column| !(column.weight > 0.0 && column.weight.is_finite()))
    {
        return wrong(format!(
            "text column `{}` has the weight {}: give a number above 0",
            column.name, column.weight
        ));
    }
    Ok(())
}

/// Fails where `given` is not what a store was made for, and names the first difference. How both rankings are joined
/// may differ: it is the default of queries.
pub(crate) fn check_equal(
    server: &str,
    name: &str,
    found: &Settings,
    given: &Settings,
) -> Result<(), StoreError> {
    check_model(&found.model, &given.model)?;
    let columns = |settings: &Settings| {
        let texts = settings
            .text_columns
            .iter()
            .map(|column| format!("{} (weight {})", column.name, column.weight));
        texts.collect::<Vec<_>>().join(", ")
    };
    let filters = |settings: &Settings| {
        let filters = settings
            .filter_columns
            .iter()
            .map(|column| format!("{}:{}", column.name, column.kind.name()));
        filters.collect::<Vec<_>>().join(", ")
    };
    let differences = [
        ("width", found.width.to_string(), given.width.to_string()),
        (
            "similarity",
            found.similarity.name().to_owned(),
            given.similarity.name().to_owned(),
        ),
        ("list of text columns", columns(found), columns(given)),
        ("list of filter columns", filters(found), filters(given)),
        (
            "language",
            found.language.name().to_owned(),
            given.language.name().to_owned(),
        ),
    ];
    for (field, found, given) in differences {
        if found != given {
            return Err(StoreError::OtherSettings {
                server: server.to_owned(),
                name: name.to_owned(),
                field,
                found,
                given,
            });
        }
    }
    Ok(())
}

/// Fails where vectors of `given` cannot be compared with those of `found`, and names the first difference.
pub(crate) fn check_model(
    found: &ModelFingerprint,
    given: &ModelFingerprint,
) -> Result<(), StoreError> {
    found.check(given).map_err(|error| match error {
        IndexError::OtherModel {
            field,
            model,
            value,
            given_model,
            given,
        } => StoreError::OtherModel {
            field,
            model,
            value,
            given_model,
            given,
        },
        error => StoreError::Settings {
            reason: error.to_string(),
        },
    })
}
