//! Changes of a store that is in use.

use search::filter::Value;
use search::index::Document;
use search::{Mode, Query, Similarity};
use store::{BuildOptions, Changed, PostgresStore, StoreError};

use crate::cluster::{Server, addresses, execute, three};
use crate::data::{loaded, options, settings, shop, vector_of, vectors_of};

const WIDTH: usize = 32;

fn words(store: &PostgresStore, text: &str) -> Vec<(String, f32)> {
    let query = Query {
        text: text.to_owned(),
        mode: Mode::Words,
        k: 1000,
        ..Query::default()
    };
    let hits = store.answer(&query).expect("an answer").hits;
    hits.into_iter().map(|hit| (hit.id, hit.score)).collect()
}

/// The hits of some questions, with their scores.
fn answers(store: &PostgresStore) -> Vec<Vec<(String, f32)>> {
    let texts = [
        "zebra",
        "mouse",
        "wireless black keyboard",
        "stripes",
        "office zebra",
    ];
    texts.map(|text| words(store, text)).to_vec()
}

/// The same rows with a new word in the title of each.
fn renamed(documents: &[Document]) -> Vec<Document> {
    let mut documents = documents.to_vec();
    for document in &mut documents {
        document.texts[0].push_str(" zebra");
    }
    documents
}

#[test]
fn a_change_is_found_and_counted_at_once() {
    let servers = addresses(three());
    let settings = settings(WIDTH, Similarity::Cosine);
    let all = shop(410);
    let (documents, new) = all.split_at(400);
    let vectors = vectors_of(documents, WIDTH);
    let store = loaded(&servers, options("change"), &settings, documents, &vectors);
    assert!(words(&store, "zebra").is_empty());
    let mut changed = renamed(&documents[..20]);
    changed.extend(renamed(new));
    // Of two rows with one id the later one stays.
    changed.insert(0, documents[3].clone());
    let vectors = vectors_of(&changed, WIDTH);
    // One that is not there, one that is, and one that is written too.
    let remove = ["nothing", "id-00050", "id-00401"];
    let found = store.change(&changed, &vectors, &remove).expect("a change");
    assert_eq!(
        found,
        Changed {
            written: 29,
            removed: 1
        }
    );
    assert_eq!(store.info().expect("the state").rows(), 408);
    assert_eq!(words(&store, "zebra").len(), 29);
    let rows = store
        .rows(&["id-00003", "id-00401", "id-00405"])
        .expect("rows");
    assert_eq!(rows.len(), 2);
    assert_eq!(rows["id-00003"].0, renamed(&documents[3..4])[0]);
    assert_eq!(rows["id-00405"].0, renamed(&all[405..406])[0]);
    let vector = store.vector("id-00405").expect("an answer");
    assert_eq!(Some(&rows["id-00405"].1), vector.as_ref());

    // A word that no row has any longer is unknown again.
    let striped = Document {
        texts: vec!["stripes and dots".to_owned()],
        ..documents[7].clone()
    };
    let vector = [vector_of("stripes and dots", WIDTH)];
    store
        .change(&[striped], &vector, &[] as &[&str])
        .expect("a change");
    assert_eq!(words(&store, "stripes").len(), 1);
    let (back, vector) = (&documents[7..8], &vectors_of(&documents[7..8], WIDTH));
    store
        .change(back, vector, &[] as &[&str])
        .expect("a change");
    assert!(words(&store, "stripes").is_empty());
    assert!(words(&store, "dots").is_empty());

    // The counts are those of counting all rows again.
    let before = answers(&store);
    store
        .build_indexes(BuildOptions {
            workers: 0,
            ..BuildOptions::default()
        })
        .expect("the counts");
    assert_eq!(answers(&store), before);
    assert_eq!(before[0].len(), 28);
    PostgresStore::delete(&servers, options("change")).expect("a removal");
}

#[test]
fn a_row_that_does_not_fit_changes_nothing() {
    let servers = addresses(three());
    let settings = settings(WIDTH, Similarity::Cosine);
    let documents = shop(30);
    let vectors = vectors_of(&documents, WIDTH);
    let store = loaded(&servers, options("unfit"), &settings, &documents, &vectors);
    let before = answers(&store);
    let mut changed = renamed(&documents);
    changed[29].values[1] = Some(Value::Text("cheap".to_owned()));
    let refused = store.change(&changed, &vectors, &["id-00001"]);
    assert!(matches!(refused, Err(StoreError::Row { .. })));
    let mut short = vectors.clone();
    short[29].pop();
    let refused = store.change(&renamed(&documents), &short, &["id-00001"]);
    assert!(matches!(refused, Err(StoreError::Width { .. })));
    assert!(
        store
            .change(&documents, &vectors[1..], &["id-00001"])
            .is_err()
    );
    assert_eq!(answers(&store), before);
    assert_eq!(store.info().expect("the state").rows(), 30);

    // Another store took its place.
    loaded(
        &servers,
        options("unfit_next"),
        &settings,
        &documents,
        &vectors,
    );
    PostgresStore::rename(&servers, options("unfit_next"), "unfit").expect("a rename");
    let refused = store.change(&documents[..1], &vectors[..1], &[] as &[&str]);
    assert!(
        matches!(refused, Err(StoreError::Replaced { .. })),
        "{refused:?}"
    );
    PostgresStore::delete(&servers, options("unfit")).expect("a removal");
    let refused = store.change(&documents[..1], &vectors[..1], &[] as &[&str]);
    assert!(
        matches!(refused, Err(StoreError::Replaced { .. })),
        "{refused:?}"
    );
}

#[test]
fn a_store_whose_words_are_not_counted_changes_too() {
    let servers = addresses(three());
    let settings = settings(WIDTH, Similarity::Cosine);
    let documents = shop(40);
    let vectors = vectors_of(&documents, WIDTH);
    let store = PostgresStore::create(&servers, options("uncounted"), &settings).expect("a store");
    let changed = store
        .change(&documents, &vectors, &["id-00000"])
        .expect("a change");
    assert_eq!(changed.written, 39);
    store
        .build_indexes(BuildOptions::default())
        .expect("the indexes");
    let ids: Vec<String> = documents.iter().map(|row| row.id.clone()).collect();
    assert_eq!(store.rows(&ids).expect("rows").len(), 39);
    PostgresStore::delete(&servers, options("uncounted")).expect("a removal");
}

#[test]
fn changes_at_the_same_time_are_all_counted() {
    let servers = addresses(three());
    let settings = settings(WIDTH, Similarity::Cosine);
    let documents = shop(80);
    let vectors = vectors_of(&documents, WIDTH);
    let store = loaded(
        &servers,
        options("at_once"),
        &settings,
        &documents,
        &vectors,
    );
    let changed = renamed(&documents);
    std::thread::scope(|scope| {
        for part in changed.chunks(10) {
            let store = &store;
            scope.spawn(move || {
                for row in part {
                    let (row, vector) = (std::slice::from_ref(row), [vector_of("zebra", WIDTH)]);
                    store
                        .change(row, &vector, &[] as &[&str])
                        .expect("a change");
                }
            });
        }
    });
    let before = answers(&store);
    assert_eq!(before[0].len(), 80);
    store
        .build_indexes(BuildOptions::default())
        .expect("the counts");
    assert_eq!(answers(&store), before);
    PostgresStore::delete(&servers, options("at_once")).expect("a removal");
}

#[test]
fn a_change_that_a_server_did_not_take_is_repeated() {
    let server = Server::start();
    let servers = [server.address()];
    let settings = settings(WIDTH, Similarity::Cosine);
    let documents = shop(20);
    let vectors = vectors_of(&documents, WIDTH);
    let store = loaded(&servers, options("down"), &settings, &documents, &vectors);
    // An error within the transaction takes everything back.
    execute(
        &servers[0],
        "ALTER TABLE down.documents ADD CONSTRAINT refused CHECK (id <> 'id-00019' OR texts[1] NOT LIKE '%zebra')",
    );
    let changed = renamed(&documents);
    let refused = store.change(&changed, &vectors, &["id-00001"]);
    assert!(
        matches!(refused, Err(StoreError::Database { .. })),
        "{refused:?}"
    );
    assert!(words(&store, "zebra").is_empty());
    execute(
        &servers[0],
        "ALTER TABLE down.documents DROP CONSTRAINT refused",
    );
    server.kill();
    assert!(store.change(&changed, &vectors, &["id-00001"]).is_err());
    server.restart();
    let changed = store.change(&changed, &vectors, &["id-00001"]);
    assert_eq!(
        changed.expect("a change"),
        Changed {
            written: 19,
            removed: 1
        }
    );
    assert_eq!(words(&store, "zebra").len(), 19);
}
