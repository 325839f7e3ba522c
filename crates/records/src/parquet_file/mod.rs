//! Parquet: columns of texts, one batch of rows at a time, through Arrow.

mod schema;
mod values;

use std::fs::File;

use arrow_array::{Array, RecordBatch};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader,
    ParquetRecordBatchReaderBuilder,
};
use parquet::errors::ParquetError;

use self::schema::{Column, Kinds, columns_of, kinds_of, with_bytes};
use self::values::{Value, texts_of};
use crate::columns::{Selected, Selection, names_of};
use crate::error::{ColumnErrorKind, Numbering, ReadError, RowErrorKind};
use crate::input::as_u64;
use crate::row_source::{RowSource, Values};
use crate::source::Source;

/// Rows of a batch.
const BATCH_ROWS: usize = 1024;

pub(crate) struct ParquetRows {
    file: Source,
    opened: File,
    metadata: ArrowReaderMetadata,
    selected: Selected,
    /// The place of each selected column in the file.
    columns: Vec<Column>,
    reader: ParquetRecordBatchReader,
    batch_rows: usize,
    /// The values of each selected column in the batch, the last row first.
    batch: Vec<Vec<Value>>,
    /// Number of rows returned so far.
    rows: usize,
    total_rows: usize,
    total_bytes: u64,
}

impl ParquetRows {
    pub(crate) fn open(file: &Source, selection: &Selection) -> Result<Self, ReadError> {
        let not_plain = || ReadError::ParquetNotPlainFile { file: file.clone() };
        let failed = |source| ReadError::Io {
            file: file.clone(),
            source,
        };
        let Source::File(path) = file else {
            return Err(not_plain());
        };
        let opened = File::open(path).map_err(failed)?;
        let size = opened.metadata().map_err(failed)?;
        if !size.is_file() {
            return Err(not_plain());
        }
        let not_parquet = |source| ReadError::NotParquet {
            file: file.clone(),
            source,
        };
        let columns_error = |source| ReadError::Columns {
            file: file.clone(),
            source,
        };
        let (kinds, metadata) = caught(|| load(&opened)).map_err(not_parquet)?;
        let selected = selection.among(&kinds).map_err(columns_error)?;
        if selected.texts == 0 {
            let present = names_of(&kinds);
            return Err(columns_error(ColumnErrorKind::NoneFits { present }));
        }
        let columns = columns_of(&metadata, &kinds, &selected.names).map_err(columns_error)?;
        let total_rows = metadata.metadata().file_metadata().num_rows();
        let reader = caught(|| reader(&opened, &metadata, &columns, 0, BATCH_ROWS));
        Ok(Self {
            file: file.clone(),
            reader: reader.map_err(not_parquet)?,
            opened,
            metadata,
            selected,
            columns,
            batch_rows: BATCH_ROWS,
            batch: Vec::new(),
            rows: 0,
            total_rows: usize::try_from(total_rows).unwrap_or(0),
            total_bytes: size.len(),
        })
    }

    /// Reads the next batch; `false` at the end.
    fn next_batch(&mut self) -> Result<bool, ParquetError> {
        let batch = match caught(|| self.read_batch()) {
            // The rows before a damaged page are good.
            Err(_) if self.batch_rows > 1 => {
                self.batch_rows = 1;
                let rows = self.rows;
                self.reader =
                    caught(|| reader(&self.opened, &self.metadata, &self.columns, rows, 1))?;
                caught(|| self.read_batch())?
            }
            batch => batch?,
        };
        match batch {
            Some(batch) => {
                self.batch = batch;
                Ok(true)
            }
            None => Ok(false),
        }
    }

    fn read_batch(&mut self) -> Result<Option<Vec<Vec<Value>>>, ParquetError> {
        loop {
            let Some(batch) = self.reader.next().transpose()? else {
                return Ok(None);
            };
            if batch.num_rows() == 0 {
                continue;
            }
            let values = |column: &Column| values_of(&batch, column);
            return self
                .columns
                .iter()
                .map(values)
                .collect::<Result<_, _>>()
                .map(Some);
        }
    }

    fn row(&mut self) -> Result<Values, RowErrorKind> {
        let mut values = Vec::with_capacity(self.columns.len());
        let mut problem = None;
        // Every column gives up its value, so that the next row is not out of step.
        for (name, column) in self.selected.names.iter().zip(&mut self.batch) {
            match column.pop() {
                Some(Value::Text(text)) => values.push(Some(text)),
                Some(Value::Missing) | None => values.push(None),
                Some(Value::NotUtf8) => {
                    problem.get_or_insert(RowErrorKind::NotUtf8 { offset: None });
                }
                Some(Value::NotFinite) => {
                    problem.get_or_insert(RowErrorKind::NotText {
                        column: name.clone(),
                        kind: "not a finite number",
                    });
                }
            }
        }
        let line = as_u64(self.rows);
        problem.map_or(Ok(Values { line, values }), Err)
    }
}

impl RowSource for ParquetRows {
    fn selected(&self) -> &Selected {
        &self.selected
    }

    fn next(&mut self) -> Result<Option<Values>, ReadError> {
        if self.batch.first().is_none_or(Vec::is_empty) {
            let more = self.next_batch().map_err(|source| ReadError::ParquetData {
                file: self.file.clone(),
                row: as_u64(self.rows + 1),
                source,
            })?;
            if !more {
                return Ok(None);
            }
        }
        self.rows += 1;
        self.row().map(Some).map_err(|source| ReadError::Row {
            file: self.file.clone(),
            numbering: Numbering::Rows,
            line: as_u64(self.rows),
            source,
        })
    }

    fn bytes_read(&self) -> u64 {
        let rows = as_u64(self.rows);
        let total = as_u64(self.total_rows.max(1));
        let share = u128::from(self.total_bytes) * u128::from(rows) / u128::from(total);
        u64::try_from(share).unwrap_or(u64::MAX)
    }

    fn total_bytes(&self) -> Option<u64> {
        Some(self.total_bytes)
    }
}

/// The metadata, in which texts are bytes: a text that is not UTF-8 then spoils its row only.
fn load(file: &File) -> Result<(Kinds, ArrowReaderMetadata), ParquetError> {
    let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    let metadata = ArrowReaderMetadata::load(file, options.clone())?;
    let root = metadata.metadata().file_metadata().schema_descr();
    let kinds = kinds_of(metadata.schema());
    let options = options.with_parquet_schema(with_bytes(root.root_schema())?);
    Ok((kinds, ArrowReaderMetadata::load(file, options)?))
}

fn reader(
    file: &File,
    metadata: &ArrowReaderMetadata,
    columns: &[Column],
    offset: usize,
    batch_rows: usize,
) -> Result<ParquetRecordBatchReader, ParquetError> {
    let roots = columns.iter().map(|column| column.root);
    let mask = ProjectionMask::roots(metadata.parquet_schema(), roots);
    ParquetRecordBatchReaderBuilder::new_with_metadata(file.try_clone()?, metadata.clone())
        .with_projection(mask)
        .with_offset(offset)
        .with_batch_size(batch_rows)
        .build()
}

/// The values of a column, the last row first.
fn values_of(batch: &RecordBatch, column: &Column) -> Result<Vec<Value>, ParquetError> {
    let array = batch
        .column_by_name(&column.key)
        .ok_or_else(|| ParquetError::General(format!("the batch lacks column {}", column.key)))?;
    let mut values = texts_of(array.as_ref(), &column.path)?;
    values.reverse();
    debug_assert_eq!(values.len(), array.len());
    Ok(values)
}

/// The `parquet` crate panics on some damaged files. The reader ends after such an error.
fn caught<T>(decode: impl FnOnce() -> Result<T, ParquetError>) -> Result<T, ParquetError> {
    guard::caught(decode).unwrap_or_else(|panic| Err(ParquetError::General(panic)))
}
