//! The columns of a Parquet file to read.

use std::sync::Arc;

use parquet::basic::CompressionCodec;
use parquet::errors::ParquetError;
use parquet::file::metadata::ParquetMetaData;
use parquet::schema::types::{SchemaDescPtr, SchemaDescriptor, Type, TypePtr};

use super::values::kind_of;
use crate::columns::{Choice, Column, Kind, find};
use crate::error::ColumnErrorKind;

/// Columns of a file, each once, in the file's order.
pub(super) struct Projection {
    fields: Vec<TypePtr>,
    /// The selected columns, with their positions in `fields`.
    pub(super) columns: Vec<Column>,
    /// The column of the id, with its position in `fields`.
    pub(super) id: Option<Column>,
}

impl Projection {
    pub(super) fn new(
        metadata: &ParquetMetaData,
        choice: &Choice,
        id: Option<&str>,
    ) -> Result<Self, ColumnErrorKind> {
        let all = metadata.file_metadata().schema().get_fields();
        let present: Vec<String> = all.iter().map(|field| field.name().to_owned()).collect();
        let kinds: Vec<(String, Kind)> = present
            .iter()
            .zip(all)
            .map(|(name, field)| (name.clone(), kind_of(field).unwrap_or(Kind::Other)))
            .collect();

        let mut id = id.map(|name| find(&present, name)).transpose()?;
        let names = choice.among_typed(&kinds, id.as_ref().map(|id| id.name.as_str()))?;
        let mut columns = names
            .iter()
            .map(|name| find(&present, name))
            .collect::<Result<Vec<_>, _>>()?;
        if columns.is_empty() {
            return Err(ColumnErrorKind::NoneFits { present });
        }

        let chosen = columns.iter().chain(&id);
        let mut places: Vec<usize> = chosen.map(|column| column.index).collect();
        places.sort_unstable();
        places.dedup();
        let fields: Vec<TypePtr> = places
            .iter()
            .filter_map(|&place| all.get(place).cloned())
            .collect();
        for field in &fields {
            check(metadata, field)?;
        }
        for column in columns.iter_mut().chain(&mut id) {
            column.index = places.partition_point(|&place| place < column.index);
        }
        Ok(Self {
            fields,
            columns,
            id,
        })
    }

    /// The file's schema without the other columns.
    pub(super) fn schema(&self, metadata: &ParquetMetaData) -> Result<SchemaDescPtr, ParquetError> {
        let name = metadata.file_metadata().schema().name();
        let schema = Type::group_type_builder(name).with_fields(self.fields.clone());
        Ok(Arc::new(SchemaDescriptor::new(Arc::new(schema.build()?))))
    }
}

/// An error unless the values of a selected column can be read.
fn check(metadata: &ParquetMetaData, field: &Type) -> Result<(), ColumnErrorKind> {
    let column = field.name();
    kind_of(field).map_err(|kind| ColumnErrorKind::NotText {
        column: column.to_owned(),
        kind,
    })?;
    let chunks = metadata
        .row_groups()
        .iter()
        .flat_map(|row_group| row_group.columns());
    for chunk in chunks.filter(|chunk| chunk.column_path().parts() == [column]) {
        match chunk.compression_codec() {
            CompressionCodec::UNCOMPRESSED
            | CompressionCodec::SNAPPY
            | CompressionCodec::GZIP
            | CompressionCodec::ZSTD => {}
            codec => {
                return Err(ColumnErrorKind::Compression {
                    column: column.to_owned(),
                    codec: codec.to_string(),
                });
            }
        }
    }
    Ok(())
}
