//! Rows on their way into a table and out of it.

use half::f16;
use half::slice::HalfFloatSliceExt;
use pgvector::HalfVector;
use search::Similarity;
use search::filter::{ColumnKind, FilterColumn, Value, fold_case};
use search::words::Analyzer;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use crate::error::StoreError;
use crate::words::RowWords;
use search::index::{Document, Settings};

/// The longest id in bytes, which PostgreSQL's index of ids takes.
const ID_BYTES: usize = 1000;

/// A row in PostgreSQL's types.
pub(crate) struct EncodedRow {
    id: String,
    folded_id: String,
    texts: Vec<String>,
    vector: HalfVector,
    words: RowWords,
    values: Vec<EncodedValue>,
}

enum EncodedValue {
    Text(Option<String>),
    Number(Option<f64>),
    Boolean(Option<bool>),
    Date(Option<i64>),
}

impl EncodedRow {
    pub(crate) fn new(
        settings: &Settings,
        analyzer: &Analyzer,
        document: &Document,
        vector: &[f32],
    ) -> Result<Self, StoreError> {
        let wrong = |reason: String| StoreError::Row {
            id: document.id.clone(),
            reason,
        };
        let id = &document.id;
        if id.is_empty() || id.len() > ID_BYTES || id.contains('\0') {
            return Err(wrong(format!(
                "has an id that a store does not take: 1 to {ID_BYTES} bytes, none of them 0"
            )));
        }
        if document.texts.len() != settings.text_columns.len() {
            return Err(wrong(format!(
                "has {} texts, and the store has {} text columns",
                document.texts.len(),
                settings.text_columns.len()
            )));
        }
        if document.values.len() != settings.filter_columns.len() {
            return Err(wrong(format!(
                "has {} values, and the store has {} filter columns",
                document.values.len(),
                settings.filter_columns.len()
            )));
        }
        let mut values = Vec::with_capacity(document.values.len() * 2);
        for (column, value) in settings.filter_columns.iter().zip(&document.values) {
            encode(column, value.as_ref(), &mut values).ok_or_else(|| {
                wrong(format!(
                    "has no {} in column `{}`",
                    column.kind.name(),
                    column.name
                ))
            })?;
        }
        let texts: Vec<String> = document
            .texts
            .iter()
            .map(|text| without_nul(text))
            .collect();
        Ok(Self {
            id: id.clone(),
            folded_id: fold_case(id),
            vector: half_vector(settings, &format!("of row {id:?}"), vector)?,
            words: RowWords::of(analyzer, &texts),
            texts,
            values,
        })
    }

    /// The values in the order of [`columns`](crate::schema::columns).
    pub(crate) fn values(&self) -> Vec<&(dyn ToSql + Sync)> {
        let mut values: Vec<&(dyn ToSql + Sync)> = vec![
            &self.id,
            &self.folded_id,
            &self.texts,
            &self.vector,
            &self.words,
            &self.words.lengths,
        ];
        for value in &self.values {
            values.push(match value {
                EncodedValue::Text(value) => value,
                EncodedValue::Number(value) => value,
                EncodedValue::Boolean(value) => value,
                EncodedValue::Date(value) => value,
            });
        }
        values
    }
}

/// `None` where the value is not of the column's kind.
fn encode(column: &FilterColumn, value: Option<&Value>, out: &mut Vec<EncodedValue>) -> Option<()> {
    if let Some(value) = value
        && !value.fits(column.kind)
    {
        return None;
    }
    match (column.kind, value) {
        (ColumnKind::Text | ColumnKind::Key, value) => {
            let text = match value {
                Some(Value::Text(text)) => Some(without_nul(text)),
                _ => None,
            };
            let folded = text.as_deref().map(fold_case);
            out.push(EncodedValue::Text(text));
            out.push(EncodedValue::Text(folded));
        }
        (_, Some(Value::Number(number))) => out.push(EncodedValue::Number(Some(*number))),
        (_, Some(Value::Boolean(flag))) => out.push(EncodedValue::Boolean(Some(*flag))),
        (_, Some(Value::Date(seconds))) => out.push(EncodedValue::Date(Some(*seconds))),
        (ColumnKind::Boolean, _) => out.push(EncodedValue::Boolean(None)),
        (ColumnKind::Date, _) => out.push(EncodedValue::Date(None)),
        (ColumnKind::Number, _) => out.push(EncodedValue::Number(None)),
    }
    Some(())
}

/// PostgreSQL's texts hold no NUL.
pub(crate) fn without_nul(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

/// A vector in half precision: of length 1 for the cosine, so that it is the inner product, which has a value for zero
/// vectors too.
pub(crate) fn half_vector(
    settings: &Settings,
    of: &str,
    vector: &[f32],
) -> Result<HalfVector, StoreError> {
    if vector.len() != settings.width {
        return Err(StoreError::Width {
            of: of.to_owned(),
            expected: settings.width,
            found: vector.len(),
        });
    }
    let range = |column: usize, value: f32| StoreError::Range {
        of: of.to_owned(),
        column,
        value,
    };
    if let Some(column) = vector.iter().position(|value| !value.is_finite()) {
        return Err(range(column, vector[column]));
    }
    let mut halves = vec![f16::ZERO; vector.len()];
    if settings.similarity == Similarity::Cosine {
        // In double precision, so that no length overflows.
        let length = vector
            .iter()
            .map(|&value| f64::from(value) * f64::from(value))
            .sum::<f64>()
            .sqrt();
        let scale = if length > 0.0 { 1.0 / length } else { 0.0 };
        let scaled: Vec<f32> = vector
            .iter()
            .map(|&value| (f64::from(value) * scale) as f32)
            .collect();
        halves.convert_from_f32_slice(&scaled);
    } else {
        halves.convert_from_f32_slice(vector);
        if let Some(column) = halves.iter().position(|half| !half.is_finite()) {
            return Err(range(column, vector[column]));
        }
    }
    Ok(HalfVector::from(halves))
}

/// pgvector's operator of a similarity: its distance is smallest for what is most similar.
pub(crate) fn operator(similarity: Similarity) -> &'static str {
    match similarity {
        Similarity::Cosine | Similarity::DotProduct => "<#>",
        Similarity::Euclidean => "<->",
        Similarity::Manhattan => "<+>",
    }
}

/// The operator class of its HNSW index.
pub(crate) fn operator_class(similarity: Similarity) -> &'static str {
    match similarity {
        Similarity::Cosine | Similarity::DotProduct => "halfvec_ip_ops",
        Similarity::Euclidean => "halfvec_l2_ops",
        Similarity::Manhattan => "halfvec_l1_ops",
    }
}

/// The similarity that pgvector's distance stands for. All four operators give its negative: `<#>` is the negative
/// inner product.
pub(crate) fn similarity_of(similarity: Similarity, distance: f64) -> f32 {
    let score = -distance as f32;
    match similarity {
        Similarity::Cosine => score.clamp(-1.0, 1.0) + 0.0,
        _ if score.is_nan() => f32::NEG_INFINITY,
        _ => score + 0.0,
    }
}

/// Reads the value of a filter column from column `index` of a row.
pub(crate) fn value_of(
    row: &Row,
    index: usize,
    column: &FilterColumn,
) -> Result<Option<Value>, tokio_postgres::Error> {
    Ok(match column.kind {
        ColumnKind::Text | ColumnKind::Key => {
            row.try_get::<_, Option<String>>(index)?.map(Value::Text)
        }
        ColumnKind::Number => row.try_get::<_, Option<f64>>(index)?.map(Value::Number),
        ColumnKind::Boolean => row.try_get::<_, Option<bool>>(index)?.map(Value::Boolean),
        ColumnKind::Date => row.try_get::<_, Option<i64>>(index)?.map(Value::Date),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(similarity: Similarity) -> Settings {
        Settings {
            width: 2,
            similarity,
            ..Settings::default()
        }
    }

    #[test]
    fn vectors_of_the_cosine_have_length_one() {
        let half =
            half_vector(&settings(Similarity::Cosine), "x", &[3e30, 4e30]).map(|v| v.to_vec());
        assert_eq!(
            half.ok(),
            Some(vec![f16::from_f32(0.6), f16::from_f32(0.8)])
        );
        let zero = half_vector(&settings(Similarity::Cosine), "x", &[0.0, 0.0]).map(|v| v.to_vec());
        assert_eq!(zero.ok(), Some(vec![f16::ZERO; 2]));
    }

    #[test]
    fn numbers_beyond_half_precision_are_refused() {
        let error = half_vector(
            &settings(Similarity::DotProduct),
            "of row \"a\"",
            &[1.0, 7e4],
        );
        let error = error.map(|_| ()).map_err(|error| error.to_string());
        assert_eq!(
            error,
            Err("the vector of row \"a\" holds 70000 in column 1: the store takes numbers from -65504 to 65504"
                .to_owned())
        );
        assert!(half_vector(&settings(Similarity::Cosine), "q", &[f32::NAN, 0.0]).is_err());
        assert!(half_vector(&settings(Similarity::Cosine), "q", &[0.0]).is_err());
    }
}
