//! Vectors into a file, row by row.

use std::ffi::OsString;
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use records::Row;
use tempfile::NamedTempFile;

use super::{VectorError, VectorFormat, jsonl, npy, pt, safetensors};
use crate::unfinished;

/// The file that `path` leads to, found out before anything is computed for it.
///
/// # Errors
///
/// When a folder or a device has that name, or the folder of the file does not exist.
pub fn check_target(path: &Path) -> Result<PathBuf, VectorError> {
    unfinished::target(path).map_err(|problem| VectorError::Target {
        path: path.to_owned(),
        problem,
    })
}

/// Writes vectors as they come. Dropped before [`finish`](Self::finish), it leaves nothing behind.
pub struct VectorWriter<'a> {
    target: Target<'a>,
    width: usize,
    rows: u64,
    with_ids: bool,
}

enum Target<'a> {
    /// JSON lines to a stream.
    Stream(&'a mut dyn Write),
    /// A file of its own format.
    File(OutputFile),
}

struct OutputFile {
    path: PathBuf,
    format: VectorFormat,
    values: ValuesFile,
    ids: Option<(PathBuf, BufWriter<NamedTempFile>)>,
}

/// The temporary file, under the structure of its format.
enum ValuesFile {
    Plain(BufWriter<NamedTempFile>),
    Zip(Box<pt::PtFile<BufWriter<NamedTempFile>>>),
}

impl<'a> VectorWriter<'a> {
    /// Writes JSON lines to a stream.
    pub fn jsonl(stream: &'a mut dyn Write, width: usize, with_ids: bool) -> Self {
        Self {
            target: Target::Stream(stream),
            width,
            rows: 0,
            with_ids,
        }
    }

    /// Starts a file of vectors of `width` values; a file that is there is replaced at the end.
    ///
    /// # Errors
    ///
    /// When the folder cannot be written, or the name is not one for a file.
    pub fn create(
        path: &Path,
        format: VectorFormat,
        width: usize,
        with_ids: bool,
    ) -> Result<Self, VectorError> {
        let path = &check_target(path)?;
        let io = VectorError::io(path);
        let mut values = BufWriter::new(unfinished::beside(path).map_err(io)?);
        match format {
            VectorFormat::Npy => npy::write_header(&mut values, 0, width).map_err(io)?,
            VectorFormat::Safetensors => {
                safetensors::write_header(&mut values, 0, width).map_err(io)?
            }
            VectorFormat::Pt | VectorFormat::Jsonl => {}
        }
        let values = match format {
            VectorFormat::Pt => {
                ValuesFile::Zip(Box::new(pt::PtFile::new(path, values).map_err(io)?))
            }
            _ => ValuesFile::Plain(values),
        };
        let ids = if with_ids && format != VectorFormat::Jsonl {
            let ids_path = ids_path(path);
            let file = unfinished::beside(&ids_path).map_err(VectorError::io(&ids_path))?;
            Some((ids_path, BufWriter::new(file)))
        } else {
            None
        };
        let target = Target::File(OutputFile {
            path: path.clone(),
            format,
            values,
            ids,
        });
        Ok(Self {
            target,
            width,
            rows: 0,
            with_ids,
        })
    }

    /// Appends the vectors of some records, row-major `[records, width]`.
    ///
    /// # Errors
    ///
    /// When their number does not fit, or the file cannot be written.
    pub fn write(&mut self, records: &[Row], vectors: &[f32]) -> Result<(), VectorError> {
        if records.len().checked_mul(self.width) != Some(vectors.len()) || self.width == 0 {
            return Err(VectorError::Shape {
                values: vectors.len(),
                records: records.len(),
                width: self.width,
            });
        }
        let rows = || records.iter().zip(vectors.chunks_exact(self.width));
        match &mut self.target {
            Target::Stream(stream) => {
                let io = VectorError::io(Path::new("standard output"));
                for (record, vector) in rows() {
                    jsonl::write_row(stream, record, vector, self.with_ids).map_err(io)?;
                }
            }
            Target::File(file) => {
                let io = VectorError::io(&file.path);
                match &mut file.values {
                    ValuesFile::Plain(values) if file.format == VectorFormat::Jsonl => {
                        for (record, vector) in rows() {
                            jsonl::write_row(values, record, vector, self.with_ids).map_err(io)?;
                        }
                    }
                    ValuesFile::Plain(values) => write_values(values, vectors).map_err(io)?,
                    ValuesFile::Zip(zip) => write_values(zip, vectors).map_err(io)?,
                }
                if let Some((path, ids)) = &mut file.ids {
                    for record in records {
                        writeln!(ids, "{}", record.id.as_deref().unwrap_or_default())
                            .map_err(VectorError::io(path))?;
                    }
                }
            }
        }
        self.rows += records.len() as u64;
        Ok(())
    }

    /// Completes the file and gives it its name; returns the number of rows.
    ///
    /// # Errors
    ///
    /// When the file cannot be written.
    pub fn finish(self) -> Result<u64, VectorError> {
        match self.target {
            Target::Stream(stream) => {
                stream
                    .flush()
                    .map_err(VectorError::io(Path::new("standard output")))?;
            }
            Target::File(file) => file.finish(self.rows, self.width)?,
        }
        Ok(self.rows)
    }
}

impl OutputFile {
    fn finish(self, rows: u64, width: usize) -> Result<(), VectorError> {
        let io = VectorError::io(&self.path);
        let mut values = match self.values {
            ValuesFile::Plain(values) => values,
            ValuesFile::Zip(zip) => zip.finish(rows, width).map_err(io)?,
        };
        match self.format {
            VectorFormat::Npy => {
                values.seek(SeekFrom::Start(0)).map_err(io)?;
                npy::write_header(&mut values, rows, width).map_err(io)?;
            }
            VectorFormat::Safetensors => {
                values.seek(SeekFrom::Start(0)).map_err(io)?;
                safetensors::write_header(&mut values, rows, width).map_err(io)?;
            }
            VectorFormat::Pt | VectorFormat::Jsonl => {}
        }
        // The ids first: vectors under the final name then never stand beside the ids of another
        // run for long.
        match self.ids {
            Some((path, ids)) => persist(ids, &path)?,
            None if self.format != VectorFormat::Jsonl => remove_stale_ids(&self.path)?,
            None => {}
        }
        persist(values, &self.path)
    }
}

/// The file with the ids of a file of vectors.
pub(super) fn ids_path(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".ids.txt");
    name.into()
}

/// Ids of an earlier run would be taken for those of this one.
fn remove_stale_ids(path: &Path) -> Result<(), VectorError> {
    let ids = ids_path(path);
    match std::fs::remove_file(&ids) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(VectorError::Io { path: ids, source })
        }
        _ => Ok(()),
    }
}

fn write_values(out: &mut impl Write, values: &[f32]) -> io::Result<()> {
    for value in values {
        out.write_all(&value.to_le_bytes())?;
    }
    Ok(())
}

fn persist(file: BufWriter<NamedTempFile>, path: &Path) -> Result<(), VectorError> {
    let io = VectorError::io(path);
    let file = file.into_inner().map_err(|error| io(error.into_error()))?;
    unfinished::persist(file, path).map_err(io)
}
