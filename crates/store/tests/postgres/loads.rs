//! Loads that are interrupted.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use search::filter::Value;
use search::index::Document;
use search::{Mode, Query, Similarity};
use store::{BuildOptions, Options, PostgresStore, StoreError, Written};

use crate::cluster::{Server, addresses, three};
use crate::data::{loaded, options, random, settings, shop, vector_of, vectors_of};

const WIDTH: usize = 32;
const ROWS: usize = 4000;
const BLOCK: usize = 200;

/// Set for a process that loads and is killed: the addresses, one after the other.
const CHILD: &str = "STORE_TEST_ADDRESSES";

/// How often loaders and servers are killed; `.ci/nightly` sets more.
fn kills() -> u64 {
    std::env::var("STORE_KILLS")
        .ok()
        .and_then(|kills| kills.parse().ok())
        .unwrap_or(3)
}

#[test]
fn a_block_is_written_once() {
    let servers = addresses(three());
    let settings = settings(WIDTH, Similarity::Cosine);
    let documents = shop(500);
    let vectors = vectors_of(&documents, WIDTH);
    let store = PostgresStore::create(&servers, options("once"), &settings).expect("a store");
    let mut load = store.load("products").expect("a load");
    let write = |load: &mut store::Load<'_>, block: u64, rows: std::ops::Range<usize>| {
        load.write(block, &documents[rows.clone()], &vectors[rows])
            .expect("a block")
    };
    assert_eq!(
        write(&mut load, 0, 0..200),
        Written {
            rows: 200,
            passed_over: 0
        }
    );
    drop(load);
    // Another run of the same load.
    let mut load = store.load("products").expect("a load");
    assert!(load.is_done(0) && !load.is_done(1));
    assert_eq!(
        write(&mut load, 0, 0..200),
        Written {
            rows: 0,
            passed_over: 200
        }
    );
    assert_eq!(
        write(&mut load, 1, 200..500),
        Written {
            rows: 300,
            passed_over: 0
        }
    );
    assert_eq!(store.info().expect("the state").rows(), 500);
    assert_eq!(
        store.info().expect("the state").shards[0].loads,
        ["products"]
    );
    load.finish().expect("the end");
    assert!(store.info().expect("the state").shards[0].loads.is_empty());

    // Rows replace those with the same id: within a block the last one stays.
    let mut changed = documents[7].clone();
    changed.values[1] = Some(Value::Number(1.5));
    let mut last = changed.clone();
    last.texts[0] = "a\0b".to_owned();
    let mut load = store.load("changes").expect("a load");
    load.write(0, &[changed, last.clone()], &vectors[..2])
        .expect("a block");
    load.finish().expect("the end");
    assert_eq!(store.info().expect("the state").rows(), 500);
    // PostgreSQL has no NUL.
    last.texts[0] = "a\u{fffd}b".to_owned();
    assert_eq!(
        store.document(&last.id).expect("an answer"),
        Some(last.clone())
    );
    let vector = store
        .vector(&last.id)
        .expect("an answer")
        .expect("a vector");
    let length = vectors[1]
        .iter()
        .map(|value| value * value)
        .sum::<f32>()
        .sqrt();
    for (found, given) in vector.iter().zip(&vectors[1]) {
        assert!((found - given / length).abs() < 1e-3);
    }

    assert_eq!(
        store
            .remove(&[last.id.as_str(), "nothing", "id-00001"])
            .expect("a removal"),
        2
    );
    assert_eq!(store.document(&last.id).expect("an answer"), None);
    assert_eq!(store.vector(&last.id).expect("an answer"), None);
    assert_eq!(store.info().expect("the state").rows(), 498);
}

#[test]
fn a_row_may_be_long() {
    let servers = addresses(three());
    let settings = settings(4, Similarity::Cosine);
    let mut documents = shop(2);
    // More different words than a row of PostgreSQL takes, and one word more often than it counts.
    documents[0].texts[0] = (0..300_000).map(|word| format!("word{word} ")).collect();
    documents[1].texts[0] = "again ".repeat(100_000);
    documents[1].values[0] = Some(Value::Text("brand ".repeat(1000)));
    let vectors = vectors_of(&documents, 4);
    let store = loaded(&servers, options("long"), &settings, &documents, &vectors);
    for (text, id) in [("word17", "id-00000"), ("again", "id-00001")] {
        let query = Query {
            text: text.to_owned(),
            mode: Mode::Words,
            k: 3,
            ..Query::default()
        };
        let hits = store.answer(&query).expect("an answer").hits;
        assert_eq!(hits.len(), 1);
        assert_eq!(hits[0].id, id);
    }
    assert_eq!(
        store.document("id-00000").expect("an answer").as_ref(),
        Some(&documents[0])
    );
}

#[test]
fn a_new_store_takes_the_place_of_the_old_one() {
    let servers = addresses(three());
    let documents = shop(100);
    let (old, new) = (
        settings(WIDTH, Similarity::Cosine),
        settings(8, Similarity::Cosine),
    );
    let before = loaded(
        &servers,
        options("place"),
        &old,
        &documents,
        &vectors_of(&documents, WIDTH),
    );
    loaded(
        &servers,
        options("place_next"),
        &new,
        &documents[..50],
        &vectors_of(&documents[..50], 8),
    );
    PostgresStore::rename(&servers, options("place_next"), "place").expect("a rename");
    let query = Query {
        vector: vector_of("mouse", 8),
        mode: Mode::Meaning,
        k: 100,
        ..Query::default()
    };
    let after = PostgresStore::open(&servers, options("place")).expect("the new store");
    assert_eq!(after.settings(), &new);
    assert_eq!(after.answer(&query).expect("an answer").hits.len(), 50);
    // Who has the old one open is told.
    let error = before
        .answer(&Query {
            vector: vector_of("mouse", WIDTH),
            ..query.clone()
        })
        .expect_err("an error");
    assert!(
        error.to_string().ends_with("was replaced: open it again"),
        "{error}"
    );
    // It has vectors of the same model, although of another width.
    let refreshed = before.refreshed().expect("a look").expect("the new store");
    assert_eq!(refreshed.answer(&query).expect("an answer").hits.len(), 50);
    assert!(refreshed.refreshed().expect("a look").is_none());
    assert!(PostgresStore::open(&servers, options("place_next")).is_err());
    assert!(matches!(
        PostgresStore::rename(&servers, options("place"), "place"),
        Err(StoreError::SameName { .. })
    ));
    // A load that has not ended: only blocks, or not even these.
    let unfinished = PostgresStore::create(&servers, options("place_next"), &old).expect("a store");
    let rename = || PostgresStore::rename(&servers, options("place_next"), "place");
    assert!(matches!(rename(), Err(StoreError::Unfinished { .. })));
    let mut load = unfinished.load("half").expect("a load");
    load.write(0, &documents, &vectors_of(&documents, WIDTH))
        .expect("a block");
    unfinished
        .build_indexes(BuildOptions::default())
        .expect("the indexes");
    assert!(matches!(rename(), Err(StoreError::Unfinished { .. })));
    PostgresStore::delete(&servers, options("place_next")).expect("a removal");
    // Interrupted between two servers: the first has the new name already.
    loaded(
        &servers,
        options("place_next"),
        &old,
        &documents,
        &vectors_of(&documents, WIDTH),
    );
    // On the first server alone, as an interruption leaves it.
    crate::cluster::execute(
        &servers[0],
        "DROP SCHEMA place CASCADE; ALTER SCHEMA place_next RENAME TO place",
    );
    let error = PostgresStore::open(&servers, options("place")).expect_err("an error");
    assert!(
        error.to_string().contains("parts of different stores"),
        "{error}"
    );
    PostgresStore::rename(&servers, options("place_next"), "place").expect("a rename");
    assert_eq!(
        PostgresStore::open(&servers, options("place"))
            .expect("the store")
            .settings(),
        &old
    );
    PostgresStore::delete(&servers, options("place")).expect("a removal");
    assert!(PostgresStore::open(&servers, options("place")).is_err());
}

/// Loads everything, from where an earlier run ended.
fn load_all(servers: &[String]) -> Result<(), store::StoreError> {
    let documents = shop(ROWS);
    let settings = settings(WIDTH, Similarity::Cosine);
    let store = PostgresStore::create(servers, killed(), &settings)?;
    let mut load = store.load("products")?;
    for (block, documents) in documents.chunks(BLOCK).enumerate() {
        if !load.is_done(block as u64) {
            load.write(block as u64, documents, &vectors_of(documents, WIDTH))?;
        }
    }
    store.build_indexes(BuildOptions {
        workers: 0,
        ..BuildOptions::default()
    })
}

fn killed() -> Options {
    Options {
        connect_timeout: Duration::from_secs(10),
        ..options("killed")
    }
}

/// The process that is killed; without its variable there is nothing to do.
#[test]
fn loader() {
    if let Ok(servers) = std::env::var(CHILD) {
        let servers: Vec<String> = servers.split_whitespace().map(str::to_owned).collect();
        load_all(&servers).expect("a load");
    }
}

fn loader_process(servers: &[String]) -> std::process::Child {
    Command::new(std::env::current_exe().expect("this program"))
        .args(["loads::loader", "--exact", "--nocapture"])
        .env(CHILD, servers.join(" "))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the loader")
}

/// Every row once, where its hash says, and as it was given.
fn check_whole(servers: &[Server]) {
    let named = addresses(servers);
    load_all(&named).expect("the load is finished");
    let store = PostgresStore::open(&named, killed()).expect("the store");
    let info = store.info().expect("the state");
    assert_eq!(info.rows() as usize, ROWS);
    let documents = shop(ROWS);
    for (shard, state) in info.shards.iter().enumerate() {
        let here = documents
            .iter()
            .filter(|row| store::shard_of(&row.id, 3) == shard)
            .count();
        assert_eq!(state.rows as usize, here);
        assert!(state.hnsw && state.words);
    }
    let query = Query {
        vector: vector_of("mouse", WIDTH),
        mode: Mode::Meaning,
        k: ROWS,
        recall: Some(1.0),
        ..Query::default()
    };
    let mut found: Vec<Document> = store
        .answer(&query)
        .expect("an answer")
        .hits
        .into_iter()
        .map(|hit| Document {
            id: hit.id,
            texts: hit.texts,
            values: hit.values,
        })
        .collect();
    found.sort_by(|left, right| left.id.cmp(&right.id));
    assert_eq!(found, documents);
    PostgresStore::delete(&named, killed()).expect("a removal");
}

#[test]
fn loaders_and_servers_are_killed() {
    let servers = [Server::start(), Server::start(), Server::start()];
    let named = addresses(&servers);
    let begin = Instant::now();
    load_all(&named).expect("a load");
    let whole = begin.elapsed();
    check_whole(&servers);
    for round in 0..kills() {
        // The loader, at any moment of its work.
        let mut loader = loader_process(&named);
        std::thread::sleep(whole.mul_f64((random(round) % 1000) as f64 / 1000.0));
        loader.kill().expect("a kill");
        loader.wait().expect("its end");
        // A server, while another loader goes on.
        let mut loader = loader_process(&named);
        std::thread::sleep(whole.mul_f64((random(round + 1000) % 1000) as f64 / 1000.0));
        let victim = &servers[(random(round) >> 20) as usize % 3];
        victim.kill();
        loader.wait().expect("its end");
        victim.restart();
        check_whole(&servers);
    }
}
