//! The writer of an index: changes of several requests become one commit.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, TrySendError};
use std::time::Duration;

use search::index::{Change, Document, IndexWriter};
use tokio::sync::oneshot;

use crate::problem::{Kind, Problem};

/// Requests that wait for the next commit; more are refused.
const WAITING: usize = 1024;

/// Changes of a request.
pub(crate) struct Changes {
    /// Documents with their vectors; those without have the texts that the index has.
    pub(crate) documents: Vec<(Document, Option<Vec<f32>>)>,
    /// Ids to remove.
    pub(crate) remove: Vec<String>,
}

/// What a request changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Changed {
    pub(crate) written: usize,
    pub(crate) unchanged: usize,
    pub(crate) removed: usize,
    /// Rows of the index.
    pub(crate) rows: u64,
}

type Request = (Changes, oneshot::Sender<Result<Changed, Problem>>);

/// A handle of the writer's thread. The index is locked only while changes are written, so that other programs can
/// change it too.
pub(crate) struct Writer {
    sender: mpsc::SyncSender<Request>,
}

impl Writer {
    /// Starts the thread. `committed` is called after every commit, before requests are answered.
    ///
    /// # Errors
    ///
    /// When the thread cannot be started.
    pub(crate) fn start(
        folder: PathBuf,
        committed: impl Fn() + Send + 'static,
    ) -> std::io::Result<Arc<Self>> {
        let (sender, receiver) = mpsc::sync_channel::<Request>(WAITING);
        let thread = std::thread::Builder::new().name("writer".to_owned());
        thread.spawn(move || {
            while let Ok(first) = receiver.recv() {
                let requests = std::iter::once(first).chain(receiver.try_iter()).collect();
                // A panic costs these requests, whose senders are gone then.
                let _ = guard::caught(|| write(&folder, requests, &committed));
            }
        })?;
        Ok(Arc::new(Self { sender }))
    }

    /// Makes changes, and waits until they are on disk.
    ///
    /// # Errors
    ///
    /// When a change does not fit the index, another program changes it, or it cannot be written.
    pub(crate) async fn change(&self, changes: Changes) -> Result<Changed, Problem> {
        let (sender, receiver) = oneshot::channel();
        let failed = || Problem::new(Kind::Backend, "the change failed; the service goes on");
        match self.sender.try_send((changes, sender)) {
            Ok(()) => receiver.await.unwrap_or_else(|_| Err(failed())),
            Err(TrySendError::Full(_)) => {
                let wait = Kind::Overloaded(Duration::from_secs(1));
                Err(Problem::new(wait, "too many changes wait already"))
            }
            Err(TrySendError::Disconnected(_)) => Err(failed()),
        }
    }
}

/// Writes the changes of requests, and answers them.
fn write(folder: &Path, requests: Vec<Request>, committed: &impl Fn()) {
    let mut writer = match IndexWriter::open(folder) {
        Ok(writer) => writer,
        Err(error) => {
            let problem = Problem::from(error);
            for (_, sender) in requests {
                let _ = sender.send(Err(problem.clone()));
            }
            return;
        }
    };
    let mut done = Vec::with_capacity(requests.len());
    for (changes, sender) in requests {
        // A request whose changes do not fit changes nothing, unless the disk fails.
        match checked(&mut writer, &changes).and_then(|()| apply(&mut writer, changes)) {
            Ok(changed) => done.push((changed, sender)),
            Err(problem) => {
                let _ = sender.send(Err(problem));
            }
        }
    }
    let result: Result<u64, Problem> = match writer.commit() {
        Ok(result) => {
            drop(writer);
            committed();
            Ok(result.rows)
        }
        Err(error) => Err(error.into()),
    };
    for (changed, sender) in done {
        let _ = sender.send(result.clone().map(|rows| Changed { rows, ..changed }));
    }
}

/// Fails before anything is changed where a document needs a vector that it has not.
fn checked(writer: &mut IndexWriter, changes: &Changes) -> Result<(), Problem> {
    for (document, vector) in &changes.documents {
        document.check(writer.settings())?;
        if vector.is_none() && writer.needed(document)? == Change::New {
            let message = format!(
                "document {:?} was changed meanwhile: send it again",
                document.id
            );
            return Err(Problem::new(Kind::Conflict, message));
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
