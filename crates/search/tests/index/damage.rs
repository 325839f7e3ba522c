//! Damaged files: `verify` finds every byte, and nothing panics.

use std::path::{Path, PathBuf};

use proptest::prelude::*;
use search::index::{IndexReader, IndexWriter, verify};
use search::{Mode, Query, Sort};

use crate::common::{document, folder, settings};

/// An index of two segments, one of them with a deleted row.
fn build(folder: &Path) {
    let mut writer = IndexWriter::create(folder, settings()).unwrap();
    for number in 0..14 {
        let title = ["red mouse", "blue keyboard"][number % 2];
        let row = document(&format!("row-{number}"), title, Some("Cherry"), Some(9.5));
        writer.add(&row, Some(&[1.0, number as f32, 0.5])).unwrap();
        if number == 9 {
            writer.commit().unwrap();
        }
    }
    writer.remove("row-3").unwrap();
    writer.commit().unwrap();
    let info = IndexReader::open(folder).unwrap().info();
    assert_eq!((info.segments, info.deleted, info.rows), (2, 1, 13));
}

/// All files but the lock.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => files.extend(self::files(&path)),
            false => files.push(path),
        }
    }
    files.retain(|path| path.file_name().unwrap() != "LOCK");
    files.sort();
    files
}

/// Asks everything of an index that may be damaged: an error is an answer, a panic is not.
fn use_all(folder: &Path) {
    if let Ok(reader) = IndexReader::open(folder) {
        for mode in Mode::ALL {
            let query = Query {
                vector: vec![1.0, 2.0, 3.0],
                text: "mouse keyboard P-row-4 mouze".to_owned(),
                mode,
                k: 20,
                facets: vec!["brand".to_owned()],
                typos: true,
                ..Query::default()
            };
            let _ = reader.answer(&query);
            let sort = Some(Sort {
                column: "price".to_owned(),
                descending: true,
            });
            let _ = reader.answer(&Query { sort, ..query });
        }
        for number in 0..14 {
            let id = format!("row-{number}");
            let _ = (reader.document(&id), reader.vector(&id));
        }
        let _ = reader.documents().count();
    }
    if let Ok(mut writer) = IndexWriter::open(folder) {
        let _ = writer.needed(&document("row-1", "blue keyboard", None, None));
    }
}

fn copy(from: &Path, to: &Path) {
    for path in files(from) {
        let target = to.join(path.strip_prefix(from).unwrap());
        std::fs::create_dir_all(target.parent().unwrap()).unwrap();
        std::fs::copy(path, target).unwrap();
    }
}

#[derive(Clone, Debug)]
enum Damage {
    Flip { place: usize, bits: u8 },
    Cut { keep: usize },
    Append { byte: u8 },
    Remove,
}

fn damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        8 => (any::<usize>(), 1u8..).prop_map(|(place, bits)| Damage::Flip { place, bits }),
        2 => any::<usize>().prop_map(|keep| Damage::Cut { keep }),
        1 => any::<u8>().prop_map(|byte| Damage::Append { byte }),
        1 => Just(Damage::Remove),
    ]
}

fn apply(damage: &Damage, path: &Path) {
    let mut bytes = std::fs::read(path).unwrap();
    match damage {
        Damage::Flip { place, bits } => {
            // An empty file has nothing to flip.
            let place = place % bytes.len().max(1);
            match bytes.get_mut(place) {
                Some(byte) => *byte ^= bits,
                None => bytes.push(*bits),
            }
        }
        Damage::Cut { keep } => match bytes.len() {
            0 => bytes.push(0),
            len => bytes.truncate(keep % len),
        },
        // A manifest may end with white space.
        Damage::Append { byte } => bytes.push(if byte.is_ascii_whitespace() {
            b'x'
        } else {
            *byte
        }),
        Damage::Remove => return std::fs::remove_file(path).unwrap(),
    }
    std::fs::write(path, bytes).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4, ..ProptestConfig::default() })]
    #[test]
    fn verify_finds_any_damage_and_nothing_panics(
        damages in prop::collection::vec(damage(), 60),
    ) {
        let whole = folder();
        build(whole.path());
        let paths = files(whole.path());
        for (number, damage) in damages.iter().enumerate() {
            let damaged = folder();
            copy(whole.path(), damaged.path());
            let path = paths[number % paths.len()].strip_prefix(whole.path()).unwrap();
            apply(damage, &damaged.path().join(path));
            use_all(damaged.path());
            let verified = verify(damaged.path());
            prop_assert!(verified.is_err(), "{path:?} {damage:?}");
        }
        verify(whole.path()).unwrap();
    }
}
