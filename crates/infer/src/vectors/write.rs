//! Writing files of vectors, row by row.

use std::ffi::OsString;
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use program::AtomicFile;
use program::atomic_file::resolve_target;
use records::Row;

use super::{VectorError, VectorFormat, jsonl, npy, pt, safetensors};

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

/// Writes vectors as they come. Dropped before [`finish`](Self::finish), it leaves no file.
pub struct VectorWriter<'a> {
    target: Target<'a>,
    width: usize,
    rows: u64,
    with_ids: bool,
}

enum Target<'a> {
    /// JSON Lines to a stream.
    Stream(&'a mut dyn Write),
    /// A file of any format.
    File(OutputFile),
}

struct OutputFile {
    path: PathBuf,
    format: VectorFormat,
    values: ValuesFile,
    ids: Option<BufWriter<AtomicFile>>,
}

/// The file, in the structure of its format.
enum ValuesFile {
    Plain(BufWriter<AtomicFile>),
    Zip(Box<pt::PtFile<BufWriter<AtomicFile>>>),
}

impl<'a> VectorWriter<'a> {
    /// Writes JSON Lines to a stream.
    pub fn jsonl(stream: &'a mut dyn Write, width: usize, with_ids: bool) -> Self {
        Self {
            target: Target::Stream(stream),
            width,
            rows: 0,
            with_ids,
        }
    }

    /// Starts a file of vectors of `width` values; [`finish`](Self::finish) replaces a file of that name.
    ///
    /// # Errors
    ///
    /// When the folder cannot be written, or a folder or a device has that name.
    pub fn create(
        path: &Path,
        format: VectorFormat,
        width: usize,
        with_ids: bool,
    ) -> Result<Self, VectorError> {
        let path = &check_target(path)?;
        let io = VectorError::io(path);
        let mut values = BufWriter::new(AtomicFile::create(path).map_err(io)?);
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
            let file = AtomicFile::create(&ids_path).map_err(VectorError::io(&ids_path))?;
            Some(BufWriter::new(file))
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

    /// Appends the vectors of some rows, row-major `[rows, width]`.
    ///
    /// # Errors
    ///
    /// When there is not one vector per row, or the file cannot be written.
    pub fn write(&mut self, rows: &[Row], vectors: &[f32]) -> Result<(), VectorError> {
        if rows.len().checked_mul(self.width) != Some(vectors.len()) || self.width == 0 {
            return Err(VectorError::Shape {
                values: vectors.len(),
                rows: rows.len(),
                width: self.width,
            });
        }
        let pairs = || rows.iter().zip(vectors.chunks_exact(self.width));
        match &mut self.target {
            Target::Stream(stream) => {
                let io = VectorError::io(Path::new("standard output"));
                for (row, vector) in pairs() {
                    jsonl::write_row(stream, row, vector, self.with_ids).map_err(io)?;
                }
            }
            Target::File(file) => {
                let io = VectorError::io(&file.path);
                match &mut file.values {
                    ValuesFile::Plain(values) if file.format == VectorFormat::Jsonl => {
                        for (row, vector) in pairs() {
                            jsonl::write_row(values, row, vector, self.with_ids).map_err(io)?;
                        }
                    }
                    ValuesFile::Plain(values) => write_values(values, vectors).map_err(io)?,
                    ValuesFile::Zip(zip) => write_values(zip, vectors).map_err(io)?,
                }
                if let Some(ids) = &mut file.ids {
                    for row in rows {
                        let id = row.id.as_deref().unwrap_or_default();
                        writeln!(ids, "{id}")
                            .map_err(|error| VectorError::io(ids.get_ref().target())(error))?;
                    }
                }
            }
        }
        self.rows += rows.len() as u64;
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
        // The ids first: new vectors never have the ids of another run for long.
        match self.ids {
            Some(ids) => commit(ids)?,
            None if self.format != VectorFormat::Jsonl => remove_stale_ids(&self.path)?,
            None => {}
        }
        commit(values)
    }
}

/// The file with the ids of a file of vectors.
pub(super) fn ids_path(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".ids.txt");
    name.into()
}

/// Removes the ids of an earlier run, which a reader would take for those of this one.
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

fn commit(file: BufWriter<AtomicFile>) -> Result<(), VectorError> {
    let target = file.get_ref().target().to_owned();
    let io = VectorError::io(&target);
    let file = file.into_inner().map_err(|error| io(error.into_error()))?;
    file.commit().map_err(io)
}
