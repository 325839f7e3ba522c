//! The writer: the one thread that changes the products.

mod index;
mod store;

use std::sync::mpsc::{self, SyncSender, TrySendError};
use std::sync::{Arc, Weak};
use std::time::Duration;

use search::index::{Document, MergedSegment, Settings};
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use crate::problem::{Kind, Problem};
pub(crate) use index::IndexChanges;
pub(crate) use store::StoreChanges;

/// Requests that wait for the next commit; more are refused.
const WAITING: usize = 1024;

/// Changes of a request.
pub(crate) struct Changes {
    /// Documents with their vectors; those without have the texts that are there already.
    pub(crate) documents: Vec<(Document, Option<Vec<f32>>)>,
    /// Ids to remove.
    pub(crate) remove: Vec<String>,
    /// The settings of the products by which the documents were read.
    pub(crate) settings: Settings,
    /// Their room in memory.
    pub(crate) room: Option<OwnedSemaphorePermit>,
}

/// What a request changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Changed {
    pub(crate) written: usize,
    pub(crate) unchanged: usize,
    pub(crate) removed: usize,
    /// Rows that there are then; a store does not count them.
    pub(crate) rows: Option<u64>,
}

/// A request that waits.
pub(crate) struct Request {
    changes: Changes,
    sender: oneshot::Sender<Result<Changed, Problem>>,
}

impl Request {
    /// Whether somebody waits for the answer; else the change is not made.
    fn is_wanted(&self) -> bool {
        !self.sender.is_closed()
    }
}

/// What the thread gets.
pub(crate) enum Message {
    Change(Request),
    /// A merge in the background has ended; `None` if it failed.
    Merged(Option<MergedSegment>),
}

/// Where changes go.
pub(crate) trait Target: Send + 'static {
    /// Makes the changes of all requests, and answers them.
    fn write(&mut self, messages: Vec<Message>);
}

/// A handle of the writer's thread.
pub(crate) struct Writer {
    sender: Arc<SyncSender<Message>>,
}

impl Writer {
    /// Starts the thread. The target may send messages too, as long as the writer is there.
    ///
    /// # Errors
    ///
    /// When the thread cannot be started.
    pub(crate) fn start<T: Target>(
        target: impl FnOnce(Weak<SyncSender<Message>>) -> T,
    ) -> std::io::Result<Self> {
        let (sender, receiver) = mpsc::sync_channel(WAITING);
        let sender = Arc::new(sender);
        let mut target = target(Arc::downgrade(&sender));
        let thread = std::thread::Builder::new().name("writer".to_owned());
        thread.spawn(move || {
            while let Ok(first) = receiver.recv() {
                let messages = std::iter::once(first).chain(receiver.try_iter()).collect();
                // A panic costs these requests, whose senders are gone then.
                let _ = guard::caught(|| target.write(messages));
            }
        })?;
        Ok(Self { sender })
    }

    /// Makes changes, and waits until they are on disk.
    ///
    /// # Errors
    ///
    /// When a change does not fit, another program changes the index, or it cannot be written.
    pub(crate) async fn change(&self, changes: Changes) -> Result<Changed, Problem> {
        let (sender, receiver) = oneshot::channel();
        let failed = || Problem::new(Kind::Backend, "the change failed; the service goes on");
        let request = Request { changes, sender };
        match self.sender.try_send(Message::Change(request)) {
            Ok(()) => receiver.await.unwrap_or_else(|_| Err(failed())),
            Err(TrySendError::Full(_)) => {
                let wait = Kind::Overloaded(Duration::from_secs(1));
                Err(Problem::new(wait, "too many changes wait already"))
            }
            Err(TrySendError::Disconnected(_)) => Err(failed()),
        }
    }
}

/// The problem of a document that was changed since its request was read.
fn changed_meanwhile(id: &str) -> Problem {
    let message = format!("document {id:?} was changed meanwhile: send it again");
    Problem::new(Kind::Conflict, message)
}
