//! Reading vectors from Parquet, one batch of rows after another into one piece of memory.

use std::fs::File;
use std::path::Path;

use ::parquet::arrow::ProjectionMask;
use ::parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use arrow_array::cast::AsArray;
use arrow_array::types::Float32Type;
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_cast::cast;
use arrow_schema::{ArrowError, DataType, Field, Schema};
use guard::guarded;

use super::{ID, KEY, VECTOR};
use crate::vectors::error::{VectorFileErrorKind, check_output_type, malformed, not_vectors};
use crate::vectors::{VectorError, Vectors};

/// Rows that are decoded at once.
const BATCH_ROWS: usize = 1024;

/// Reads the column `vector`, or the only column of lists of numbers, and the column `id`.
pub(in crate::vectors) fn read(path: &Path) -> Result<Vectors, VectorError> {
    // The decoder trusts some lengths of damaged files.
    let mut wrong = None;
    let outcome = guarded(|| {
        read_columns(path).map_err(|error| match error {
            ReadError::Arrow(error) => error.to_string(),
            ReadError::Vectors(error) => {
                let message = error.to_string();
                wrong = Some(error);
                message
            }
        })
    });
    outcome
        .map_err(|reason| wrong.unwrap_or_else(|| malformed(path, "parquet", reason.to_string())))
}

enum ReadError {
    Arrow(ArrowError),
    Vectors(VectorError),
}

impl<E: Into<ArrowError>> From<E> for ReadError {
    fn from(error: E) -> Self {
        Self::Arrow(error.into())
    }
}

fn read_columns(path: &Path) -> Result<Vectors, ReadError> {
    let file =
        File::open(path).map_err(|error| ReadError::Vectors(VectorError::io(path)(error)))?;
    let builder =
        ParquetRecordBatchReaderBuilder::try_new_with_options(file, ArrowReaderOptions::new())?;
    let schema = builder.schema();
    let Some(vector) = vector_column(schema) else {
        let names: Vec<&str> = schema
            .fields()
            .iter()
            .map(|field| field.name().as_str())
            .collect();
        let found = format!("the columns {}, none of them `{VECTOR}`", names.join(", "));
        return Err(ReadError::Vectors(not_vectors(path, found)));
    };
    let id = schema
        .index_of(ID)
        .ok()
        .filter(|&id| is_id(schema.field(id)));
    // Lists of a fixed size have a width even without rows.
    let width = match schema.field(vector).data_type() {
        DataType::FixedSizeList(_, width) => usize::try_from(*width).unwrap_or(0),
        _ => 0,
    };
    let metadata = builder.metadata().file_metadata();
    let provenance = metadata
        .key_value_metadata()
        .and_then(|entries| entries.iter().find(|entry| entry.key == KEY))
        .and_then(|entry| serde_json::from_str(entry.value.as_deref()?).ok());
    check_output_type(path, provenance.as_ref()).map_err(ReadError::Vectors)?;
    let rows = usize::try_from(metadata.num_rows()).unwrap_or(0);
    let mask = ProjectionMask::roots(builder.parquet_schema(), [vector].into_iter().chain(id));
    let reader = builder
        .with_projection(mask)
        .with_batch_size(BATCH_ROWS)
        .build()?;
    let mut vectors = Vectors {
        width,
        ids: id.map(|_| Vec::new()),
        provenance,
        ..Vectors::default()
    };
    for batch in reader {
        append(path, &batch?, rows, &mut vectors)?;
    }
    Ok(vectors)
}

/// The position of `vector`, or of the only column that could hold vectors.
fn vector_column(schema: &Schema) -> Option<usize> {
    if let Ok(named) = schema.index_of(VECTOR) {
        return Some(named);
    }
    let mut lists = (0..)
        .zip(schema.fields())
        .filter(|(_, field)| element_of(field.data_type()).is_some_and(DataType::is_floating));
    match (lists.next(), lists.next()) {
        (Some((only, _)), None) => Some(only),
        _ => None,
    }
}

fn element_of(data_type: &DataType) -> Option<&DataType> {
    match data_type {
        DataType::List(element)
        | DataType::LargeList(element)
        | DataType::FixedSizeList(element, _) => Some(element.data_type()),
        _ => None,
    }
}

fn is_id(field: &Field) -> bool {
    let text = matches!(
        field.data_type(),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View
    );
    text || field.data_type().is_integer()
}

/// Appends a batch. The first batch reserves the memory of all `rows`, if it has the size that the
/// first row promises.
fn append(
    path: &Path,
    batch: &RecordBatch,
    rows: usize,
    vectors: &mut Vectors,
) -> Result<(), ReadError> {
    let Some(column) = batch
        .schema()
        .index_of(VECTOR)
        .ok()
        .or_else(|| vector_column(&batch.schema()))
    else {
        return Ok(());
    };
    let lists = batch.column(column);
    let refused = |found: String| Err(ReadError::Vectors(not_vectors(path, found)));
    let floating = element_of(lists.data_type()).is_some_and(DataType::is_floating);
    if !floating || lists.null_count() > 0 {
        let nulls = lists.null_count();
        return refused(format!(
            "a column `{VECTOR}` of {} with {nulls} nulls",
            lists.data_type()
        ));
    }
    let first = vectors.values.len() / vectors.width.max(1);
    for (row, list) in (first..).zip(rows_of(lists)) {
        let numbers = cast(&list, &DataType::Float32)?;
        let numbers = numbers.as_primitive::<Float32Type>();
        if row == 0 {
            vectors.width = numbers.len();
            let most = rows.saturating_mul(numbers.len());
            // A damaged number of rows must not take the memory.
            let file = std::fs::metadata(path).map_or(0, |found| found.len());
            if most as u64 / 8 <= file {
                vectors.values.reserve_exact(most);
            }
        }
        if numbers.null_count() > 0 || numbers.is_empty() || numbers.len() != vectors.width {
            return refused(format!(
                "{} numbers in row {}, {} of them null, and {} in the first row",
                numbers.len(),
                row + 1,
                numbers.null_count(),
                vectors.width
            ));
        }
        if let Some(column) = numbers.values().iter().position(|value| !value.is_finite()) {
            let value = numbers.value(column);
            let kind = VectorFileErrorKind::NotFinite { row, column, value };
            return Err(ReadError::Vectors(VectorError::file(path, kind)));
        }
        vectors.values.extend_from_slice(numbers.values());
    }
    let ids = batch.column_by_name(ID).zip(vectors.ids.as_mut());
    if let Some((column, ids)) = ids {
        let texts = cast(column, &DataType::Utf8)?;
        let texts = texts.as_string::<i32>().iter();
        ids.extend(texts.map(|text| text.unwrap_or_default().to_owned()));
    }
    Ok(())
}

/// The list of each row.
fn rows_of(lists: &ArrayRef) -> Vec<ArrayRef> {
    match lists.data_type() {
        DataType::List(_) => lists.as_list::<i32>().iter().flatten().collect(),
        DataType::LargeList(_) => lists.as_list::<i64>().iter().flatten().collect(),
        DataType::FixedSizeList(..) => lists.as_fixed_size_list().iter().flatten().collect(),
        _ => Vec::new(),
    }
}
