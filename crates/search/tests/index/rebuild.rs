//! Another model in the place of the first.

use search::index::{IndexReader, IndexWriter, Settings, verify};

use crate::common::{document, settings};

fn ids(reader: &IndexReader) -> Vec<String> {
    reader
        .documents()
        .map(|document| document.unwrap().id)
        .collect()
}

fn add(writer: &mut IndexWriter, id: &str, vector: &[f32]) {
    writer
        .add(&document(id, "a lamp", None, None), Some(vector))
        .unwrap();
}

#[test]
fn a_rebuild_takes_the_place_of_the_index_when_it_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mut writer = IndexWriter::create(folder, settings()).unwrap();
    add(&mut writer, "a", &[1.0, 0.0, 0.0]);
    add(&mut writer, "b", &[0.0, 1.0, 0.0]);
    writer.commit().unwrap();
    drop(writer);

    let mut wider = Settings {
        width: 2,
        ..settings()
    };
    wider.model.identity = "2e".to_owned();
    let mut rebuild = IndexWriter::rebuild(folder, wider.clone()).unwrap();
    add(&mut rebuild, "a", &[0.6, 0.8]);
    rebuild.commit().unwrap();
    drop(rebuild);
    // Interrupted: the index is as it was, takes changes, and both are kept.
    let mut writer = IndexWriter::open(folder).unwrap();
    assert_eq!(writer.settings(), &settings());
    add(&mut writer, "c", &[0.0, 0.0, 1.0]);
    writer.commit().unwrap();
    drop(writer);
    assert_eq!(ids(&IndexReader::open(folder).unwrap()), ["a", "b", "c"]);
    verify(folder).unwrap();

    // With the same settings it goes on.
    let older = IndexReader::open(folder).unwrap();
    let mut rebuild = IndexWriter::rebuild(folder, wider.clone()).unwrap();
    assert_eq!(rebuild.len(), 1);
    for id in ["b", "c"] {
        add(&mut rebuild, id, &[0.0, 1.0]);
    }
    let switched = rebuild.switch().unwrap();
    assert_eq!(switched.rows, 3);
    let reader = older.refreshed().unwrap().unwrap();
    assert_eq!(reader.settings(), &wider);
    assert_eq!(ids(&reader), ["a", "b", "c"]);
    assert_eq!(reader.vector("a").unwrap().unwrap(), [0.6, 0.8]);
    // The older snapshot still has its vectors.
    assert_eq!(older.vector("a").unwrap().unwrap(), [1.0, 0.0, 0.0]);
    verify(folder).unwrap();

    // Other settings begin again from the first row.
    let rebuild = IndexWriter::rebuild(folder, settings()).unwrap();
    assert_eq!(rebuild.len(), 0);
    drop(rebuild);
    let mut writer = IndexWriter::open(folder).unwrap();
    add(&mut writer, "d", &[1.0, 0.0]);
    assert_eq!(writer.commit().unwrap().rows, 4);
}

#[test]
fn a_rebuild_that_nobody_goes_on_with_is_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let names = || {
        let entries = std::fs::read_dir(folder).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    };
    assert!(IndexWriter::drop_rebuild(folder).is_err());
    let mut writer = IndexWriter::create(folder, settings()).unwrap();
    add(&mut writer, "a", &[1.0, 0.0, 0.0]);
    writer.commit().unwrap();
    drop(writer);
    let before = names();
    assert!(!IndexWriter::drop_rebuild(folder).unwrap());
    let wider = Settings {
        width: 2,
        ..settings()
    };
    let mut rebuild = IndexWriter::rebuild(folder, wider).unwrap();
    add(&mut rebuild, "a", &[0.6, 0.8]);
    rebuild.commit().unwrap();
    // One at work holds the lock.
    assert!(IndexWriter::drop_rebuild(folder).is_err());
    drop(rebuild);
    assert!(names().len() > before.len());
    assert!(IndexWriter::drop_rebuild(folder).unwrap());
    assert_eq!(names(), before);
    assert_eq!(ids(&IndexReader::open(folder).unwrap()), ["a"]);
    verify(folder).unwrap();
}
