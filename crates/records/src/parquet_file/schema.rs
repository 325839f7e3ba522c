//! The columns of a Parquet file.

use std::sync::Arc;

use arrow_schema::{DataType, FieldRef, Schema};
use parquet::arrow::arrow_reader::ArrowReaderMetadata;
use parquet::basic::{ConvertedType, LogicalType, Type as PhysicalType};
use parquet::errors::ParquetError;
use parquet::schema::types::{SchemaDescriptor, Type, TypePtr};

use super::values::can_be_text;
use crate::columns::{Kind, find, names_of};
use crate::error::ColumnErrorKind;

/// The columns of a file and their types.
pub(super) type Kinds = Vec<(String, Kind)>;

/// A column to read.
#[derive(Clone, Debug)]
pub(super) struct Column {
    /// Its place among the columns of the file.
    pub(super) root: usize,
    /// The name of that column.
    pub(super) key: String,
    /// The names of the nested columns that lead to it.
    pub(super) path: String,
}

/// The columns of a schema in which texts are texts.
pub(super) fn kinds_of(schema: &Schema) -> Kinds {
    let kind = |field: &FieldRef| {
        let kind = match field.data_type() {
            DataType::Utf8 => Kind::Text,
            DataType::Boolean => Kind::NumberOrBoolean,
            data_type if data_type.is_numeric() => Kind::NumberOrBoolean,
            _ => Kind::Other,
        };
        (field.name().clone(), kind)
    };
    schema.fields().iter().map(kind).collect()
}

/// Whether the values of a column are marked as UTF-8.
fn is_text(field: &Type) -> bool {
    let info = field.get_basic_info();
    let is_bytes = !field.is_group() && field.get_physical_type() == PhysicalType::BYTE_ARRAY;
    is_bytes
        && (matches!(
            info.converted_type(),
            ConvertedType::UTF8 | ConvertedType::ENUM | ConvertedType::JSON
        ) || matches!(
            info.logical_type_ref(),
            Some(LogicalType::String | LogicalType::Enum | LogicalType::Json)
        ))
}

/// The schema with texts as bytes, so that the decoder does not refuse a batch for one bad text.
pub(super) fn with_bytes(schema: &Type) -> Result<Arc<SchemaDescriptor>, ParquetError> {
    let fields = schema.get_fields().iter().map(bytes_of);
    let schema = Type::group_type_builder(schema.name())
        .with_fields(fields.collect::<Result<_, _>>()?)
        .build()?;
    Ok(Arc::new(SchemaDescriptor::new(Arc::new(schema))))
}

fn bytes_of(field: &TypePtr) -> Result<TypePtr, ParquetError> {
    let info = field.get_basic_info();
    let id = info.has_id().then(|| info.id());
    let field = if field.is_group() {
        let fields = field.get_fields().iter().map(bytes_of);
        Type::group_type_builder(field.name())
            .with_repetition(info.repetition())
            .with_converted_type(info.converted_type())
            .with_logical_type(info.logical_type_ref().cloned())
            .with_fields(fields.collect::<Result<_, _>>()?)
            .with_id(id)
            .build()?
    } else if is_text(field) {
        Type::primitive_type_builder(field.name(), PhysicalType::BYTE_ARRAY)
            .with_repetition(info.repetition())
            .with_id(id)
            .build()?
    } else {
        return Ok(Arc::clone(field));
    };
    Ok(Arc::new(field))
}

/// The places of named columns: a column, or a path into nested ones such as `product.title`.
pub(super) fn columns_of(
    metadata: &ArrowReaderMetadata,
    kinds: &Kinds,
    names: &[String],
) -> Result<Vec<Column>, ColumnErrorKind> {
    let present = names_of(kinds);
    let column = |name: &String| {
        // A name with a point in it comes before a path.
        let mut key = name.as_str();
        let root = loop {
            match (find(&present, key), key.rsplit_once('.')) {
                (Err(ColumnErrorKind::Unknown { .. }), Some((shorter, _))) => key = shorter,
                (Err(ColumnErrorKind::Unknown { .. }), None) => {
                    return Err(unknown(name, &present));
                }
                (root, _) => break root?,
            }
        };
        let rest = name.get(key.len()..).unwrap_or_default();
        let path = rest.trim_start_matches('.').trim_end().to_owned();
        let field = metadata.schema().fields().get(root);
        match field.map(|field| can_be_text(field.data_type(), &path)) {
            Some(Ok(true)) => Ok(Column {
                root,
                key: present.get(root).cloned().unwrap_or_default(),
                path,
            }),
            Some(Err(kind)) => Err(ColumnErrorKind::NotText {
                column: name.clone(),
                kind,
            }),
            Some(Ok(false)) | None => Err(unknown(name, &present)),
        }
    };
    names.iter().map(column).collect()
}

fn unknown(name: &str, present: &[String]) -> ColumnErrorKind {
    ColumnErrorKind::Unknown {
        column: name.to_owned(),
        present: present.to_vec(),
    }
}
