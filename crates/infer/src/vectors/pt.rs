//! PyTorch's `.pt` format: a zip archive with a pickle and the raw values.

use std::borrow::Cow;
use std::io::{self, Read, Seek, Write};
use std::path::Path;

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use super::pickle::{self, TensorLayout};

/// torch maps storages into memory and wants them aligned.
const ALIGNMENT: u16 = 64;

/// The most bytes of a pickle that describes one tensor.
const MAX_PICKLE_BYTES: u64 = 1 << 20;

/// An archive that takes values as they come. The pickle needs their number, so it is written last.
pub(super) struct PtFile<W: Write + Seek> {
    zip: ZipWriter<W>,
    folder: String,
}

impl<W: Write + Seek> PtFile<W> {
    pub(super) fn new(path: &Path, out: W) -> io::Result<Self> {
        // torch.save puts all entries into a folder with the name of the file.
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        let folder = if stem.is_empty() {
            "archive".to_owned()
        } else {
            stem.into_owned()
        };
        let mut zip = ZipWriter::new(out);
        zip.start_file(format!("{folder}/data/0"), stored())?;
        Ok(Self { zip, folder })
    }

    pub(super) fn finish(mut self, rows: u64, width: usize) -> io::Result<W> {
        let entries: [(&str, &[u8]); 3] = [
            ("data.pkl", &pickle::write(rows, width as u64)),
            ("byteorder", b"little"),
            ("version", b"3\n"),
        ];
        for (name, bytes) in entries {
            self.zip
                .start_file(format!("{}/{name}", self.folder), stored())?;
            self.zip.write_all(bytes)?;
        }
        Ok(self.zip.finish()?)
    }
}

impl<W: Write + Seek> Write for PtFile<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.zip.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.zip.flush()
    }
}

fn stored() -> SimpleFileOptions {
    // torch reads no compressed entries. The size of the values is unknown at first, and may pass
    // 4 GiB.
    SimpleFileOptions::default()
        .compression_method(CompressionMethod::Stored)
        .large_file(true)
        .with_alignment(ALIGNMENT)
}

/// The reason that an archive is not one tensor.
pub(super) enum PtError {
    Io(io::Error),
    Malformed(String),
}

/// Reads the layout of the tensor and the name of the entry with its values.
pub(super) fn open<R: Read + Seek>(
    file: R,
) -> Result<(ZipArchive<R>, TensorLayout, String), PtError> {
    let zip = |error: zip::result::ZipError| match error {
        zip::result::ZipError::Io(error) => PtError::Io(error),
        other => PtError::Malformed(other.to_string()),
    };
    let mut archive = ZipArchive::new(file).map_err(zip)?;
    let name = archive
        .file_names()
        .flatten()
        .find(|name| name.ends_with("/data.pkl"))
        .map(Cow::into_owned)
        .ok_or_else(|| PtError::Malformed("the archive has no data.pkl".to_owned()))?;
    let mut bytes = Vec::new();
    let entry = archive.by_name(&name).map_err(zip)?;
    entry
        .take(MAX_PICKLE_BYTES)
        .read_to_end(&mut bytes)
        .map_err(PtError::Io)?;
    let layout = pickle::read(&bytes).map_err(PtError::Malformed)?;
    let folder = name.strip_suffix("data.pkl").unwrap_or_default();
    let values = format!("{folder}data/{}", layout.key);
    Ok((archive, layout, values))
}
