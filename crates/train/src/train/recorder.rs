//! Atomic checkpoint files, with an error that names the file.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use bincode::config::standard;
use bincode::error::EncodeError;
use bincode::serde::decode_from_std_read;
use burn::record::{FileRecorder, FullPrecisionSettings, Recorder, RecorderError};
use burn::tensor::backend::Backend;
use burn::train::checkpoint::{CheckpointingAction, CheckpointingStrategy};
use burn::train::metric::store::EventStoreClient;
use program::AtomicFile;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::checkpoint::part_of;
use crate::error::TrainError;

/// Writes the files of burn's learner into a folder per checkpoint, which it renames when the last file is complete.
///
/// burn writes checkpoints on separate threads. A failed write stops the run through the
/// `Interrupter`, as Ctrl-C does; [`CheckpointWriter`] tells the two apart. burn's recorder
/// also drops the last bytes of a file silently when the disk is full, and takes lengths of damaged files for granted.
#[derive(Clone, Debug, Default)]
pub(crate) struct CheckpointRecorder {
    writer: CheckpointWriter,
}

/// The state of the writes, which the training loop asks for. Copies share it. The last lock is held while a file gets its
/// name, which waits for the disk.
#[derive(Clone, Debug, Default)]
pub(crate) struct CheckpointWriter(Arc<(Mutex<Writes>, Condvar, Mutex<()>)>);

#[derive(Debug, Default)]
struct Writes {
    /// The first file that could not be written.
    failure: Option<(PathBuf, String)>,
    /// Whether a checkpoint has begun and is not complete.
    pending: bool,
    /// Whether a checkpoint was completed since [`CheckpointWriter::completed`] was asked.
    completed: bool,
}

impl CheckpointWriter {
    /// An error if a file could not be written.
    pub(crate) fn check(&self) -> Result<(), TrainError> {
        match &self.writes().failure {
            Some((path, reason)) => Err(TrainError::Checkpoint {
                path: path.clone(),
                reason: reason.clone(),
            }),
            None => Ok(()),
        }
    }

    /// Begins a checkpoint, when the one before is complete: two of the same step share a folder until then.
    ///
    /// # Errors
    ///
    /// A file could not be written.
    pub(crate) fn begin(&self) -> Result<(), TrainError> {
        let waits = |writes: &mut Writes| writes.pending && writes.failure.is_none();
        let mut writes = self
            .0
            .1
            .wait_while(self.writes(), waits)
            .unwrap_or_else(PoisonError::into_inner);
        writes.pending = true;
        drop(writes);
        self.check()
    }

    /// Whether a checkpoint was completed since the last call.
    pub(crate) fn completed(&self) -> bool {
        std::mem::take(&mut self.writes().completed)
    }

    fn writes(&self) -> MutexGuard<'_, Writes> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fail(&self, failure: (PathBuf, String)) {
        self.writes().failure.get_or_insert(failure);
        self.0.1.notify_all();
    }
}

impl CheckpointRecorder {
    const EXTENSION: &'static str = "bin";

    /// The state of the writes.
    pub(crate) fn writer(&self) -> CheckpointWriter {
        self.writer.clone()
    }

    /// Writes a file of a checkpoint, and completes the checkpoint if it is the last one.
    fn write(&self, item: &impl Serialize, file: &Path) -> Result<(), (PathBuf, String)> {
        let Some((folder, step, path)) = part_of(file, false) else {
            return Err((file.to_owned(), "not a file of a checkpoint".to_owned()));
        };
        let failed = |reason: String| (path.clone(), reason);
        let words = |error: io::Error| failed(error.to_string());
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).map_err(words)?;
        }
        let written = AtomicFile::create(&path).map_err(words)?;
        let written = encode(item, written).map_err(failed)?;
        // Only one thread completes it, and never while another one syncs its file in the folder, which is renamed.
        let naming = self.writer.0.2.lock();
        let naming = naming.unwrap_or_else(PoisonError::into_inner);
        written.commit().map_err(words)?;
        let is_complete = folder.commit(step).map_err(words)?;
        drop(naming);
        if is_complete {
            let mut writes = self.writer.writes();
            writes.completed = true;
            writes.pending = false;
            self.writer.0.1.notify_all();
        }
        Ok(())
    }
}

/// Writes the encoding of burn's recorder to its last byte.
fn encode<W: Write>(item: &impl Serialize, file: W) -> Result<W, String> {
    let mut writer = BufWriter::new(file);
    bincode::serde::encode_into_std_write(item, &mut writer, standard()).map_err(|error| {
        match error {
            EncodeError::Io { inner, .. } => inner.to_string(),
            error => error.to_string(),
        }
    })?;
    writer
        .into_inner()
        .map_err(|error| error.error().to_string())
}

/// Reads what [`encode`] wrote. A damaged length must not reserve memory without end: a file of up to 64 MiB may reserve
/// 1 GiB, any other 1 TiB. (bincode's limit is a constant, and counts up to eight bytes for each byte of the file.)
fn decode<I: DeserializeOwned>(path: &Path) -> Result<I, String> {
    const SMALL_FILE: u64 = 64 << 20;
    const SMALL_LIMIT: usize = 1 << 30;
    const LARGE_LIMIT: usize = 1 << 40;
    let file = File::open(path).map_err(|error| error.to_string())?;
    let bytes = file.metadata().map_err(|error| error.to_string())?.len();
    let mut reader = BufReader::new(file);
    if bytes <= SMALL_FILE {
        decode_from_std_read(&mut reader, standard().with_limit::<SMALL_LIMIT>())
    } else {
        decode_from_std_read(&mut reader, standard().with_limit::<LARGE_LIMIT>())
    }
    .map_err(|error| error.to_string())
}

impl<B: Backend> FileRecorder<B> for CheckpointRecorder {
    fn file_extension() -> &'static str {
        Self::EXTENSION
    }
}

impl<B: Backend> Recorder<B> for CheckpointRecorder {
    type Settings = FullPrecisionSettings;
    type RecordArgs = PathBuf;
    type RecordOutput = ();
    type LoadArgs = PathBuf;

    fn save_item<I: Serialize>(&self, item: I, file: PathBuf) -> Result<(), RecorderError> {
        self.write(&item, &file).map_err(|failure| {
            let (path, reason) = failure.clone();
            self.writer.fail(failure);
            RecorderError::Unknown(format!("cannot write {}: {reason}", path.display()))
        })
    }

    fn load_item<I: DeserializeOwned>(&self, file: &mut PathBuf) -> Result<I, RecorderError> {
        let path = part_of(file, true).map_or_else(|| file.clone(), |(_, _, path)| path);
        decode(&path)
            .map_err(|reason| RecorderError::Unknown(format!("{}: {reason}", path.display())))
    }
}

/// Saves whenever the training loop requests it.
pub(crate) struct SaveOnRequest;

impl CheckpointingStrategy for SaveOnRequest {
    fn checkpointing(&mut self, _: usize, _: &EventStoreClient) -> Vec<CheckpointingAction> {
        vec![CheckpointingAction::Save]
    }
}

#[cfg(test)]
mod tests {
    use model::backend::EncoderOps;

    use super::super::checkpoint::{CheckpointFolder, Position};
    use super::*;
    use crate::test_device::on_test_device;

    #[test]
    fn the_last_file_completes_a_checkpoint_and_all_files_come_back() {
        fn body<B: EncoderOps>(_: &B::Device) {
            let run = tempfile::tempdir().unwrap();
            let folder = CheckpointFolder::of_run(run.path());
            let recorder = CheckpointRecorder::default();
            let position = Position {
                step: 3,
                ..Position::default()
            };
            recorder.writer().begin().unwrap();
            folder.write_position(&position).unwrap();
            let item: Vec<f32> = (0..5000).map(|value| value as f32 / 7.0).collect();
            for part in ["model", "optim", "scheduler"] {
                assert_eq!(folder.latest().unwrap(), None, "before {part}");
                let file = folder.path().join(format!("{part}-3"));
                Recorder::<B>::save_item(&recorder, item.clone(), file).unwrap();
            }
            recorder.writer().check().unwrap();
            assert!(recorder.writer().completed() && !recorder.writer().completed());
            // The next one may begin.
            recorder.writer().begin().unwrap();
            assert_eq!(folder.latest().unwrap(), Some(position));
            let mut file = folder.path().join("optim-3");
            let read: Vec<f32> = Recorder::<B>::load_item(&recorder, &mut file).unwrap();
            assert_eq!(read, item);
        }
        on_test_device!(body);
    }

    /// burn writes the files of a checkpoint at once, each on its own thread.
    #[test]
    fn files_that_are_written_at_once_make_a_checkpoint() {
        fn body<B: EncoderOps>(_: &B::Device) {
            let run = tempfile::tempdir().unwrap();
            let folder = CheckpointFolder::of_run(run.path());
            let recorder = CheckpointRecorder::default();
            for step in 1..=100 {
                recorder.writer().begin().unwrap();
                let position = Position {
                    step,
                    ..Position::default()
                };
                folder.write_position(&position).unwrap();
                std::thread::scope(|scope| {
                    for part in ["model", "optim", "scheduler"] {
                        let file = folder.path().join(format!("{part}-{step}"));
                        let recorder = recorder.clone();
                        scope.spawn(move || {
                            Recorder::<B>::save_item(&recorder, vec![0.5f32; 9], file).unwrap()
                        });
                    }
                });
                assert!(recorder.writer().completed(), "step {step}");
                assert_eq!(folder.latest().unwrap(), Some(position));
                folder.prune(None);
            }
        }
        on_test_device!(body);
    }

    /// Also for a file that fits into the buffer.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_an_error() {
        for length in [1, 5000] {
            let full = File::options().write(true).open("/dev/full").unwrap();
            let message = encode(&vec![0.5f32; length], full).unwrap_err();
            assert!(message.contains("space"), "{message}");
        }
    }

    #[test]
    fn a_failed_write_completes_nothing_and_is_reported() {
        fn body<B: EncoderOps>(_: &B::Device) {
            let run = tempfile::tempdir().unwrap();
            let folder = CheckpointFolder::of_run(run.path());
            let recorder = CheckpointRecorder::default();
            // A folder has the name of the file.
            let name = folder.path().join(".new/3/optim.bin/inside");
            std::fs::create_dir_all(name).unwrap();
            let file = folder.path().join("optim-3");
            Recorder::<B>::save_item(&recorder, vec![0.5f32; 5000], file).unwrap_err();
            let message = recorder.writer().check().unwrap_err().to_string();
            assert!(message.contains("optim.bin"), "{message}");
            assert!(!recorder.writer().completed());
            // Nobody waits for it.
            recorder.writer().begin().unwrap_err();
            recorder.writer().begin().unwrap_err();
        }
        on_test_device!(body);
    }

    /// A length of 2^62 values: without the limit the process would ask for as much memory, and abort.
    #[test]
    fn a_damaged_length_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("optim.bin");
        let mut bytes = vec![253];
        bytes.extend((1_u64 << 62).to_le_bytes());
        std::fs::write(&path, bytes).unwrap();
        // Values are read one by one, bytes at once.
        decode::<Vec<u64>>(&path).unwrap_err();
        let message = decode::<String>(&path).unwrap_err();
        assert!(message.to_lowercase().contains("limit"), "{message}");
    }
}
