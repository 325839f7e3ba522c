//! Parquet: rows assembled from columns, one row group at a time.
//!
//! The row API of the `parquet` crate is slower than its arrays, but it suffices for one row at a
//! time, and texts take far longer to embed than to read.

mod projection;
mod values;

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Row as ParquetRow;
use parquet::record::reader::{ReaderIter, TreeBuilder};
use parquet::schema::types::SchemaDescPtr;

use self::projection::Projection;
use self::values::text_of;
use crate::Row;
use crate::columns::{Choice, Column, checked_id};
use crate::error::{Numbering, ReadError, RowErrorKind};
use crate::input::names_gzip;
use crate::source::Source;

pub(crate) struct ParquetRows {
    file: Source,
    reader: SerializedFileReader<File>,
    /// The columns to read, each once, in the order of the file.
    schema: SchemaDescPtr,
    /// The selected columns, with their positions in `schema`.
    columns: Vec<Column>,
    id: Option<Column>,
    row_group: Option<ReaderIter>,
    next_row_group: usize,
    /// Number of rows returned so far.
    rows: u64,
    total_rows: u64,
    total_bytes: u64,
}

impl ParquetRows {
    pub(crate) fn open(
        file: &Source,
        choice: &Choice,
        id: Option<&str>,
    ) -> Result<Self, ReadError> {
        let not_plain = || ReadError::ParquetNotPlainFile { file: file.clone() };
        let failed = |source| ReadError::Io {
            file: file.clone(),
            source,
        };
        let path = match file {
            Source::File(path) if !names_gzip(file) => path,
            _ => return Err(not_plain()),
        };
        let opened = File::open(path).map_err(failed)?;
        let metadata = opened.metadata().map_err(failed)?;
        if !metadata.is_file() {
            return Err(not_plain());
        }
        let not_parquet = |source| ReadError::NotParquet {
            file: file.clone(),
            source,
        };
        let reader = caught(|| SerializedFileReader::new(opened)).map_err(not_parquet)?;
        let projection = Projection::new(reader.metadata(), choice, id);
        let projection = projection.map_err(|source| ReadError::Columns {
            file: file.clone(),
            source,
        })?;
        let row_groups = reader.metadata().row_groups().iter();
        let total_rows = row_groups
            .map(|row_group| u64::try_from(row_group.num_rows()).unwrap_or(0))
            .fold(0, u64::saturating_add);
        Ok(Self {
            file: file.clone(),
            schema: projection.schema(reader.metadata()).map_err(not_parquet)?,
            reader,
            columns: projection.columns,
            id: projection.id,
            row_group: None,
            next_row_group: 0,
            rows: 0,
            total_rows,
            total_bytes: metadata.len(),
        })
    }

    pub(crate) fn columns(&self) -> Vec<String> {
        self.columns
            .iter()
            .map(|column| column.name.clone())
            .collect()
    }

    pub(crate) fn next(&mut self) -> Result<Option<Row>, ReadError> {
        let row = caught(|| self.next_row()).map_err(|source| ReadError::ParquetData {
            file: self.file.clone(),
            row: self.rows + 1,
            source,
        })?;
        let Some(row) = row else {
            return Ok(None);
        };
        self.rows += 1;
        self.record(row).map(Some).map_err(|source| ReadError::Row {
            file: self.file.clone(),
            numbering: Numbering::Rows,
            line: self.rows,
            source,
        })
    }

    pub(crate) fn bytes_read(&self) -> u64 {
        let share = u128::from(self.total_bytes) * u128::from(self.rows)
            / u128::from(self.total_rows.max(1));
        u64::try_from(share).unwrap_or(u64::MAX)
    }

    pub(crate) fn total_bytes(&self) -> u64 {
        self.total_bytes
    }

    fn next_row(&mut self) -> Result<Option<ParquetRow>, ParquetError> {
        loop {
            if let Some(row) = self.row_group.as_mut().and_then(Iterator::next) {
                return row.map(Some);
            }
            // Frees the pages of the last row group before the next one is read.
            self.row_group = None;
            if self.next_row_group == self.reader.num_row_groups() {
                return Ok(None);
            }
            let row_group = self.reader.get_row_group(self.next_row_group)?;
            self.next_row_group += 1;
            let rows = TreeBuilder::new().as_iter(Arc::clone(&self.schema), &*row_group)?;
            self.row_group = Some(rows);
        }
    }

    fn record(&self, row: ParquetRow) -> Result<Row, RowErrorKind> {
        let values = row.into_columns();
        let value = |column: &Column| {
            let value = values.get(column.index).map(|(_, value)| value);
            text_of(value).map_err(|kind| RowErrorKind::NotText {
                column: column.name.clone(),
                kind,
            })
        };
        let id = match &self.id {
            // A null id has its own error.
            Some(column) => match value(column) {
                Err(RowErrorKind::NotText {
                    kind: "null",
                    column,
                }) => return Err(RowErrorKind::EmptyId { column }),
                id => Some(checked_id(&column.name, id?)?),
            },
            None => None,
        };
        let fields = self.columns.iter().map(value).collect::<Result<_, _>>()?;
        Ok(Row {
            line: self.rows,
            id,
            fields,
        })
    }
}

/// Turns a panic into an error: the `parquet` crate trusts some lengths and offsets of damaged files.
/// The reader ends after such an error, so nothing uses the decoder's state again.
fn caught<T>(decode: impl FnOnce() -> Result<T, ParquetError>) -> Result<T, ParquetError> {
    catch_unwind(AssertUnwindSafe(decode)).unwrap_or_else(|payload| {
        let message = match payload.downcast_ref::<String>() {
            Some(message) => message.as_str(),
            None => payload.downcast_ref::<&str>().copied().unwrap_or_default(),
        };
        Err(ParquetError::General(message.to_owned()))
    })
}
