//! Writes small Parquet files.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use parquet::basic::{Compression, ConvertedType, Repetition, Type as PhysicalType};
use parquet::data_type::{
    BoolType, ByteArray, ByteArrayType, DataType, DoubleType, FixedLenByteArray,
    FixedLenByteArrayType, FloatType, Int32Type, Int64Type,
};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::Type;
use records::{ReaderOptions, Source};
use tempfile::TempDir;

/// The values of one column in one row group.
#[derive(Clone, Debug)]
pub(crate) enum Values {
    Bytes(Vec<Option<Vec<u8>>>),
    Fixed(Vec<Option<Vec<u8>>>),
    Bool(Vec<Option<bool>>),
    Int32(Vec<Option<i32>>),
    Int64(Vec<Option<i64>>),
    Float(Vec<Option<f32>>),
    Double(Vec<Option<f64>>),
}

impl Values {
    pub(crate) fn texts(texts: &[Option<&str>]) -> Self {
        let bytes = |text: &Option<&str>| text.map(|text| text.as_bytes().to_vec());
        Self::Bytes(texts.iter().map(bytes).collect())
    }
}

/// A file being read by these tests, in a folder that goes with it.
pub(crate) struct Written {
    pub(crate) folder: TempDir,
    pub(crate) source: Source,
}

impl Written {
    pub(crate) fn path(&self) -> &Path {
        match &self.source {
            Source::File(path) => path,
            Source::Stdin => panic!("a file"),
        }
    }

    /// A message without the folder's name.
    pub(crate) fn message(&self, error: &dyn std::error::Error) -> String {
        let folder = format!("{}/", self.folder.path().display());
        error.to_string().replace(&folder, "")
    }
}

/// A file of bytes.
pub(crate) fn file(name: &str, bytes: &[u8]) -> Written {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    let source = Source::File(path);
    Written { folder, source }
}

/// A file of row groups, of each the values of all columns; `fields` is the inside of a message
/// in Parquet's own notation.
pub(crate) fn write(fields: &str, compression: Compression, row_groups: &[Vec<Values>]) -> Written {
    let schema = parse_message_type(&format!("message rows {{ {fields} }}")).unwrap();
    write_schema(schema, compression, row_groups)
}

/// A file of one row with required columns of texts, which may have any names.
pub(crate) fn write_texts(columns: &[(&str, &str)]) -> Written {
    let field = |(name, _): &(&str, &str)| {
        let field = Type::primitive_type_builder(name, PhysicalType::BYTE_ARRAY)
            .with_repetition(Repetition::REQUIRED)
            .with_converted_type(ConvertedType::UTF8)
            .build();
        Arc::new(field.unwrap())
    };
    let schema = Type::group_type_builder("rows")
        .with_fields(columns.iter().map(field).collect())
        .build()
        .unwrap();
    let values = columns.iter().map(|(_, text)| Values::texts(&[Some(text)]));
    write_schema(schema, Compression::UNCOMPRESSED, &[values.collect()])
}

fn write_schema(schema: Type, compression: Compression, row_groups: &[Vec<Values>]) -> Written {
    let written = file("rows.parquet", b"");
    let properties = WriterProperties::builder()
        .set_compression(compression)
        .build();
    let out = File::create(written.path()).unwrap();
    let mut writer =
        SerializedFileWriter::new(out, Arc::new(schema), Arc::new(properties)).unwrap();
    for columns in row_groups {
        let mut row_group = writer.next_row_group().unwrap();
        for values in columns {
            match values {
                Values::Bytes(values) => column::<ByteArrayType>(
                    &mut row_group,
                    &map(values, |bytes| ByteArray::from(bytes.clone())),
                ),
                Values::Fixed(values) => column::<FixedLenByteArrayType>(
                    &mut row_group,
                    &map(values, |bytes| {
                        FixedLenByteArray::from(ByteArray::from(bytes.clone()))
                    }),
                ),
                Values::Bool(values) => column::<BoolType>(&mut row_group, values),
                Values::Int32(values) => column::<Int32Type>(&mut row_group, values),
                Values::Int64(values) => column::<Int64Type>(&mut row_group, values),
                Values::Float(values) => column::<FloatType>(&mut row_group, values),
                Values::Double(values) => column::<DoubleType>(&mut row_group, values),
            }
        }
        row_group.close().unwrap();
    }
    writer.close().unwrap();
    written
}

fn map<A, B>(values: &[Option<A>], to: impl Fn(&A) -> B) -> Vec<Option<B>> {
    values.iter().map(|value| value.as_ref().map(&to)).collect()
}

fn column<T: DataType>(
    row_group: &mut SerializedRowGroupWriter<'_, File>,
    values: &[Option<T::T>],
) {
    let levels: Vec<i16> = values
        .iter()
        .map(|value| i16::from(value.is_some()))
        .collect();
    let present: Vec<T::T> = values.iter().flatten().cloned().collect();
    let mut column = row_group.next_column().unwrap().unwrap();
    column
        .typed::<T>()
        .write_batch(&present, Some(&levels), None)
        .unwrap();
    column.close().unwrap();
}

pub(crate) fn options(columns: &[&str], id: Option<&str>) -> ReaderOptions {
    ReaderOptions {
        columns: columns.iter().map(|&column| column.to_owned()).collect(),
        id_column: id.map(str::to_owned),
        ..ReaderOptions::default()
    }
}
