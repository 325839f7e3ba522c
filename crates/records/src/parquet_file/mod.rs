//! Parquet: rows put together again from columns, a row group at a time.
//!
//! The row API of the `parquet` crate is slower than its arrays, but it is all that a row a time
//! needs, and texts take far longer to embed than to read.

mod projection;
mod values;

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Row;
use parquet::record::reader::{ReaderIter, TreeBuilder};
use parquet::schema::types::SchemaDescPtr;

use self::projection::Projection;
use self::values::text_of;
use crate::Record;
use crate::columns::{Choice, Column, checked_id};
use crate::error::{Numbering, RecordError, RowProblem};
use crate::input::names_gzip;
use crate::source::Source;

pub(crate) struct ParquetRows {
    file: Source,
    reader: SerializedFileReader<File>,
    /// The columns that are read, each once, in the order of the file.
    schema: SchemaDescPtr,
    /// The chosen columns, and where they stand in `schema`.
    columns: Vec<Column>,
    id: Option<Column>,
    row_group: Option<ReaderIter>,
    next_row_group: usize,
    /// Rows given so far.
    rows: u64,
    total_rows: u64,
    total_bytes: u64,
}

impl ParquetRows {
    pub(crate) fn open(
        file: &Source,
        choice: &Choice,
        id: Option<&str>,
    ) -> Result<Self, RecordError> {
        let not_plain = || RecordError::ParquetNotPlainFile { file: file.clone() };
        let failed = |source| RecordError::Io {
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
        let not_parquet = |source| RecordError::NotParquet {
            file: file.clone(),
            source,
        };
        let reader = caught(|| SerializedFileReader::new(opened)).map_err(not_parquet)?;
        let projection = Projection::new(reader.metadata(), choice, id);
        let projection = projection.map_err(|source| RecordError::Columns {
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

    pub(crate) fn next(&mut self) -> Result<Option<Record>, RecordError> {
        let row = caught(|| self.next_row()).map_err(|source| RecordError::ParquetData {
            file: self.file.clone(),
            row: self.rows + 1,
            source,
        })?;
        let Some(row) = row else {
            return Ok(None);
        };
        self.rows += 1;
        self.record(row)
            .map(Some)
            .map_err(|source| RecordError::Row {
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

    fn next_row(&mut self) -> Result<Option<Row>, ParquetError> {
        loop {
            if let Some(row) = self.row_group.as_mut().and_then(Iterator::next) {
                return row.map(Some);
            }
            // The pages of the last row group are let go before those of the next one are read.
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

    fn record(&self, row: Row) -> Result<Record, RowProblem> {
        let values = row.into_columns();
        let value = |column: &Column| {
            let value = values.get(column.index).map(|(_, value)| value);
            text_of(value).map_err(|kind| RowProblem::NotText {
                column: column.name.clone(),
                kind,
            })
        };
        let id = match &self.id {
            // Null says that there is none, in words of its own.
            Some(column) => match value(column) {
                Err(RowProblem::NotText {
                    kind: "null",
                    column,
                }) => return Err(RowProblem::EmptyId { column }),
                id => Some(checked_id(&column.name, id?)?),
            },
            None => None,
        };
        let fields = self.columns.iter().map(value).collect::<Result<_, _>>()?;
        Ok(Record {
            line: self.rows,
            id,
            fields,
        })
    }
}

/// Makes an error of a panic: the crate answers most damaged files with an error, but some lengths
/// and offsets it takes on trust. What it leaves behind is not used again, as no reader goes on
/// after an error that is not of a row.
fn caught<T>(decode: impl FnOnce() -> Result<T, ParquetError>) -> Result<T, ParquetError> {
    catch_unwind(AssertUnwindSafe(decode)).unwrap_or_else(|payload| {
        let message = match payload.downcast_ref::<String>() {
            Some(message) => message.as_str(),
            None => payload.downcast_ref::<&str>().copied().unwrap_or_default(),
        };
        Err(ParquetError::General(message.to_owned()))
    })
}
