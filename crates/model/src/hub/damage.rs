//! Files that end too early, where their format tells.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use safetensors::tensor::Metadata;
use serde::de::IgnoredAny;
use zip::ZipArchive;

use crate::boxed_error::BoxedError;

/// A file of a cache that is of no use.
#[derive(Debug, thiserror::Error)]
#[error("{}: {reason}; delete this file, then the model is fetched again", path.display())]
pub(super) struct Damaged {
    pub path: PathBuf,
    pub reason: BoxedError,
}

/// Checks that a file does not end too early. A missing file is whole.
pub(super) fn check_whole(path: &Path) -> Result<(), Damaged> {
    if !path.is_file() {
        return Ok(());
    }
    let checked = match path.extension().and_then(|extension| extension.to_str()) {
        Some("json") => check_json(path),
        Some("safetensors") => check_safetensors(path),
        Some("bin") => check_zip(path),
        _ => Ok(()),
    };
    checked.map_err(|reason| Damaged {
        // The content: to delete a link to it would not help.
        path: path.canonicalize().unwrap_or_else(|_| path.to_owned()),
        reason,
    })
}

fn check_json(path: &Path) -> Result<(), BoxedError> {
    let bytes = std::fs::read(path)?;
    let parsed = serde_json::from_slice::<IgnoredAny>(&bytes);
    parsed.map_err(|error| format!("it is no JSON: {error}"))?;
    Ok(())
}

fn check_safetensors(path: &Path) -> Result<(), BoxedError> {
    let mut file = File::open(path)?;
    let size = file.metadata()?.len();
    let mut length = [0; 8];
    file.read_exact(&mut length)
        .map_err(|_| format!("it has only {size} bytes"))?;
    let length = u64::from_le_bytes(length);
    let mut header = Vec::new();
    file.take(length.min(size)).read_to_end(&mut header)?;
    // What else may be wrong is reported when the model is loaded.
    let data =
        serde_json::from_slice::<Metadata>(&header).map_or(0, |header| header.data_len() as u64);
    let expected = length.saturating_add(8).saturating_add(data);
    if size < expected {
        return Err(format!("it has {size} of at least {expected} bytes").into());
    }
    Ok(())
}

fn check_zip(path: &Path) -> Result<(), BoxedError> {
    let mut file = File::open(path)?;
    let mut start = [0; 4];
    // The form before PyTorch 1.6 is no zip file.
    if file.read_exact(&mut start).is_ok() && start == *b"PK\x03\x04" {
        ZipArchive::new(BufReader::new(file)).map_err(|_| "it ends before its list of contents")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_was_cut_anywhere_is_damaged() {
        let fixture = Path::new("tests/fixtures/tiny-mpnet");
        let folder = tempfile::tempdir().unwrap();
        for name in ["model.safetensors", "tokenizer.json", "config.json"] {
            let whole = std::fs::read(fixture.join(name)).unwrap();
            let path = folder.path().join(name);
            std::fs::write(&path, &whole).unwrap();
            check_whole(&path).unwrap();
            // A final line break is no loss.
            for length in [0, 1, 7, 8, 9, whole.len() / 2, whole.len() - 2] {
                std::fs::write(&path, &whole[..length]).unwrap();
                let message = check_whole(&path).unwrap_err().to_string();
                assert!(message.contains(name), "{message}");
                assert!(message.contains("delete this file"), "{message}");
            }
        }
        assert!(check_whole(&folder.path().join("none.json")).is_ok());
    }

    #[test]
    fn a_cut_zip_file_is_damaged_and_an_older_form_is_not() {
        use std::io::Write;
        let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        let options = zip::write::SimpleFileOptions::default();
        writer.start_file("archive/data.pkl", options).unwrap();
        writer.write_all(b"content").unwrap();
        let whole = writer.finish().unwrap().into_inner();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pytorch_model.bin");
        std::fs::write(&path, &whole).unwrap();
        check_whole(&path).unwrap();
        std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
        assert!(check_whole(&path).is_err());
        std::fs::write(&path, b"\x80\x02older").unwrap();
        check_whole(&path).unwrap();
    }
}
