//! The words of a segment, opened.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tantivy::fieldnorm::FieldNormReader;
use tantivy::schema::Field;
use tantivy::{Index, InvertedIndexReader, SegmentReader};

use super::error::WordsError;
use super::settings::{WordsSettings, schema};

/// The words of one column, opened.
pub(super) struct OpenField {
    pub(super) field: Field,
    pub(super) terms: Arc<InvertedIndexReader>,
    /// The number of words of every row, rounded.
    pub(super) lengths: FieldNormReader,
}

/// The words of the rows of a segment. Its files may be removed while it is open, where the operating system lets them.
pub struct Words {
    folder: PathBuf,
    pub(super) settings: WordsSettings,
    rows: u32,
    pub(super) fields: Vec<OpenField>,
}

impl fmt::Debug for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Words")
            .field("folder", &self.folder)
            .field("rows", &self.rows)
            .finish_non_exhaustive()
    }
}

impl Words {
    /// Opens what a [`WordsWriter`](super::WordsWriter) wrote with the same settings; the weights may be others.
    ///
    /// # Errors
    ///
    /// [`WordsError::Weight`], [`WordsError::Read`] or [`WordsError::Other`].
    pub fn open(folder: &Path, settings: &WordsSettings) -> Result<Self, WordsError> {
        settings.check()?;
        let expected = settings.fields.len();
        let opened = guard::guarded(|| open_fields(folder, expected));
        let opened = opened.map_err(|source| WordsError::Read {
            folder: folder.to_owned(),
            source,
        })?;
        let (rows, fields) = opened.ok_or_else(|| WordsError::Other {
            folder: folder.to_owned(),
            expected,
        })?;
        Ok(Self {
            folder: folder.to_owned(),
            settings: settings.clone(),
            rows,
            fields,
        })
    }

    /// Number of rows.
    #[must_use]
    pub fn rows(&self) -> u32 {
        self.rows
    }

    /// Runs a reader of tantivy: an error or a panic is that of a damaged file.
    pub(super) fn guarded<T>(
        &self,
        read: impl FnOnce() -> Result<T, guard::BoxedError>,
    ) -> Result<T, WordsError> {
        guard::guarded(read).map_err(|source| WordsError::Read {
            folder: self.folder.clone(),
            source,
        })
    }
}

/// The number of rows and the fields; `None` if there are other fields or several segments.
fn open_fields(folder: &Path, expected: usize) -> tantivy::Result<Option<(u32, Vec<OpenField>)>> {
    let index = Index::open_in_dir(folder)?;
    let segments = index.searchable_segments()?;
    let [segment] = segments.as_slice() else {
        return Ok(None);
    };
    let (schema, fields) = schema(expected);
    if index.schema() != schema {
        return Ok(None);
    }
    let reader = SegmentReader::open(segment)?;
    let open = |field| {
        Ok(OpenField {
            field,
            terms: reader.inverted_index(field)?,
            lengths: reader.get_fieldnorms_reader(field)?,
        })
    };
    let fields = fields
        .into_iter()
        .map(open)
        .collect::<tantivy::Result<_>>()?;
    Ok(Some((reader.max_doc(), fields)))
}
