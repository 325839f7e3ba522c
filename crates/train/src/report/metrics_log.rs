//! The log of a run: one JSON line per event.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::history::{Event, History};
use crate::error::TrainError;

/// The events of a run, in memory and in a file.
///
/// [`append`](Self::append) writes the line before it returns: it survives the end of the process, and
/// another program can follow the file.
#[derive(Debug)]
pub(crate) struct MetricsLog {
    history: History,
    file: Option<LogFile>,
}

#[derive(Debug)]
struct LogFile {
    path: PathBuf,
    file: File,
}

impl MetricsLog {
    /// Creates or truncates the file.
    ///
    /// # Errors
    ///
    /// The file cannot be created.
    pub(crate) fn create(path: &Path) -> Result<Self, TrainError> {
        let file = File::create(path).map_err(TrainError::io(path))?;
        Ok(Self::new(History::default(), path, file))
    }

    /// Continues the file of a run after its first `events` events, or creates it. Removes later events, which will
    /// happen again, and an incomplete last line.
    ///
    /// # Errors
    ///
    /// The file cannot be read or written, or a line is not an event. The file is then unchanged.
    pub(crate) fn resume(path: &Path, events: usize) -> Result<Self, TrainError> {
        let mut options = OpenOptions::new();
        let options = options.read(true).write(true).create(true).truncate(false);
        let mut file = options.open(path).map_err(TrainError::io(path))?;
        let (history, kept, ended) = read(path, &file, events)?;
        file.set_len(kept)
            .and_then(|()| file.seek(SeekFrom::End(0)))
            .and_then(|_| file.write_all(if ended { b"" } else { b"\n" }))
            .map_err(TrainError::io(path))?;
        Ok(Self::new(history, path, file))
    }

    /// Keeps the events only in memory.
    #[must_use]
    pub(crate) fn in_memory() -> Self {
        Self {
            history: History::default(),
            file: None,
        }
    }

    fn new(history: History, path: &Path, file: File) -> Self {
        Self {
            history,
            file: Some(LogFile {
                path: path.to_owned(),
                file,
            }),
        }
    }

    /// The events so far.
    #[must_use]
    pub(crate) fn history(&self) -> &History {
        &self.history
    }

    /// Ends the log.
    #[must_use]
    pub(crate) fn into_history(self) -> History {
        self.history
    }

    /// Adds an event.
    ///
    /// # Errors
    ///
    /// The line cannot be written. The history then does not have the event.
    pub(crate) fn append(&mut self, event: Event) -> Result<(), TrainError> {
        if let Some(LogFile { path, file }) = &mut self.file {
            write_line(file, &event).map_err(TrainError::io(&*path))?;
        }
        self.history.events.push(event);
        Ok(())
    }
}

/// The first `events` events of a log, the length of their lines, and whether the last has its line break. Skips empty
/// lines, and a last line that was cut off.
fn read(path: &Path, file: &File, events: usize) -> Result<(History, u64, bool), TrainError> {
    let mut reader = BufReader::new(file);
    let mut history = History::default();
    let (mut line, mut number, mut kept, mut read) = (Vec::new(), 0, 0, 0);
    let mut ended = true;
    while history.events.len() < events {
        line.clear();
        let length = reader
            .read_until(b'\n', &mut line)
            .map_err(TrainError::io(path))?;
        if length == 0 {
            break;
        }
        number += 1;
        read += length as u64;
        if line.trim_ascii().is_empty() {
            continue;
        }
        match serde_json::from_slice(line.trim_ascii_end()) {
            Ok(event) => {
                history.events.push(event);
                kept = read;
                ended = line.ends_with(b"\n");
            }
            // Complete JSON that is not an event was not cut off: another program wrote it.
            Err(source) if !line.ends_with(b"\n") && !source.is_data() => break,
            Err(source) => {
                return Err(TrainError::Log {
                    path: path.to_owned(),
                    line: number,
                    source,
                });
            }
        }
    }
    Ok((history, kept, ended))
}

/// Writes a line with one call, so that readers never see a part of it.
fn write_line(file: &mut File, event: &Event) -> io::Result<()> {
    let mut line = serde_json::to_vec(event)?;
    line.push(b'\n');
    file.write_all(&line)?;
    file.flush()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::TempDir;

    use super::super::history::{EvaluationRecord, StepRecord};
    use super::*;

    fn step(step: usize) -> Event {
        Event::Step(StepRecord {
            step,
            epoch: step as f64 / 8.0,
            // No short decimal number, so that a rewritten one could differ.
            loss: 1.0 / (step as f64 + 2.0),
            learning_rate: 2e-5,
            gradient_norm: 1.5,
            texts: 64,
            tokens: 4096,
            seconds: 0.75,
            peak_memory_bytes: None,
        })
    }

    fn evaluation(step: usize) -> Event {
        Event::Evaluation(EvaluationRecord {
            step,
            epoch: step as f64 / 8.0,
            primary: "ndcg@10".to_owned(),
            scores: vec![("ndcg@10".to_owned(), 0.5)],
            loss: None,
            seconds: 3.0,
        })
    }

    fn note(step: usize) -> Event {
        Event::Note {
            step,
            text: format!("after step {step}"),
        }
    }

    /// A validation before the first step and after each second one, and a note after each third.
    fn run(steps: usize) -> Vec<Event> {
        let mut events = vec![evaluation(0)];
        for number in 1..=steps {
            events.push(step(number));
            if number % 3 == 0 {
                events.push(note(number));
            }
            if number % 2 == 0 {
                events.push(evaluation(number));
            }
        }
        events
    }

    fn logged(events: &[Event]) -> (TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.jsonl");
        let mut log = MetricsLog::create(&path).unwrap();
        for event in events {
            log.append(event.clone()).unwrap();
        }
        (folder, path)
    }

    fn logged_in(path: &Path) -> History {
        MetricsLog::resume(path, usize::MAX).unwrap().into_history()
    }

    #[test]
    fn every_event_is_in_the_file_when_append_returns() {
        let (_folder, path) = logged(&[]);
        let mut log = MetricsLog::create(&path).unwrap();
        for (index, event) in run(6).iter().enumerate() {
            log.append(event.clone()).unwrap();
            let content = fs::read_to_string(&path).unwrap();
            assert!(content.ends_with('\n'));
            assert_eq!(content.lines().count(), index + 1);
            assert_eq!(log.history().events.last(), Some(event));
        }
        assert_eq!(log.into_history().events, run(6));
        assert_eq!(logged_in(&path).evaluations().count(), 4);
    }

    #[test]
    fn a_resumed_file_is_that_of_a_run_without_a_break() {
        let (_whole_folder, whole) = logged(&run(8));
        for kept in 0..=run(8).len() {
            let (folder, path) = logged(&run(8));
            let mut log = MetricsLog::resume(&path, kept).unwrap();
            assert_eq!(log.history().events, run(8)[..kept]);
            for event in &run(8)[kept..] {
                log.append(event.clone()).unwrap();
            }
            assert_eq!(
                fs::read_to_string(&path).unwrap(),
                fs::read_to_string(&whole).unwrap(),
                "resumed after {kept}"
            );
            assert_eq!(log.into_history().events, run(8));
            // No temporary file stays behind.
            assert_eq!(folder.path().read_dir().unwrap().count(), 1);
        }
    }

    #[test]
    fn a_line_that_was_cut_off_does_not_touch_the_next() {
        let (_folder, path) = logged(&run(3));
        let mut file = OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(b"{\"event\":\"step\",\"st").unwrap();
        let mut log = MetricsLog::resume(&path, run(3).len()).unwrap();
        log.append(step(4)).unwrap();
        let history = logged_in(&path);
        assert_eq!(history.events.len(), run(3).len() + 1);
        assert_eq!(history.events.last().map(Event::step), Some(4));
    }

    #[test]
    fn a_last_line_without_its_break_is_kept() {
        let (_folder, path) = logged(&run(1));
        let content = fs::read_to_string(&path).unwrap();
        fs::write(&path, content.trim_end()).unwrap();
        let mut log = MetricsLog::resume(&path, run(1).len()).unwrap();
        log.append(step(2)).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 3);
        assert_eq!(logged_in(&path).steps().count(), 2);
    }

    #[test]
    fn a_damaged_file_is_left_as_it_is() {
        let (_folder, path) = logged(&run(1));
        let damaged = fs::read_to_string(&path).unwrap() + "no JSON\n{}\n";
        fs::write(&path, &damaged).unwrap();
        match MetricsLog::resume(&path, 3) {
            Err(TrainError::Log { line, .. }) => assert_eq!(line, 3),
            other => panic!("{other:?}"),
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), damaged);
    }

    #[test]
    fn a_missing_file_is_created() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.jsonl");
        let mut log = MetricsLog::resume(&path, 7).unwrap();
        log.append(step(8)).unwrap();
        assert_eq!(logged_in(&path).steps().count(), 1);
    }

    #[test]
    fn a_new_run_does_not_keep_the_old_file() {
        let (_folder, path) = logged(&run(4));
        let log = MetricsLog::create(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().len(), 0);
        assert_eq!(*log.history(), History::default());
    }

    #[test]
    fn in_memory_there_is_a_history_and_no_file() {
        let mut log = MetricsLog::in_memory();
        for event in run(2) {
            log.append(event).unwrap();
        }
        assert!(log.file.is_none());
        assert_eq!(log.history().events, run(2));
    }

    #[test]
    fn a_folder_that_is_missing_is_an_error_with_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("no/metrics.jsonl");
        for result in [
            MetricsLog::create(&missing),
            MetricsLog::resume(&missing, 1),
        ] {
            match result {
                Err(TrainError::Io { path, .. }) => assert_eq!(path, missing),
                other => panic!("{other:?}"),
            }
        }
    }

    #[cfg(unix)]
    #[test]
    fn who_may_read_the_file_stays() {
        use std::os::unix::fs::PermissionsExt;

        let (_folder, path) = logged(&run(2));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        MetricsLog::resume(&path, 1).unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o644);
    }

    /// A full disk, where the system has the device that is always full.
    #[cfg(target_os = "linux")]
    #[test]
    fn what_could_not_be_written_is_not_in_the_history() {
        let full = Path::new("/dev/full");
        let Ok(mut log) = MetricsLog::create(full) else {
            return;
        };
        match log.append(step(1)) {
            Err(TrainError::Io { path, .. }) => assert_eq!(path, full),
            other => panic!("{other:?}"),
        }
        assert_eq!(*log.history(), History::default());
    }
}
