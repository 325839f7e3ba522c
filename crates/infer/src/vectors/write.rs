//! Writing a file of vectors.

use std::io::{BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use program::AtomicFile;
use program::atomic_file::resolve_target;

use super::ids::{IdsFile, commit};
use super::provenance::Provenance;
use super::windows::Windows;
use super::{
    OutputType, Ranges, VectorError, VectorFormat, jsonl, npy, parquet_file, pt, safetensors,
};

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

/// The regular file that `path` replaces or creates; links are followed. Call it before the work.
///
/// # Errors
///
/// When a folder or a device has that name, or the folder of the file does not exist.
pub fn check_target(path: &Path) -> Result<PathBuf, VectorError> {
    resolve_target(path).map_err(|kind| VectorError::Target {
        path: path.to_owned(),
        kind,
    })
}

/// Writes a file of vectors, which replaces a file of that name when it is complete. Returns the
/// number of rows.
///
/// # Errors
///
/// When the windows cannot be read or the file cannot be written; then there is no new file.
pub fn write_vectors(
    path: &Path,
    form: &FileForm,
    windows: &mut dyn Windows,
) -> Result<u64, VectorError> {
    let path = &check_target(path)?;
    let out = AtomicFile::create(path).map_err(VectorError::io(path))?;
    let mut out = BufWriter::new(out);
    let rows = match form.format {
        VectorFormat::Parquet => parquet_file::write(&mut out, form, windows)?,
        VectorFormat::Safetensors => safetensors::write(&mut out, form, windows)?,
        VectorFormat::Jsonl => write_jsonl(&mut out, form, windows)?,
        VectorFormat::Npy | VectorFormat::Pt => return write_bare(out, path, form, windows),
    };
    commit(out)?;
    Ok(rows)
}

fn write_jsonl(
    out: &mut BufWriter<AtomicFile>,
    form: &FileForm,
    windows: &mut dyn Windows,
) -> Result<u64, VectorError> {
    let target = out.get_ref().target().to_owned();
    let mut rows = 0;
    windows.for_each(&mut |window, values| {
        rows += window.len() as u64;
        jsonl::write(out, form, window, values).map_err(VectorError::io(&target))
    })?;
    Ok(rows)
}

/// Writes a format that holds nothing but the numbers.
fn write_bare(
    mut out: BufWriter<AtomicFile>,
    path: &Path,
    form: &FileForm,
    windows: &mut dyn Windows,
) -> Result<u64, VectorError> {
    let io = VectorError::io(path);
    let mut ids = if form.with_ids {
        Some(IdsFile::create(path)?)
    } else {
        None
    };
    let mut bytes = Vec::new();
    let mut append = |out: &mut dyn Write| {
        let mut rows = 0;
        windows.for_each(&mut |window, values| {
            rows += window.len() as u64;
            bytes.clear();
            form.append(values, &mut bytes);
            out.write_all(&bytes).map_err(io)?;
            ids.as_mut().map_or(Ok(()), |ids| ids.append(window))
        })?;
        Ok::<u64, VectorError>(rows)
    };
    let numbers = form.output_type.numbers(form.width);
    let rows;
    if form.format == VectorFormat::Pt {
        let mut zip = pt::PtFile::new(path, out).map_err(io)?;
        rows = append(&mut zip)?;
        out = zip.finish(rows, numbers).map_err(io)?;
    } else {
        let descr = form.output_type.numpy();
        // The number of rows is known at the end.
        npy::write_header(&mut out, descr, 0, numbers).map_err(io)?;
        rows = append(&mut out)?;
        out.seek(SeekFrom::Start(0)).map_err(io)?;
        npy::write_header(&mut out, descr, rows, numbers).map_err(io)?;
    }
    match ids {
        Some(ids) => ids.commit_after(|| commit(out))?,
        None => commit(out)?,
    }
    Ok(rows)
}
