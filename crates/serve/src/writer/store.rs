//! Changes of a store: each request is a transaction on every server that has a part in it.

use store::PostgresStore;

use super::{Changed, Changes, Message, Target, changed_meanwhile};
use crate::catalogue::Current;
use crate::problem::{Kind, Problem};

/// Changes a store.
pub(crate) struct StoreChanges(pub(crate) Current<PostgresStore>);

impl Target for StoreChanges {
    fn write(&mut self, messages: Vec<Message>) {
        for message in messages {
            if let Message::Change(request) = message
                && request.is_wanted()
            {
                // A closed connection wants no answer.
                let _ = request.sender.send(apply(&self.0.get(), request.changes));
            }
        }
    }
}

fn apply(store: &PostgresStore, changes: Changes) -> Result<Changed, Problem> {
    let Changes {
        documents,
        remove,
        settings,
        room: _room,
    } = changes;
    if !store.settings().holds_like(&settings) {
        let message = "the store was replaced meanwhile: send the request again";
        return Err(Problem::new(Kind::Conflict, message));
    }
    let known = documents.iter().filter(|(_, vector)| vector.is_none());
    let known: Vec<&str> = known.map(|(document, _)| document.id.as_str()).collect();
    let mut known = store.rows(&known)?;
    let (mut written, mut vectors) = (Vec::new(), Vec::new());
    let mut unchanged = 0;
    for (document, vector) in documents {
        let vector = match vector {
            Some(vector) => vector,
            None => match known.remove(&document.id) {
                Some((row, _)) if row == document => {
                    unchanged += 1;
                    continue;
                }
                Some((row, vector)) if row.texts == document.texts => vector,
                _ => return Err(changed_meanwhile(&document.id)),
            },
        };
        written.push(document);
        vectors.push(vector);
    }
    let changed = store.change(&written, &vectors, &remove)?;
    let count = |rows| usize::try_from(rows).unwrap_or(usize::MAX);
    Ok(Changed {
        written: count(changed.written),
        unchanged,
        removed: count(changed.removed),
        rows: None,
    })
}
