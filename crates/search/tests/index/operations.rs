//! A sequence of commits that every process makes alike, so that the number of a commit says what an index
//! holds.

use std::path::Path;

use search::index::{Document, IndexError, IndexReader, IndexWriter, verify};
use search::{Mode, Query};

use crate::common::{document, settings};

/// Ids that rows may have.
const IDS: u64 = 300;

/// A change of the index.
#[derive(Clone, Debug)]
enum Change {
    Add(Document, [f32; 3]),
    Remove(String),
}

/// Numbers that look random (splitmix64).
pub(crate) fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut value = *state;
    value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// The changes of the commit with a number, from 1, and whether it merges.
fn changes(commit: u64) -> (Vec<Change>, bool) {
    let mut state = commit;
    // The first change always adds a row that was not there, so that no commit is empty.
    let unique = document(
        &format!("commit-{commit}"),
        "unique",
        None,
        Some(commit as f64),
    );
    let mut changes = vec![Change::Add(unique, [1.0, commit as f32, 0.0])];
    for _ in 0..random(&mut state) % 40 {
        let id = format!("row-{}", random(&mut state) % IDS);
        changes.push(match random(&mut state) % 4 {
            0 => Change::Remove(id),
            _ => {
                let price = random(&mut state) % 100;
                let title = format!("red mouse {price}");
                let vector = [price as f32 - 50.0, 3.0, (random(&mut state) % 7) as f32];
                Change::Add(
                    document(&id, &title, Some("Cherry"), Some(price as f64)),
                    vector,
                )
            }
        });
    }
    (changes, random(&mut state).is_multiple_of(8))
}

/// Makes the changes of the commit with a number, and says whether it merges.
pub(crate) fn change(writer: &mut IndexWriter, number: u64) -> Result<bool, IndexError> {
    let (changes, merges) = changes(number);
    for change in changes {
        match change {
            Change::Add(document, vector) => writer.add(&document, Some(&vector))?,
            Change::Remove(id) => {
                writer.remove(&id)?;
            }
        }
    }
    Ok(merges)
}

/// Makes the next commit of an index, and returns its number.
pub(crate) fn commit(writer: &mut IndexWriter, number: u64) -> Result<u64, IndexError> {
    let committed = match change(writer, number)? {
        true => writer.merge()?,
        false => writer.commit()?,
    };
    Ok(committed.number)
}

/// Makes an index, or opens the one that a killed process left.
pub(crate) fn writer(folder: &Path) -> Result<IndexWriter, IndexError> {
    match IndexWriter::create(folder, settings()) {
        Err(IndexError::Exists { .. }) => IndexWriter::open(folder),
        writer => writer,
    }
}

/// What an index must hold after so many commits.
#[derive(Default)]
pub(crate) struct Expected {
    commits: u64,
    rows: Vec<(Document, [f32; 3])>,
}

impl Expected {
    /// The number of the last commit.
    pub(crate) fn commits(&self) -> u64 {
        self.commits
    }

    /// Goes on to a commit.
    pub(crate) fn advance(&mut self, commits: u64) {
        while self.commits < commits {
            self.commits += 1;
            for change in changes(self.commits).0 {
                let id = match &change {
                    Change::Add(document, _) => &document.id,
                    Change::Remove(id) => id,
                };
                self.rows.retain(|(row, _)| row.id != *id);
                if let Change::Add(document, vector) = change {
                    self.rows.push((document, vector));
                }
            }
        }
    }

    /// The index in a folder is whole, and holds just these rows.
    pub(crate) fn check(&self, folder: &Path) {
        let report = verify(folder).unwrap();
        assert_eq!(report.rows, self.rows.len() as u64);
        self.check_reader(&IndexReader::open(folder).unwrap());
    }

    /// A snapshot holds just these rows.
    pub(crate) fn check_reader(&self, reader: &IndexReader) {
        let found: Vec<_> = reader.documents().map(Result::unwrap).collect();
        let expected: Vec<_> = self.rows.iter().map(|(row, _)| row.clone()).collect();
        assert_eq!(found, expected);
        // The vector of a row leads to it.
        for (row, vector) in self.rows.iter().rev().take(5) {
            let query = Query {
                vector: vector.to_vec(),
                mode: Mode::Meaning,
                k: 1,
                ..Query::default()
            };
            let hit = &reader.answer(&query).unwrap().hits[0];
            // Rounding of the squares of three values.
            assert!(hit.score > 0.999_999, "{} {}", row.id, hit.score);
        }
    }
}
