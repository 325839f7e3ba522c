//! Readers and a writer at the same time.

use std::sync::atomic::{AtomicBool, Ordering};

use search::index::{IndexReader, verify};
use search::{Mode, Query};

use crate::common::folder;
use crate::operations::{self, Expected};

/// Commits during which readers come and go.
const COMMITS: u64 = 25;

#[test]
fn readers_see_whole_commits_while_a_writer_works() {
    let folder = folder();
    let folder = folder.path();
    let mut writer = operations::writer(folder).unwrap();
    operations::commit(&mut writer, 1).unwrap();
    let ended = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for number in 2..=COMMITS {
                operations::commit(&mut writer, number).unwrap();
            }
            ended.store(true, Ordering::Release);
        });
        let mut expected = Expected::default();
        let mut kept = IndexReader::open(folder).unwrap();
        while !ended.load(Ordering::Acquire) {
            let reader = IndexReader::open(folder).unwrap();
            expected.advance(reader.info().number);
            expected.check_reader(&reader);
            if let Some(newer) = kept.refreshed().unwrap() {
                // An older snapshot answers although its files are gone.
                let query = Query {
                    vector: vec![1.0, 2.0, 3.0],
                    text: "mouse".to_owned(),
                    mode: Mode::Hybrid,
                    k: 3,
                    ..Query::default()
                };
                assert!(!kept.answer(&query).unwrap().hits.is_empty());
                assert!(kept.info().number < newer.info().number);
                kept = newer;
            }
        }
        expected.advance(COMMITS);
        expected.check(folder);
    });
    assert_eq!(verify(folder).unwrap().number, COMMITS);
}
