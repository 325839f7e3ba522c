//! Atomic checkpoint files, with an error that names the file.

use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use bincode::error::EncodeError;
use burn::record::{BinFileRecorder, FileRecorder, FullPrecisionSettings, Recorder, RecorderError};
use burn::tensor::backend::Backend;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::TrainError;

/// Prefix of files that are being written.
pub(super) const PARTIAL: &str = "partial-";

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
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        let partial = file.with_file_name(format!("{PARTIAL}{name}"));
        let words = |error: std::io::Error| error.to_string();
        if let Some(folder) = file.parent() {
            std::fs::create_dir_all(folder).map_err(words)?;
        }
        let mut writer = BufWriter::new(File::create(&partial).map_err(words)?);
        // The encoding of burn's recorder, which reads the file.
        bincode::serde::encode_into_std_write(item, &mut writer, bincode::config::standard())
            .map_err(|error| match error {
                EncodeError::Io { inner, .. } => words(inner),
                error => error.to_string(),
            })?;
        let written = writer.into_inner().map_err(|error| words(error.into()))?;
        written.sync_all().map_err(words)?;
        std::fs::rename(&partial, file).map_err(words)
    }
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
    fn a_full_disk_leaves_no_file_and_is_reported() {
        fn body<B: EncoderOps>(_: &B::Device) {
            let folder = tempfile::tempdir().unwrap();
            for length in [1, 5000] {
                let recorder = WholeFileRecorder::default();
                let partial = folder.path().join("partial-optim-3.bin");
                std::os::unix::fs::symlink("/dev/full", &partial).unwrap();
                let name = folder.path().join("optim-3");
                let item = vec![0.5f32; length];
                Recorder::<B>::save_item(&recorder, item, name.clone()).unwrap_err();
                let message = recorder.failure().check().unwrap_err().to_string();
                assert!(
                    message.contains("optim-3.bin") && message.contains("space"),
                    "{message}"
                );
                assert!(!name.with_extension("bin").exists());
                std::fs::remove_file(partial).unwrap();
            }
        }
        on_test_device!(body);
    }
}
