//! Changes of an index, without a service around them.

use std::path::Path;
use std::sync::mpsc;

use search::index::{Document, IndexReader, TextColumn};
use tokio::sync::oneshot::{self, Receiver};

use super::super::Writer;
use super::*;

fn settings() -> Settings {
    Settings {
        model: ModelFingerprint {
            identity: "one".to_owned(),
            ..ModelFingerprint::default()
        },
        width: 3,
        id_column: "id".to_owned(),
        text_columns: vec![TextColumn {
            name: "title".to_owned(),
            weight: 1.0,
        }],
        ..Settings::default()
    }
}

fn row(id: &str) -> (Document, Vec<f32>) {
    let document = Document {
        id: id.to_owned(),
        texts: vec!["red mouse".to_owned()],
        values: Vec::new(),
    };
    (document, vec![1.0, 2.0, id.len() as f32])
}

/// A request that adds a row.
fn request(id: &str) -> (Message, Receiver<Result<Changed, Problem>>) {
    let (sender, receiver) = oneshot::channel();
    let (document, vector) = row(id);
    let changes = Changes {
        documents: vec![(document, Some(vector))],
        remove: Vec::new(),
        settings: settings(),
        room: None,
    };
    (Message::Change(Request { changes, sender }), receiver)
}

fn changes(folder: &Path) -> IndexChanges<impl Fn() + Send + 'static> {
    IndexChanges::new(folder.to_owned(), settings().model, || {}, Weak::new())
}

#[test]
fn requests_that_wait_share_a_commit() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("index");
    drop(IndexWriter::create(&folder, settings()).unwrap());
    let (entered, commits) = mpsc::channel();
    let (go_on, held) = mpsc::channel::<()>();
    let committed = move || {
        entered.send(()).unwrap();
        held.recv().unwrap();
    };
    let index = folder.clone();
    let writer =
        Writer::start(|merges| IndexChanges::new(index, settings().model, committed, merges));
    let writer = writer.unwrap();
    let send = |id: &str| {
        let (message, receiver) = request(id);
        writer.sender.try_send(message).unwrap();
        receiver
    };
    let first = send("first");
    // The writer is held up behind its first commit while others come.
    commits.recv().unwrap();
    let others: Vec<_> = (0..10).map(|id| send(&id.to_string())).collect();
    go_on.send(()).unwrap();
    go_on.send(()).unwrap();
    assert_eq!(first.blocking_recv().unwrap().unwrap().rows, Some(1));
    for other in others {
        assert_eq!(other.blocking_recv().unwrap().unwrap().rows, Some(11));
    }
    assert_eq!(commits.try_iter().count(), 1);
    assert_eq!(IndexReader::open(&folder).unwrap().len(), 11);
}

#[test]
fn a_merge_waits_while_another_program_changes_the_index() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("index");
    let mut other = IndexWriter::create(&folder, settings()).unwrap();
    let mut merge = None;
    for id in ["a", "b"] {
        let (document, vector) = row(id);
        other.add(&document, Some(&vector)).unwrap();
        merge = other.commit_joining(0, &[]).unwrap().1;
    }
    let merge = merge.unwrap();
    let mut changes = changes(&folder);
    changes.running = merge.segments();
    let merged = merge.write().unwrap();
    changes.write(vec![Message::Merged(Some(merged))]);
    let (message, locked) = request("c");
    changes.write(vec![message]);
    let problem = locked.blocking_recv().unwrap().unwrap_err();
    assert_eq!(problem.kind, Kind::Conflict, "{problem:?}");
    // It is not thrown away, and its segments are left alone.
    assert!(folder.join("merge").is_dir());
    assert_eq!(changes.running.len(), 2);
    drop(other);
    let (message, done) = request("c");
    changes.write(vec![message]);
    assert_eq!(done.blocking_recv().unwrap().unwrap().rows, Some(3));
    assert!(!folder.join("merge").exists());
    assert!(changes.running.is_empty());
    assert_eq!(search::index::verify(&folder).unwrap().rows, 3);
}

#[test]
fn an_index_that_was_rebuilt_is_left_alone() {
    let mut other_model = settings();
    other_model.model.identity = "another".to_owned();
    let mut other_columns = settings();
    other_columns.text_columns[0].name = "name".to_owned();
    for (rebuilt, message) in [
        (other_model, "restart the service"),
        (other_columns, "send the request again"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("index");
        drop(IndexWriter::create(&folder, rebuilt).unwrap());
        let (change, refused) = request("a");
        changes(&folder).write(vec![change]);
        let problem = refused.blocking_recv().unwrap().unwrap_err();
        assert_eq!(problem.kind, Kind::Conflict, "{problem:?}");
        assert!(problem.message.contains(message), "{problem:?}");
        assert_eq!(IndexReader::open(&folder).unwrap().len(), 0);
    }
}

#[test]
fn a_failed_merge_does_not_lock_the_index() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("index");
    drop(IndexWriter::create(&folder, settings()).unwrap());
    // Whoever opens the index to change it removes what a killed merge has left.
    let left = folder.join("merge");
    std::fs::create_dir(&left).unwrap();
    let mut changes = changes(&folder);
    changes.running = vec!["segment".to_owned()];
    changes.write(vec![Message::Merged(None)]);
    assert!(changes.running.is_empty());
    assert!(left.is_dir());
    let (message, done) = request("a");
    changes.write(vec![message]);
    assert_eq!(done.blocking_recv().unwrap().unwrap().rows, Some(1));
    assert!(!left.exists());
}
