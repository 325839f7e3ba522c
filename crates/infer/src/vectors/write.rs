//! Writing a file of vectors.

use std::io::{BufWriter, Seek, SeekFrom, Write};
use std::path::Path;

use program::AtomicFile;

use super::ids::{IdsFile, commit};
use super::windows::Windows;
use super::{
    FileForm, VectorError, VectorFormat, check_target, jsonl, npy, parquet_file, pt, safetensors,
};

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
    let form = &with_checksum(form, windows)?;
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

/// The form with the checksum of the numbers, where the file keeps it: the metadata may come before
/// the numbers.
fn with_checksum(form: &FileForm, windows: &mut dyn Windows) -> Result<FileForm, VectorError> {
    let mut form = form.clone();
    if let (Some(mut made_of), VectorFormat::Parquet | VectorFormat::Safetensors) =
        (form.provenance.take(), form.format)
    {
        let mut checksum = crc32fast::Hasher::new();
        let mut bytes = Vec::new();
        windows.for_each(&mut |_, values| {
            bytes.clear();
            form.append(values, &mut bytes);
            checksum.update(&bytes);
            Ok(())
        })?;
        made_of.numbers = Some(checksum.finalize());
        form.provenance = Some(made_of);
    }
    Ok(form)
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
