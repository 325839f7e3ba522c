//! Atomic checkpoint files, with an error that names the file.

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use bincode::error::EncodeError;
use burn::record::{BinFileRecorder, FileRecorder, FullPrecisionSettings, Recorder, RecorderError};
use burn::tensor::backend::Backend;
use program::AtomicFile;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::TrainError;

/// burn's recorder of full-precision binary files, with atomic writes and reported failures.
///
/// burn writes checkpoints on separate threads. A failed write stops the run through the
/// `Interrupter`, as Ctrl-C does; [`failure`](Self::failure) tells the two apart. burn's recorder
/// also drops the last bytes of a file silently when the disk is full.
#[derive(Clone, Debug, Default)]
pub(crate) struct WholeFileRecorder {
    burns: BinFileRecorder<FullPrecisionSettings>,
    failure: WriteFailure,
}

/// The first file of a checkpoint that could not be written. Copies share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct WriteFailure(Arc<Mutex<Option<(PathBuf, String)>>>);

impl WriteFailure {
    fn keep(&self, path: &Path, reason: &str) {
        let mut first = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        first.get_or_insert_with(|| (path.to_owned(), reason.to_owned()));
    }

    /// An error if a file could not be written.
    pub(crate) fn check(&self) -> Result<(), TrainError> {
        match &*self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            Some((path, reason)) => Err(TrainError::Checkpoint {
                path: path.clone(),
                reason: reason.clone(),
            }),
            None => Ok(()),
        }
    }
}

impl WholeFileRecorder {
    const EXTENSION: &'static str = "bin";

    /// Write failures so far.
    pub(crate) fn failure(&self) -> WriteFailure {
        self.failure.clone()
    }

    fn write(item: &impl Serialize, file: &Path) -> Result<(), String> {
        let words = |error: io::Error| error.to_string();
        if let Some(folder) = file.parent() {
            std::fs::create_dir_all(folder).map_err(words)?;
        }
        let written = encode(item, AtomicFile::create(file).map_err(words)?)?;
        written.commit().map_err(words)
    }
}

/// Writes the encoding of burn's recorder, which reads the file, to its last byte.
fn encode<W: Write>(item: &impl Serialize, file: W) -> Result<W, String> {
    let mut writer = BufWriter::new(file);
    bincode::serde::encode_into_std_write(item, &mut writer, bincode::config::standard()).map_err(
        |error| match error {
            EncodeError::Io { inner, .. } => inner.to_string(),
            error => error.to_string(),
        },
    )?;
    writer
        .into_inner()
        .map_err(|error| error.error().to_string())
}

impl<B: Backend> FileRecorder<B> for WholeFileRecorder {
    fn file_extension() -> &'static str {
        Self::EXTENSION
    }
}

impl<B: Backend> Recorder<B> for WholeFileRecorder {
    type Settings = FullPrecisionSettings;
    type RecordArgs = PathBuf;
    type RecordOutput = ();
    type LoadArgs = PathBuf;

    fn save_item<I: Serialize>(&self, item: I, file: PathBuf) -> Result<(), RecorderError> {
        let file = file.with_extension(Self::EXTENSION);
        Self::write(&item, &file).map_err(|reason| {
            self.failure.keep(&file, &reason);
            RecorderError::Unknown(format!("cannot write {}: {reason}", file.display()))
        })
    }

    fn load_item<I: DeserializeOwned>(&self, file: &mut PathBuf) -> Result<I, RecorderError> {
        Recorder::<B>::load_item(&self.burns, file)
    }
}

#[cfg(test)]
mod tests {
    use model::backend::EncoderOps;

    use super::*;
    use crate::test_device::on_test_device;

    fn names(folder: &Path) -> Vec<std::ffi::OsString> {
        let entries = folder.read_dir().unwrap();
        entries.map(|entry| entry.unwrap().file_name()).collect()
    }

    #[test]
    fn burn_reads_the_recorded_file() {
        fn body<B: EncoderOps>(_: &B::Device) {
            let folder = tempfile::tempdir().unwrap();
            let recorder = WholeFileRecorder::default();
            let item: Vec<f32> = (0..5000).map(|value| value as f32 / 7.0).collect();
            let name = folder.path().join("optim-3");
            Recorder::<B>::save_item(&recorder, item.clone(), name.clone()).unwrap();
            recorder.failure().check().unwrap();
            assert_eq!(names(folder.path()), ["optim-3.bin"]);
            let plain = BinFileRecorder::<FullPrecisionSettings>::default();
            let read: Vec<f32> = Recorder::<B>::load_item(&plain, &mut name.clone()).unwrap();
            assert_eq!(read, item);
            let read: Vec<f32> = Recorder::<B>::load_item(&recorder, &mut name.clone()).unwrap();
            assert_eq!(read, item);
        }
        on_test_device!(body);
    }

    /// Also for a file that fits into the buffer.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_an_error() {
        for length in [1, 5000] {
            let full = std::fs::File::options()
                .write(true)
                .open("/dev/full")
                .unwrap();
            let message = encode(&vec![0.5f32; length], full).unwrap_err();
            assert!(message.contains("space"), "{message}");
        }
    }

    #[test]
    fn a_failed_write_leaves_no_file_and_is_reported() {
        fn body<B: EncoderOps>(_: &B::Device) {
            let folder = tempfile::tempdir().unwrap();
            let recorder = WholeFileRecorder::default();
            let name = folder.path().join("optim-3");
            // A folder has the name of the file.
            std::fs::create_dir_all(name.with_extension("bin").join("inside")).unwrap();
            let item = vec![0.5f32; 5000];
            Recorder::<B>::save_item(&recorder, item, name.clone()).unwrap_err();
            let message = recorder.failure().check().unwrap_err().to_string();
            assert!(message.contains("optim-3.bin"), "{message}");
            assert_eq!(names(folder.path()), ["optim-3.bin"]);
        }
        on_test_device!(body);
    }
}
