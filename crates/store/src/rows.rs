//! Rows on their way into a table and out of it.

use bytes::{BufMut, BytesMut};
use half::f16;
use half::slice::HalfFloatSliceExt;
use pgvector::HalfVector;
use search::Similarity;
use search::filter::{ColumnKind, FilterColumn, Value, fold_case};
use search::words::Analyzer;
use tokio_postgres::Row;

use crate::error::StoreError;
use crate::schema::is_text;
use crate::words::RowWords;
use search::index::{Document, Settings};

/// The longest texts of a row in bytes, together: PostgreSQL's limit is 1 GB, and a `tsvector`'s 1 MB.
const ROW_BYTES: usize = 16 << 20;

/// The longest id in bytes, which PostgreSQL's index of ids takes.
const ID_BYTES: usize = 1000;

/// PostgreSQL's numbers of the types in arrays.
const TEXT: i32 = 25;
const INTEGER: i32 = 23;

/// Rows as `COPY … (FORMAT binary)` takes them, without the head and the end of the data.
#[derive(Default)]
pub(crate) struct EncodedRows {
    pub(crate) rows: u64,
    pub(crate) data: BytesMut,
}

impl EncodedRows {
    /// Adds a row, its values in the order of [`columns`](crate::schema::columns). Nothing of a row that is refused
    /// may be sent.
    pub(crate) fn add(
        &mut self,
        settings: &Settings,
        analyzer: &Analyzer,
        document: &Document,
        vector: &[f32],
    ) -> Result<(), StoreError> {
        check(settings, document)?;
        let id = &document.id;
        let halves = halves(settings, &format!("of row {id:?}"), vector)?;
        let texts: Vec<String> = document
            .texts
            .iter()
            .map(|text| without_nul(text))
            .collect();
        let words = RowWords::of(analyzer, &texts);
        let fields = 6 + settings
            .filter_columns
            .iter()
            .map(|column| 1 + i16::from(is_text(column.kind)))
            .sum::<i16>();
        self.data.put_i16(fields);
        self.text(id);
        self.text(&fold_case(id));
        self.array(TEXT, texts.len(), |out, index| {
            out.put_slice(texts[index].as_bytes())
        });
        self.field(|out| {
            // Both fit: the width was checked.
            out.put_u16(halves.len() as u16);
            out.put_u16(0);
            let bytes: Vec<u8> = halves.iter().flat_map(|half| half.to_be_bytes()).collect();
            out.put_slice(&bytes);
        });
        self.field(|out| words.put(out));
        self.array(INTEGER, words.lengths.len(), |out, index| {
            out.put_i32(words.lengths[index])
        });
        for (column, value) in settings.filter_columns.iter().zip(&document.values) {
            match value {
                Some(Value::Text(text)) => {
                    let text = without_nul(text);
                    self.text(&text);
                    self.text(&fold_case(&text));
                }
                Some(Value::Number(number)) => self.field(|out| out.put_f64(*number)),
                Some(Value::Boolean(flag)) => self.field(|out| out.put_u8(u8::from(*flag))),
                Some(Value::Date(seconds)) => self.field(|out| out.put_i64(*seconds)),
                None => {
                    for _ in 0..1 + usize::from(is_text(column.kind)) {
                        self.data.put_i32(-1);
                    }
                }
            }
        }
        self.rows += 1;
        Ok(())
    }

    fn text(&mut self, text: &str) {
        self.field(|out| out.put_slice(text.as_bytes()));
    }

    /// Of one dimension, counted from 1.
    fn array(&mut self, element: i32, len: usize, put: impl Fn(&mut BytesMut, usize)) {
        self.field(|out| {
            out.put_i32(i32::from(len > 0));
            out.put_i32(0);
            out.put_i32(element);
            if len > 0 {
                // At most four.
                out.put_i32(len as i32);
                out.put_i32(1);
            }
            for index in 0..len {
                sized(out, |out| put(out, index));
            }
        });
    }

    fn field(&mut self, put: impl FnOnce(&mut BytesMut)) {
        sized(&mut self.data, put);
    }
}

/// A value after its number of bytes, which is below 2 GB: the sizes of rows were checked.
fn sized(out: &mut BytesMut, put: impl FnOnce(&mut BytesMut)) {
    let start = out.len();
    out.put_i32(0);
    put(out);
    let len = (out.len() - start - 4) as i32;
    out[start..start + 4].copy_from_slice(&len.to_be_bytes());
}

/// Fails where a row does not fit the store.
fn check(settings: &Settings, document: &Document) -> Result<(), StoreError> {
    let wrong = |reason: String| {
        Err(StoreError::Row {
            id: document.id.clone(),
            reason,
        })
    };
    let id = &document.id;
    if id.is_empty() || id.len() > ID_BYTES || !may_be_stored(id) {
        return wrong(format!(
            "has an id that a store does not take: 1 to {ID_BYTES} bytes, none of them 0"
        ));
    }
    if document.texts.len() != settings.text_columns.len() {
        return wrong(format!(
            "has {} texts, and the store has {} text columns",
            document.texts.len(),
            settings.text_columns.len()
        ));
    }
    if document.values.len() != settings.filter_columns.len() {
        return wrong(format!(
            "has {} values, and the store has {} filter columns",
            document.values.len(),
            settings.filter_columns.len()
        ));
    }
    for (column, value) in settings.filter_columns.iter().zip(&document.values) {
        if value.as_ref().is_some_and(|value| !value.fits(column.kind)) {
            return wrong(format!(
                "has no {} in column `{}`",
                column.kind.name(),
                column.name
            ));
        }
    }
    let values = document.values.iter().flatten().map(|value| match value {
        Value::Text(text) => text.len(),
        _ => 0,
    });
    let bytes: usize = document.texts.iter().map(String::len).chain(values).sum();
    if bytes > ROW_BYTES {
        return wrong(format!(
            "has {bytes} bytes of texts: a store takes {ROW_BYTES}"
        ));
    }
    Ok(())
}

/// Whether a row may have this id. Servers refuse a question about another one, whose answer is known.
pub(crate) fn may_be_stored(id: &str) -> bool {
    !id.contains('\0')
}

/// PostgreSQL's texts hold no NUL.
pub(crate) fn without_nul(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

/// A vector in half precision as a parameter.
pub(crate) fn half_vector(
    settings: &Settings,
    of: &str,
    vector: &[f32],
) -> Result<HalfVector, StoreError> {
    halves(settings, of, vector).map(HalfVector::from)
}

/// A vector in half precision: of length 1 for the cosine, so that it is the inner product, which has a value for zero
/// vectors too.
fn halves(settings: &Settings, of: &str, vector: &[f32]) -> Result<Vec<f16>, StoreError> {
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
    Ok(halves)
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
