//! Apache Parquet: a column of ids, the columns of the text, and a column of vectors.

use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::Arc;

use ::parquet::arrow::ArrowWriter;
use ::parquet::basic::Compression;
use ::parquet::errors::ParquetError;
use ::parquet::file::metadata::KeyValue;
use ::parquet::file::properties::{EnabledStatistics, WriterProperties};
use ::parquet::schema::types::ColumnPath;
use arrow_array::builder::StringBuilder;
use arrow_array::types::{Float16Type, Float32Type, Int8Type, UInt8Type};
use arrow_array::{ArrayRef, FixedSizeListArray, PrimitiveArray, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use half::f16;
use program::AtomicFile;
use records::Row;

use super::provenance::KEY;
use super::windows::Windows;
use super::{FileForm, OutputType, VectorError};

mod read;

pub(super) use read::read;

/// The column of the ids.
const ID: &str = "id";

/// The column of the vectors.
const VECTOR: &str = "vector";

/// The column of a text that has no name.
const TEXT: &str = "text";

/// Rows of a row group: 12 MiB of vectors with 768 dimensions, which stay in memory until the group
/// is complete.
const GROUP_ROWS: usize = 4096;

/// Writes all windows, in row groups that do not depend on how the windows are cut.
pub(super) fn write(
    out: &mut BufWriter<AtomicFile>,
    form: &FileForm,
    windows: &mut dyn Windows,
) -> Result<u64, VectorError> {
    let target = out.get_ref().target().to_owned();
    let failed = |error| write_error(&target, error);
    let schema = schema(form);
    let properties = properties(form).map_err(VectorError::io(&target))?;
    let mut writer =
        ArrowWriter::try_new(&mut *out, Arc::clone(&schema), Some(properties)).map_err(failed)?;
    let mut group = Group::default();
    let mut total = 0u64;
    windows.for_each(&mut |rows, values| {
        total += rows.len() as u64;
        let mut pairs = rows.iter().zip(values.chunks_exact(form.width.max(1)));
        loop {
            let missing = GROUP_ROWS - group.rows;
            for (row, vector) in pairs.by_ref().take(missing) {
                group.add(row, vector, form);
            }
            if group.rows < GROUP_ROWS {
                return Ok(());
            }
            group.write(&mut writer, &schema, form).map_err(failed)?;
        }
    })?;
    group.write(&mut writer, &schema, form).map_err(failed)?;
    writer.close().map_err(failed)?;
    Ok(total)
}

fn schema(form: &FileForm) -> SchemaRef {
    let mut fields = Vec::new();
    if form.with_ids {
        fields.push(Field::new(ID, DataType::Utf8, false));
    }
    for name in text_columns(form) {
        fields.push(Field::new(name, DataType::Utf8, false));
    }
    let list = DataType::FixedSizeList(element(form.output_type), numbers(form));
    fields.push(Field::new(VECTOR, list, false));
    Arc::new(Schema::new(fields))
}

/// The names of the text columns. A name that another column of the file has gets `_text` behind.
fn text_columns(form: &FileForm) -> Vec<String> {
    if form.columns.is_empty() {
        return vec![TEXT.to_owned()];
    }
    let mut names: Vec<String> = Vec::new();
    for column in &form.columns {
        let mut name = column.clone();
        while name == VECTOR || (name == ID && form.with_ids) || names.contains(&name) {
            name.push_str("_text");
        }
        names.push(name);
    }
    names
}

/// `element` is what the format asks for, and what other programs call it.
fn element(output_type: OutputType) -> Arc<Field> {
    let data_type = match output_type {
        OutputType::F32 => DataType::Float32,
        OutputType::F16 => DataType::Float16,
        OutputType::I8 | OutputType::Binary => DataType::Int8,
        OutputType::U8 | OutputType::Ubinary => DataType::UInt8,
    };
    Arc::new(Field::new("element", data_type, false))
}

fn numbers(form: &FileForm) -> i32 {
    // A model of 2^31 dimensions does not exist.
    i32::try_from(form.output_type.numbers(form.width)).unwrap_or(i32::MAX)
}

fn properties(form: &FileForm) -> std::io::Result<WriterProperties> {
    // Neither a dictionary nor compression makes vectors smaller.
    let vector = ColumnPath::from(vec![
        VECTOR.to_owned(),
        "list".to_owned(),
        "element".to_owned(),
    ]);
    let metadata = match &form.provenance {
        Some(provenance) => Some(vec![KeyValue::new(
            KEY.to_owned(),
            serde_json::to_string(provenance)?,
        )]),
        None => None,
    };
    Ok(WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_column_compression(vector.clone(), Compression::UNCOMPRESSED)
        .set_column_dictionary_enabled(vector.clone(), false)
        .set_column_statistics_enabled(vector, EnabledStatistics::None)
        .set_max_row_group_row_count(Some(GROUP_ROWS))
        .set_key_value_metadata(metadata)
        .build())
}

/// The rows of a row group that is not complete.
#[derive(Default)]
struct Group {
    rows: usize,
    ids: StringBuilder,
    texts: Vec<StringBuilder>,
    vectors: Vec<u8>,
}

impl Group {
    fn add(&mut self, row: &Row, vector: &[f32], form: &FileForm) {
        self.rows += 1;
        if form.with_ids {
            self.ids.append_value(row.id.as_deref().unwrap_or_default());
        }
        let columns = form.columns.len().max(1);
        self.texts.resize_with(columns, StringBuilder::new);
        for (index, column) in self.texts.iter_mut().enumerate() {
            column.append_value(row.fields.get(index).map_or("", String::as_str));
        }
        form.append(vector, &mut self.vectors);
    }

    /// Writes the rows, if there are any, and empties the group.
    fn write<W: Write + Send>(
        &mut self,
        writer: &mut ArrowWriter<W>,
        schema: &SchemaRef,
        form: &FileForm,
    ) -> Result<(), ParquetError> {
        if self.rows == 0 {
            return Ok(());
        }
        let Self {
            mut ids,
            mut texts,
            vectors,
            ..
        } = std::mem::take(self);
        let mut columns: Vec<ArrayRef> = Vec::new();
        if form.with_ids {
            columns.push(Arc::new(ids.finish()));
        }
        for column in &mut texts {
            columns.push(Arc::new(column.finish()));
        }
        let values: ArrayRef = match form.output_type {
            OutputType::F32 => Arc::new(PrimitiveArray::<Float32Type>::from_iter_values(
                vectors
                    .as_chunks()
                    .0
                    .iter()
                    .map(|four| f32::from_le_bytes(*four)),
            )),
            OutputType::F16 => Arc::new(PrimitiveArray::<Float16Type>::from_iter_values(
                vectors
                    .as_chunks()
                    .0
                    .iter()
                    .map(|pair| f16::from_le_bytes(*pair)),
            )),
            OutputType::I8 | OutputType::Binary => {
                Arc::new(PrimitiveArray::<Int8Type>::from_iter_values(
                    vectors.iter().map(|byte| byte.cast_signed()),
                ))
            }
            OutputType::U8 | OutputType::Ubinary => {
                Arc::new(PrimitiveArray::<UInt8Type>::from_iter_values(vectors))
            }
        };
        let list =
            FixedSizeListArray::try_new(element(form.output_type), numbers(form), values, None)?;
        columns.push(Arc::new(list));
        writer.write(&RecordBatch::try_new(Arc::clone(schema), columns)?)?;
        writer.flush()
    }
}

fn write_error(path: &Path, error: ParquetError) -> VectorError {
    let io = VectorError::io(path);
    match error {
        ParquetError::External(source) => match source.downcast::<std::io::Error>() {
            Ok(source) => io(*source),
            Err(source) => io(std::io::Error::other(source)),
        },
        error => io(std::io::Error::other(error)),
    }
}
