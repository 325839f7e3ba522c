//! Merges beside the writer: a commit does not wait for them, and nothing that happens meanwhile is lost.

use std::path::Path;

use search::index::{IndexError, IndexReader, IndexWriter, Merge, verify};

use crate::common::{document, folder, settings};

/// An index of so many commits of two rows each, none of which joined a segment, and the merge that is left to be done.
fn index(folder: &Path, commits: usize) -> (IndexWriter, Merge) {
    let mut writer = IndexWriter::create(folder, settings()).unwrap();
    let mut left = None;
    for commit in 0..commits {
        for row in 0..2 {
            add(&mut writer, &format!("{commit}-{row}"), "red mouse");
        }
        left = writer.commit_joining(0, &[]).unwrap().1;
    }
    assert_eq!(segments(folder), commits);
    (writer, left.unwrap())
}

fn add(writer: &mut IndexWriter, id: &str, title: &str) {
    let vector = [1.0, id.len() as f32, title.len() as f32];
    let document = document(id, title, None, None);
    writer.add(&document, Some(&vector)).unwrap();
}

fn segments(folder: &Path) -> usize {
    IndexReader::open(folder).unwrap().info().segments
}

/// The ids of the rows with their titles, in their order.
fn rows(reader: &IndexReader) -> Vec<(String, String)> {
    let documents = reader.documents().map(Result::unwrap);
    let rows = documents.map(|mut document| (document.id, document.texts.remove(0)));
    rows.collect()
}

#[test]
fn changes_during_a_merge_stay() {
    let folder = folder();
    let folder = folder.path();
    let (mut writer, merge) = index(folder, 3);
    let running = merge.segments();
    assert_eq!(running.len(), 3);
    let before = IndexReader::open(folder).unwrap();
    let merged = merge.write().unwrap();
    // A row is replaced, one is removed, and a segment has no row left; other segments come.
    add(&mut writer, "0-1", "blue mouse");
    writer.remove("1-0").unwrap();
    writer.remove("1-1").unwrap();
    writer.remove("2-0").unwrap();
    assert!(writer.commit_joining(0, &running).unwrap().1.is_none());
    add(&mut writer, "new", "green mouse");
    // Of those there are two now, which could be joined.
    let (committed, others) = writer.commit_joining(0, &running).unwrap();
    assert_eq!(others.unwrap().segments().len(), 2);
    assert_eq!((committed.rows, segments(folder)), (4, 4));
    let during = IndexReader::open(folder).unwrap();
    assert!(writer.install(merged).unwrap());
    // Not yet committed.
    assert_eq!(segments(folder), 4);
    writer.remove("2-1").unwrap();
    writer.commit_joining(0, &[]).unwrap();
    let after = IndexReader::open(folder).unwrap();
    let expected = [
        ("0-0", "red mouse"),
        ("0-1", "blue mouse"),
        ("new", "green mouse"),
    ];
    let expected = expected.map(|(id, title)| (id.to_owned(), title.to_owned()));
    assert_eq!(rows(&after), expected);
    assert_eq!((after.info().segments, after.info().deleted), (3, 5));
    verify(folder).unwrap();
    // Snapshots of a time before stay what they were.
    assert_eq!((rows(&before).len(), rows(&during).len()), (6, 4));
    assert_eq!(rows(&before.refreshed().unwrap().unwrap()), expected);
}

#[test]
fn a_commit_joins_few_rows_itself() {
    let folder = folder();
    let folder = folder.path();
    let mut writer = IndexWriter::create(folder, settings()).unwrap();
    for (number, segments_then) in [1, 1, 1, 2, 3].into_iter().enumerate() {
        add(&mut writer, &number.to_string(), "red mouse");
        let (_, left) = writer.commit_joining(4, &[]).unwrap();
        assert_eq!(segments(folder), segments_then, "{number}");
        // The last one would rewrite five rows.
        assert_eq!(left.is_some(), number == 4, "{number}");
    }
    let (committed, left) = writer.commit_joining(5, &[]).unwrap();
    assert!(left.is_none());
    assert_eq!((committed.rows, segments(folder)), (5, 1));
}

#[test]
fn there_is_one_merge_at_a_time() {
    let folder = folder();
    let folder = folder.path();
    let (mut writer, merge) = index(folder, 2);
    let again = writer.commit_joining(0, &[]).unwrap().1.unwrap();
    let merged = merge.write().unwrap();
    assert!(matches!(again.write(), Err(IndexError::Locked { .. })));
    // A writer that comes leaves it alone.
    drop(writer);
    let mut writer = IndexWriter::open(folder).unwrap();
    assert!(folder.join("merge").is_dir());
    drop(merged);
    assert!(!folder.join("merge").exists());
    let again = writer.commit_joining(0, &[]).unwrap().1.unwrap();
    assert!(writer.install(again.write().unwrap()).unwrap());
    writer.commit_joining(0, &[]).unwrap();
    assert_eq!(segments(folder), 1);
    verify(folder).unwrap();
}

#[test]
fn segments_that_are_gone_are_not_installed() {
    let folder = folder();
    let folder = folder.path();
    let (mut writer, merge) = index(folder, 3);
    let merged = merge.write().unwrap();
    writer.merge().unwrap();
    assert!(!writer.install(merged).unwrap());
    writer.commit().unwrap();
    assert_eq!(rows(&IndexReader::open(folder).unwrap()).len(), 6);
    assert_eq!(segments(folder), 1);
    assert!(!folder.join("merge").exists());
    verify(folder).unwrap();
}

#[test]
fn what_a_killed_merge_has_left_is_removed() {
    let folder = folder();
    let folder = folder.path();
    let (writer, merge) = index(folder, 2);
    drop(writer);
    let left = folder.join("merge");
    std::fs::create_dir(&left).unwrap();
    std::fs::write(left.join("vectors.f32"), "half").unwrap();
    let mut writer = IndexWriter::open(folder).unwrap();
    assert!(!left.exists());
    // The next merge removes it too.
    std::fs::create_dir(&left).unwrap();
    std::fs::write(left.join("vectors.f32"), "half").unwrap();
    assert!(writer.install(merge.write().unwrap()).unwrap());
    writer.commit().unwrap();
    verify(folder).unwrap();
}

#[test]
fn old_segments_have_their_turn_under_constant_changes() {
    let folder = folder();
    let folder = folder.path();
    let mut writer = IndexWriter::create(folder, settings()).unwrap();
    let old = |row: usize| format!("old-{row}");
    for row in 0..40 {
        add(&mut writer, &old(row), "red mouse");
    }
    writer.commit_joining(0, &[]).unwrap();
    // Each commit brings new segments that could be joined, and the first one needs it too: 4 in 10 rows are deleted.
    for row in 0..16 {
        writer.remove(&old(row)).unwrap();
    }
    let mut next = 0;
    let mut change = |writer: &mut IndexWriter| {
        for _ in 0..2 {
            add(writer, &format!("new-{next}"), "green mouse");
            next += 1;
        }
        writer.commit_joining(0, &[]).unwrap().1
    };
    change(&mut writer);
    let first = change(&mut writer).unwrap();
    assert_eq!(first.segments().len(), 1);
    assert!(writer.install(first.write().unwrap()).unwrap());
    // It needs it again, but is the youngest now.
    for row in 16..24 {
        writer.remove(&old(row)).unwrap();
    }
    let second = change(&mut writer).unwrap();
    assert_eq!(second.segments().len(), 3);
    assert!(writer.install(second.write().unwrap()).unwrap());
    let third = change(&mut writer).unwrap();
    assert_eq!(third.segments().len(), 1);
    verify(folder).unwrap();
}
