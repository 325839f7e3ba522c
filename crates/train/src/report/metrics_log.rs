//! The log of a run: one JSON line per event.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use program::atomic_file;

use super::error::ReportError;
use super::history::{Event, History, parse};

/// The growing history of a run, shared by its copies.
#[derive(Clone, Debug, Default)]
pub struct SharedHistory(Arc<Mutex<History>>);

impl SharedHistory {
    /// The events so far.
    #[must_use]
    pub fn snapshot(&self) -> History {
        // Each event is added at once, so a panic cannot leave a partial one.
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn push(&self, event: Event) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .events
            .push(event);
    }
}

/// The events of a run, in memory and in a file.
///
/// [`append`](Self::append) writes the line before it returns: it survives the end of the process, and
/// another program can follow the file.
#[derive(Debug)]
pub struct MetricsLog {
    history: SharedHistory,
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
    pub fn create(path: &Path) -> Result<Self, ReportError> {
        let file = File::create(path).map_err(ReportError::io(path))?;
        Ok(Self::new(History::default(), path, file))
    }

    /// Continues the file of a run after its first `events` events, or creates it. Removes later events, which will
    /// happen again, and an incomplete last line.
    ///
    /// # Errors
    ///
    /// The file cannot be read or written, or a line is not an event. The file is then unchanged.
    pub fn resume(path: &Path, events: usize) -> Result<Self, ReportError> {
        let content = match fs::read(path) {
            Ok(content) => content,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Self::create(path),
            Err(error) => return Err(ReportError::io(path)(error)),
        };
        let mut kept = parse(path, &content)?;
        kept.truncate(events);
        // The original lines: reading and writing numbers may change them.
        let lines: Vec<&[u8]> = kept.iter().map(|(line, _)| *line).collect();
        replace(path, &lines).map_err(ReportError::io(path))?;
        let file = OpenOptions::new()
            .append(true)
            .open(path)
            .map_err(ReportError::io(path))?;
        let events = kept.into_iter().map(|(_, event)| event).collect();
        Ok(Self::new(History { events }, path, file))
    }

    /// Keeps the events only in memory.
    #[must_use]
    pub fn in_memory() -> Self {
        Self {
            history: SharedHistory::default(),
            file: None,
        }
    }

    fn new(history: History, path: &Path, file: File) -> Self {
        Self {
            history: SharedHistory(Arc::new(Mutex::new(history))),
            file: Some(LogFile {
                path: path.to_owned(),
                file,
            }),
        }
    }

    /// The shared events, which may outlive the log.
    #[must_use]
    pub fn history(&self) -> SharedHistory {
        self.history.clone()
    }

    /// Number of events so far.
    #[must_use]
    pub fn events(&self) -> usize {
        let history = self.history.0.lock();
        history.unwrap_or_else(PoisonError::into_inner).events.len()
    }

    /// Adds an event.
    ///
    /// # Errors
    ///
    /// The line cannot be written. The history then does not have the event.
    pub fn append(&mut self, event: &Event) -> Result<(), ReportError> {
        if let Some(LogFile { path, file }) = &mut self.file {
            write_line(file, event).map_err(ReportError::io(path))?;
        }
        self.history.push(event.clone());
        Ok(())
    }
}

/// Writes a line with one call, so that readers never see a part of it.
fn write_line(file: &mut File, event: &Event) -> io::Result<()> {
    let mut line = serde_json::to_vec(event)?;
    line.push(b'\n');
    file.write_all(&line)?;
    file.flush()
}

/// Replaces a file atomically by one of these lines.
fn replace(path: &Path, lines: &[&[u8]]) -> io::Result<()> {
    let mut content = lines.join(&b'\n');
    if !lines.is_empty() {
        content.push(b'\n');
    }
    atomic_file::write(path, &content)
}

#[cfg(test)]
mod tests {
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
            log.append(event).unwrap();
        }
        (folder, path)
    }

    #[test]
    fn every_event_is_in_the_file_when_append_returns() {
        let (_folder, path) = logged(&[]);
        let mut log = MetricsLog::create(&path).unwrap();
        let shared = log.history();
        for (index, event) in run(6).iter().enumerate() {
            log.append(event).unwrap();
            let content = fs::read_to_string(&path).unwrap();
            assert!(content.ends_with('\n'));
            assert_eq!(content.lines().count(), index + 1);
            assert_eq!(shared.snapshot().events.last(), Some(event));
        }
        drop(log);
        assert_eq!(shared.snapshot().events, run(6));
        assert_eq!(History::read(&path).unwrap().evaluations().count(), 4);
    }

    #[test]
    fn a_resumed_file_is_that_of_a_run_without_a_break() {
        let (_whole_folder, whole) = logged(&run(8));
        for kept in 0..=run(8).len() {
            let (folder, path) = logged(&run(8));
            let mut log = MetricsLog::resume(&path, kept).unwrap();
            assert_eq!(log.events(), kept);
            for event in &run(8)[kept..] {
                log.append(event).unwrap();
            }
            assert_eq!(
                fs::read_to_string(&path).unwrap(),
                fs::read_to_string(&whole).unwrap(),
                "resumed after {kept}"
            );
            assert_eq!(log.events(), run(8).len());
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
        log.append(&step(4)).unwrap();
        let history = History::read(&path).unwrap();
        assert_eq!(history.events.len(), run(3).len() + 1);
        assert_eq!(history.events.last().map(Event::step), Some(4));
    }

    #[test]
    fn a_last_line_without_its_break_is_kept() {
        let (_folder, path) = logged(&run(1));
        let content = fs::read_to_string(&path).unwrap();
        fs::write(&path, content.trim_end()).unwrap();
        let mut log = MetricsLog::resume(&path, run(1).len()).unwrap();
        log.append(&step(2)).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 3);
        assert_eq!(History::read(&path).unwrap().steps().count(), 2);
    }

    #[test]
    fn a_damaged_file_is_left_as_it_is() {
        let (_folder, path) = logged(&run(1));
        let damaged = fs::read_to_string(&path).unwrap() + "no JSON\n{}\n";
        fs::write(&path, &damaged).unwrap();
        match MetricsLog::resume(&path, 1) {
            Err(ReportError::Json { line, .. }) => assert_eq!(line, 3),
            other => panic!("{other:?}"),
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), damaged);
    }

    #[test]
    fn a_missing_file_is_created() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.jsonl");
        let mut log = MetricsLog::resume(&path, 7).unwrap();
        log.append(&step(8)).unwrap();
        assert_eq!(History::read(&path).unwrap().steps().count(), 1);
    }

    #[test]
    fn a_new_run_does_not_keep_the_old_file() {
        let (_folder, path) = logged(&run(4));
        let log = MetricsLog::create(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().len(), 0);
        assert_eq!(log.history().snapshot(), History::default());
    }

    #[test]
    fn in_memory_there_is_a_history_and_no_file() {
        let mut log = MetricsLog::in_memory();
        for event in run(2) {
            log.append(&event).unwrap();
        }
        assert!(log.file.is_none());
        assert_eq!(log.history().snapshot().events, run(2));
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
                Err(ReportError::Io { path, .. }) => assert_eq!(path, missing),
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
        match log.append(&step(1)) {
            Err(ReportError::Io { path, .. }) => assert_eq!(path, full),
            other => panic!("{other:?}"),
        }
        assert_eq!(log.history().snapshot(), History::default());
    }
}
