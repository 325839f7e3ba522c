//! What an index refuses, in one sentence each.

use search::filter::{Comparison, Filter, Value};
use search::index::{Document, IndexReader, IndexWriter, ModelFingerprint};
use search::{Mode, Query};

use crate::common::{document, folder, settings};

#[test]
fn folders_that_are_no_new_index() {
    let folder = folder();
    let folder = folder.path();
    let said = |error: search::index::IndexError| {
        error
            .to_string()
            .replace(&folder.display().to_string(), "DIR")
    };
    let absent = IndexReader::open(folder).err().map(said);
    assert_eq!(
        absent.as_deref(),
        Some("DIR holds no index: make one with `infer index build`")
    );
    let absent = IndexWriter::open(folder).err().map(said);
    assert_eq!(
        absent.as_deref(),
        Some("DIR holds no index: make one with `infer index build`")
    );
    assert_eq!(std::fs::read_dir(folder).unwrap().count(), 0);
    let writer = IndexWriter::create(folder, settings()).unwrap();
    let second = IndexWriter::open(folder).err().map(said);
    assert_eq!(
        second.as_deref(),
        Some("another program changes the index DIR: wait until it ends")
    );
    drop(writer);
    let exists = IndexWriter::create(folder, settings()).err().map(said);
    assert_eq!(
        exists.as_deref(),
        Some("DIR holds an index: give another folder, or add to this index")
    );
    std::fs::remove_file(folder.join("MANIFEST.json")).unwrap();
    std::fs::write(folder.join("holiday.jpg"), "").unwrap();
    let foreign = IndexWriter::create(folder, settings()).err().map(said);
    assert_eq!(
        foreign.as_deref(),
        Some("DIR is not empty: give a new folder for the index")
    );
}

#[test]
fn documents_that_do_not_fit() {
    let folder = folder();
    let mut writer = IndexWriter::create(folder.path(), settings()).unwrap();
    let mut refused = |change: fn(&mut Document), vector: Option<&[f32]>| {
        let mut row = document("7", "mouse", None, Some(1.0));
        change(&mut row);
        writer.add(&row, vector).unwrap_err().to_string()
    };
    let vector = Some([1.0, 0.0, 0.0].as_slice());
    assert_eq!(
        refused(|row| row.id.clear(), vector),
        "a document has an empty id"
    );
    assert_eq!(
        refused(|row| row.texts.clear(), vector),
        "document `7` has 0 texts, and the index has 1 columns for them"
    );
    assert_eq!(
        refused(|row| row.values[1] = Some(Value::Boolean(true)), vector),
        "the value of document `7` for column `price` is not of the kind number"
    );
    assert_eq!(
        refused(|row| row.values[1] = Some(Value::Number(f64::NAN)), vector),
        "the value of document `7` for column `price` is not of the kind number"
    );
    assert_eq!(
        refused(|_| (), None),
        "document `7` is new or its texts changed: it needs a vector"
    );
    assert_eq!(
        refused(|_| (), Some(&[1.0])),
        "document `7`: vectors of width 1 cannot be compared with vectors of width 3"
    );
    assert_eq!(
        refused(|_| (), Some(&[1.0, f32::NAN, 0.0])),
        "document `7`: row 0, column 1 holds NaN, which cannot be ordered"
    );
    // None of these has hurt the writer.
    writer
        .add(&document("7", "mouse", None, None), vector)
        .unwrap();
    assert_eq!(writer.commit().unwrap().rows, 1);
}

#[test]
fn questions_that_cannot_be_asked() {
    let folder = folder();
    let mut writer = IndexWriter::create(folder.path(), settings()).unwrap();
    writer
        .add(&document("7", "mouse", None, None), Some(&[1.0, 0.0, 0.0]))
        .unwrap();
    writer.commit().unwrap();
    let reader = IndexReader::open(folder.path()).unwrap();
    let query = Query {
        vector: vec![1.0, 0.0],
        mode: Mode::Meaning,
        k: 1,
        ..Query::default()
    };
    assert_eq!(
        reader.answer(&query).unwrap_err().to_string(),
        "the query's vector: vectors of width 2 cannot be compared with vectors of width 3"
    );
    let query = Query {
        vector: vec![1.0, 0.0, 0.0],
        filter: Some(Filter::Not(Box::new(Filter::Compare {
            column: "colour".to_owned(),
            comparison: Comparison::Equal,
            value: Value::Text("red".to_owned()),
        }))),
        ..query
    };
    assert_eq!(
        reader.answer(&query).unwrap_err().to_string(),
        "the filter names the column 'colour'; the filter columns are brand, price, part"
    );
}

#[test]
fn vectors_of_another_model() {
    let built = settings().model;
    let other = ModelFingerprint {
        name: "other".to_owned(),
        identity: "2a".to_owned(),
        ..built.clone()
    };
    assert!(
        built
            .check(&ModelFingerprint {
                name: "alias".to_owned(),
                ..built.clone()
            })
            .is_ok()
    );
    assert_eq!(
        built.check(&other).unwrap_err().to_string(),
        "the index was built with three-numbers (files: 1f), not with other (files: 2a): give that model, \
         or rebuild the index"
    );
}
