//! Changes of an index: those of several requests become one commit, and large merges happen in the background.

use std::path::PathBuf;
use std::sync::Weak;
use std::sync::mpsc::SyncSender;

use search::index::{
    Change, IndexError, IndexWriter, Merge, MergedSegment, ModelFingerprint, Settings,
};

use super::{Changed, Changes, Message, Request, Target, changed_meanwhile};
use crate::problem::{Kind, Problem};

/// Rows that a commit may rewrite to join small segments: that takes less than its syncs to the disk, and many commits of
/// a row each leave few segments.
const JOINED_ROWS: u64 = 512;

/// Changes an index. It is locked only while changes are written, so that other programs can change it too.
pub(crate) struct IndexChanges<C> {
    folder: PathBuf,
    /// The model of the documents' vectors.
    model: ModelFingerprint,
    /// Called after every commit, before requests are answered.
    committed: C,
    /// Where a merge in the background says that it has ended.
    merges: Weak<SyncSender<Message>>,
    /// The segments of the one that runs, or waits for its place.
    running: Vec<String>,
    /// One that has ended while another program changed the index.
    merged: Option<MergedSegment>,
}

impl<C: Fn() + Send + 'static> IndexChanges<C> {
    pub(crate) fn new(
        folder: PathBuf,
        model: ModelFingerprint,
        committed: C,
        merges: Weak<SyncSender<Message>>,
    ) -> Self {
        Self {
            folder,
            model,
            committed,
            merges,
            running: Vec::new(),
            merged: None,
        }
    }

    /// # Errors
    ///
    /// When the index was rebuilt for another model: its vectors cannot be compared with those of the requests.
    fn check_model(&self, settings: &Settings) -> Result<(), Problem> {
        settings.model.check(&self.model).map_err(|error| {
            let message =
                format!("the index was rebuilt for another model: restart the service: {error}");
            Problem::new(Kind::Conflict, message)
        })
    }

    /// Begins a merge, if none runs.
    fn start(&mut self, merge: Merge) {
        if !self.running.is_empty() {
            return;
        }
        let segments = merge.segments();
        let merges = Weak::clone(&self.merges);
        let thread = std::thread::Builder::new().name("merge".to_owned());
        let started = thread.spawn(move || {
            // What fails is left for a later commit.
            let merged = guard::caught(|| merge.write()).ok().and_then(Result::ok);
            if let Some(sender) = merges.upgrade() {
                let _ = sender.send(Message::Merged(merged));
            }
        });
        if started.is_ok() {
            self.running = segments;
        }
    }
}

impl<C: Fn() + Send + 'static> Target for IndexChanges<C> {
    fn write(&mut self, messages: Vec<Message>) {
        let mut requests = Vec::new();
        for message in messages {
            match message {
                Message::Change(request) if request.is_wanted() => requests.push(request),
                Message::Change(_) => {}
                Message::Merged(Some(segment)) => self.merged = Some(segment),
                // A merge that fails again and again is tried once for each commit.
                Message::Merged(None) => self.running.clear(),
            }
        }
        if requests.is_empty() && self.merged.is_none() {
            return;
        }
        let opened = IndexWriter::open(&self.folder);
        let merged = match &opened {
            // It waits for the next message.
            Err(IndexError::Locked { .. }) => None,
            _ => self.merged.take(),
        };
        if merged.is_some() {
            self.running.clear();
        }
        let mut writer = match opened {
            Ok(writer) => writer,
            Err(error) => return fail(requests, &Problem::from(error)),
        };
        if let Err(problem) = self.check_model(writer.settings()) {
            return fail(requests, &problem);
        }
        // One that has no place any more, or cannot be moved there, is dropped.
        let installed = merged.is_some_and(|segment| writer.install(segment).unwrap_or(false));
        if requests.is_empty() && !installed {
            return;
        }
        let mut done = Vec::with_capacity(requests.len());
        for Request { changes, sender } in requests {
            // A request whose changes do not fit changes nothing, unless the disk fails.
            match checked(&mut writer, &changes).and_then(|()| apply(&mut writer, changes)) {
                Ok(changed) => done.push((changed, sender)),
                Err(problem) => {
                    let _ = sender.send(Err(problem));
                }
            }
        }
        let mut left = None;
        let result: Result<u64, Problem> = match writer.commit_joining(JOINED_ROWS, &self.running) {
            Ok((committed, merge)) => {
                drop(writer);
                (self.committed)();
                left = merge;
                Ok(committed.rows)
            }
            Err(error) => Err(error.into()),
        };
        for (changed, sender) in done {
            let rows = result.clone().map(Some);
            let _ = sender.send(rows.map(|rows| Changed { rows, ..changed }));
        }
        if let Some(merge) = left {
            self.start(merge);
        }
    }
}

fn fail(requests: Vec<Request>, problem: &Problem) {
    for request in requests {
        // A closed connection wants no answer.
        let _ = request.sender.send(Err(problem.clone()));
    }
}

/// Fails before anything is changed where the columns are others, or a document needs a vector that it has not.
fn checked(writer: &mut IndexWriter, changes: &Changes) -> Result<(), Problem> {
    if !writer.settings().holds_like(&changes.settings) {
        let message = "the index was rebuilt meanwhile: send the request again";
        return Err(Problem::new(Kind::Conflict, message));
    }
    for (document, vector) in &changes.documents {
        document.check(writer.settings())?;
        if vector.is_none() && writer.needed(document)? == Change::New {
            return Err(changed_meanwhile(&document.id));
        }
    }
    Ok(())
}

fn apply(writer: &mut IndexWriter, changes: Changes) -> Result<Changed, Problem> {
    let mut changed = Changed::default();
    for (document, vector) in changes.documents {
        if writer.needed(&document)? == Change::Unchanged {
            changed.unchanged += 1;
            continue;
        }
        writer.add(&document, vector.as_deref())?;
        changed.written += 1;
    }
    for id in changes.remove {
        changed.removed += usize::from(writer.remove(&id)?);
    }
    Ok(changed)
}

#[cfg(test)]
mod tests;
