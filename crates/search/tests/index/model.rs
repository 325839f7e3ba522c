//! Any sequence of changes leads to the index that a list of documents leads to.

use proptest::prelude::*;
use search::index::{Change, Document, IndexReader, IndexWriter, Merge, MergedSegment, verify};
use search::{Mode, Query};

use crate::common::{document, folder, settings};

/// A change of an index.
#[derive(Clone, Debug)]
enum Step {
    Add {
        id: u8,
        title: u8,
        price: u8,
        vector: [i8; 3],
    },
    /// With the vector that the index has.
    Reprice {
        id: u8,
        price: u8,
    },
    Remove {
        id: u8,
    },
    Commit,
    /// As a service commits.
    CommitJoining {
        rows: u8,
    },
    WriteMerge,
    InstallMerge,
    Merge,
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    let id = 0u8..12;
    prop_oneof![
        8 => (id.clone(), 0u8..3, 0u8..3, any::<[i8; 3]>())
            .prop_map(|(id, title, price, vector)| Step::Add { id, title, price, vector }),
        3 => (id.clone(), 0u8..3).prop_map(|(id, price)| Step::Reprice { id, price }),
        4 => id.prop_map(|id| Step::Remove { id }),
        2 => Just(Step::Commit),
        5 => (0u8..4).prop_map(|rows| Step::CommitJoining { rows }),
        3 => Just(Step::WriteMerge),
        3 => Just(Step::InstallMerge),
        1 => Just(Step::Merge),
        1 => Just(Step::Reopen),
    ]
}

/// A merge in the background.
#[derive(Default)]
enum Background {
    #[default]
    None,
    Planned(Merge),
    Written(Vec<String>, MergedSegment),
}

impl Background {
    fn segments(&self) -> Vec<String> {
        match self {
            Self::None => Vec::new(),
            Self::Planned(merge) => merge.segments(),
            Self::Written(segments, _) => segments.clone(),
        }
    }
}

/// What the index should hold: documents and their vectors, in the order in which they were added.
#[derive(Clone, Default)]
struct Model {
    rows: Vec<(Document, [i8; 3])>,
}

impl Model {
    fn remove(&mut self, id: &str) -> Option<(Document, [i8; 3])> {
        let position = self.rows.iter().position(|(row, _)| row.id == id)?;
        Some(self.rows.remove(position))
    }

    fn add(&mut self, document: Document, vector: [i8; 3]) {
        self.remove(&document.id);
        self.rows.push((document, vector));
    }
}

fn row(id: u8, title: u8, price: u8) -> Document {
    // Ids that differ in their case alone are different rows.
    let name = if id.is_multiple_of(2) { "a" } else { "A" };
    let titles = ["red mouse", "green mice", "blue keyboard"];
    let prices = [None, Some(9.5), Some(20.0)];
    document(
        &format!("{name}{}", id / 2),
        titles[usize::from(title)],
        Some(titles[usize::from(title)]).filter(|_| price > 0),
        prices[usize::from(price)],
    )
}

fn floats(vector: [i8; 3]) -> [f32; 3] {
    vector.map(f32::from)
}

/// The index is the model: the same documents in the same order, and answers by brute force.
fn assert_equal(reader: &IndexReader, model: &Model) {
    let documents: Vec<_> = reader.documents().map(Result::unwrap).collect();
    let expected: Vec<_> = model.rows.iter().map(|(row, _)| row.clone()).collect();
    assert_eq!(documents, expected);
    assert_eq!(reader.len(), expected.len() as u64);
    let values: Vec<f32> = model.rows.iter().flat_map(|(_, v)| floats(*v)).collect();
    let brute_force = search::VectorIndex::new(values, 3, search::Similarity::Cosine).unwrap();
    for vector in [[1.0, 2.0, 3.0], [-5.0, 0.0, 1.0]] {
        let query = Query {
            vector: vector.to_vec(),
            mode: Mode::Meaning,
            k: 5,
            ..Query::default()
        };
        let view = search::VectorsView::new(&vector, 3).unwrap();
        let expected: Vec<_> = brute_force.search(view, 5).unwrap()[0]
            .iter()
            .map(|hit| (model.rows[hit.index].0.id.clone(), hit.score))
            .collect();
        let hits: Vec<_> = reader
            .answer(&query)
            .unwrap()
            .hits
            .into_iter()
            .map(|hit| (hit.id, hit.score))
            .collect();
        assert_eq!(hits, expected);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn any_changes_lead_to_the_same_index(steps in prop::collection::vec(step(), 1..60)) {
        let folder = folder();
        let folder = folder.path();
        let mut writer = IndexWriter::create(folder, settings()).unwrap();
        let (mut model, mut committed) = (Model::default(), Model::default());
        let mut background = Background::None;
        let older = IndexReader::open(folder).unwrap();
        for step in steps {
            match step {
                Step::Add { id, title, price, vector } => {
                    let document = row(id, title, price);
                    writer.add(&document, Some(&floats(vector))).unwrap();
                    assert_eq!(writer.needed(&document).unwrap(), Change::Unchanged);
                    model.add(document, vector);
                }
                Step::Reprice { id, price } => {
                    let id = row(id, 0, 0).id;
                    let Some((old, vector)) = model.rows.iter().find(|(row, _)| row.id == id) else {
                        continue;
                    };
                    let (mut document, vector) = (old.clone(), *vector);
                    document.values = row(0, 0, price).values;
                    let change = writer.needed(&document).unwrap();
                    let expected = if document == *old { Change::Unchanged } else { Change::SameTexts };
                    assert_eq!(change, expected);
                    writer.add(&document, None).unwrap();
                    if change == Change::SameTexts {
                        model.add(document, vector);
                    }
                }
                Step::Remove { id } => {
                    let id = row(id, 0, 0).id;
                    assert_eq!(writer.remove(&id).unwrap(), model.remove(&id).is_some());
                }
                Step::Commit => {
                    let rows = writer.commit().unwrap().rows;
                    assert_eq!(rows, model.rows.len() as u64);
                    committed = model.clone();
                }
                Step::CommitJoining { rows } => {
                    let running = background.segments();
                    let (found, merge) = writer.commit_joining(u64::from(rows), &running).unwrap();
                    assert_eq!(found.rows, model.rows.len() as u64);
                    committed = model.clone();
                    if let (Background::None, Some(merge)) = (&background, merge) {
                        background = Background::Planned(merge);
                    }
                }
                Step::WriteMerge => {
                    background = match std::mem::take(&mut background) {
                        Background::Planned(merge) => {
                            let segments = merge.segments();
                            let gone = segments.iter().any(|name| !folder.join(name).exists());
                            match merge.write() {
                                Ok(merged) => Background::Written(segments, merged),
                                Err(error) => {
                                    assert!(gone, "{error}");
                                    Background::None
                                }
                            }
                        }
                        other => other,
                    };
                }
                Step::InstallMerge => {
                    background = match std::mem::take(&mut background) {
                        Background::Written(_, merged) => {
                            writer.install(merged).unwrap();
                            Background::None
                        }
                        other => other,
                    };
                }
                Step::Merge => {
                    writer.merge().unwrap();
                    committed = model.clone();
                    let info = IndexReader::open(folder).unwrap().info();
                    assert_eq!(info.deleted, 0);
                    assert!(info.segments <= 1);
                }
                Step::Reopen => {
                    drop(writer);
                    writer = IndexWriter::open(folder).unwrap();
                    model = committed.clone();
                }
            }
            assert_eq!(writer.len(), model.rows.len() as u64);
        }
        drop((writer, background));
        assert_equal(&IndexReader::open(folder).unwrap(), &committed);
        assert!(!folder.join("merge").exists());
        if let Some(refreshed) = older.refreshed().unwrap() {
            assert_equal(&refreshed, &committed);
        }
        assert_equal(&older, &Model::default());
        verify(folder).unwrap();
    }
}
