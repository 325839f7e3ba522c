//! The form of a file of vectors.

use super::{OutputType, Provenance, Ranges, VectorFormat};

/// The form of a file of vectors.
#[derive(Clone, Debug)]
pub struct FileForm {
    /// The format.
    pub format: VectorFormat,
    /// Dimensions of a vector.
    pub width: usize,
    /// The type of the numbers.
    pub output_type: OutputType,
    /// The ranges of the dimensions, if the type of the numbers needs them.
    pub ranges: Option<Ranges>,
    /// Whether the ids of the rows are written.
    pub with_ids: bool,
    /// The names of the fields of a row; without names, the only field is `text`.
    pub columns: Vec<String>,
    /// What the vectors are made of; only some formats keep it.
    pub provenance: Option<Provenance>,
}

impl FileForm {
    /// float32 vectors of `width` dimensions, without ids and provenance.
    #[must_use]
    pub fn new(format: VectorFormat, width: usize) -> Self {
        Self {
            format,
            width,
            output_type: OutputType::F32,
            ranges: None,
            with_ids: false,
            columns: Vec::new(),
            provenance: None,
        }
    }

    /// Appends the numbers of vectors to bytes.
    pub(super) fn append(&self, values: &[f32], bytes: &mut Vec<u8>) {
        self.output_type
            .append(values, self.width, self.ranges.as_ref(), bytes);
    }
}
