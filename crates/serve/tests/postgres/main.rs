//! A service over a store: products in PostgreSQL are changed while they are searched.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may"
)]

#[path = "../../../store/tests/postgres/cluster.rs"]
#[allow(dead_code, reason = "the tests of the store use more of it")]
mod cluster;
#[path = "../http/support.rs"]
#[allow(dead_code, reason = "the other tests of the service use more of it")]
mod support;

use std::time::{Duration, Instant};

use search::index::{Document, Settings};
use serde_json::{Value, json};
use serve::{CatalogueSource, ServeOptions};
use store::{BuildOptions, Options, PostgresStore};

use cluster::{Server, addresses, three};
use support::{Parts, Service, document, products, settings, tiny};

fn options(name: &str) -> Options {
    Options {
        name: name.to_owned(),
        ..Options::default()
    }
}

/// A store of the four products.
fn loaded(servers: &[String], name: &str) -> PostgresStore {
    loaded_with(servers, name, &settings(), products())
}

fn loaded_with(
    servers: &[String],
    name: &str,
    settings: &Settings,
    products: Vec<(Document, Vec<f32>)>,
) -> PostgresStore {
    let store = PostgresStore::create(servers, options(name), settings).unwrap();
    let (documents, vectors): (Vec<_>, Vec<_>) = products.into_iter().unzip();
    let mut load = store.load("products").unwrap();
    load.write(0, &documents, &vectors).unwrap();
    store.build_indexes(BuildOptions::default()).unwrap();
    load.finish().unwrap();
    store
}

fn service(servers: &[String], name: &str, options: ServeOptions) -> Service {
    let parts = Parts {
        catalogue: Some(CatalogueSource::Store(loaded(servers, name))),
        ..Parts::default()
    };
    Service::with(options, parts)
}

fn found(service: &Service, query: &str) -> Vec<String> {
    let answer = service
        .post("/search", &json!({ "query": query, "mode": "words" }))
        .json();
    let hits = answer["hits"].as_array().unwrap();
    hits.iter()
        .map(|hit| hit["id"].as_str().unwrap().to_owned())
        .collect()
}

fn lamp(price: f64) -> Value {
    json!({ "sku": "L1", "title": "purple desk lamp", "brand": "Zed", "price": price })
}

#[test]
fn an_answered_change_is_committed_and_found() {
    let servers = addresses(three());
    let service = service(&servers, "change", ServeOptions::default());
    // Another program sees the same.
    let store = PostgresStore::open(&servers, options("change")).unwrap();
    let change = |body: Value| {
        let answer = service.post("/documents", &body);
        assert_eq!(answer.status, 200, "{answer:?}");
        let answer = answer.json();
        assert_eq!(answer["rows"], Value::Null, "a store does not count them");
        ["written", "unchanged", "removed"].map(|key| answer[key].as_u64().unwrap())
    };
    assert_eq!(change(json!({ "documents": [lamp(10.0)] })), [1, 0, 0]);
    assert_eq!(found(&service, "purple"), ["L1"]);
    let stored = store.vector("L1").unwrap().unwrap();
    let own = tiny().encode_document(&["purple desk lamp"]).unwrap();
    for (stored, own) in stored.iter().zip(own.values()) {
        // Half precision of numbers below 1.
        assert!((stored - own).abs() < 5e-4, "{stored} {own}");
    }
    assert_eq!(change(json!({ "documents": [lamp(10.0)] })), [0, 1, 0]);
    let computed = service.counter("te_request_inference_duration_count");
    // The same text with another price needs no vector, and keeps the bits of its own.
    assert_eq!(change(json!({ "documents": [lamp(12.0)] })), [1, 0, 0]);
    assert_eq!(
        service.counter("te_request_inference_duration_count"),
        computed
    );
    assert_eq!(store.vector("L1").unwrap().unwrap(), stored);
    let document = store.document("L1").unwrap().unwrap();
    assert_eq!(document.values[1].as_ref().unwrap().to_string(), "12");
    let moved = json!({ "sku": "L1", "title": "green lamp" });
    let more = json!({ "sku": "L2", "title": "purple chair" });
    let both = json!({ "documents": [moved, more], "remove": ["B1", "none"] });
    assert_eq!(change(both), [2, 0, 1]);
    assert_eq!(found(&service, "purple"), ["L2"]);
    assert_eq!(found(&service, "green"), ["L1"]);
    assert!(found(&service, "insulated").is_empty());
    let similar = service.post("/recommend", &json!({ "ids": ["L2"] }));
    assert_eq!(similar.status, 200, "{similar:?}");
    // One that is added and removed is removed.
    let neither = json!({ "documents": [lamp(1.0)], "remove": ["L1"] });
    assert_eq!(change(neither), [0, 0, 1]);
    assert_eq!(store.info().unwrap().rows(), 4);
    PostgresStore::delete(&servers, options("change")).unwrap();
}

#[test]
fn a_change_that_does_not_fit_changes_nothing() {
    let servers = addresses(three());
    let service = service(&servers, "unfit", ServeOptions::default());
    let store = PostgresStore::open(&servers, options("unfit")).unwrap();
    for (second, message) in [
        (json!({ "title": "a" }), "document 2: the id is missing"),
        (json!({ "sku": "x" }), "document 2: \"x\" has no text"),
        (
            json!({ "sku": "x", "title": "a", "colour": "red" }),
            "document 2: the index has no column \"colour\"",
        ),
        // PostgreSQL's texts hold no NUL.
        (
            json!({ "sku": "a\0b", "title": "a" }),
            "has an id that a store does not take",
        ),
    ] {
        let body = json!({ "documents": [lamp(1.0), second], "remove": ["B1"] });
        let answer = service.post("/documents", &body);
        assert_eq!(answer.status, 422, "{answer:?}");
        assert!(answer.error().contains(message), "{answer:?}");
    }
    let none = service.post("/documents", &json!({ "remove": ["a\0b"] }));
    assert_eq!(
        (none.status, &none.json()["removed"]),
        (200, &json!(0)),
        "{none:?}"
    );
    let unknown = service.post("/recommend", &json!({ "ids": ["a\0b"] }));
    assert_eq!(unknown.status, 404, "{unknown:?}");
    assert_eq!(store.info().unwrap().rows(), 4);
    assert!(found(&service, "purple").is_empty());
    PostgresStore::delete(&servers, options("unfit")).unwrap();
    // The store is gone.
    let answer = service.post("/documents", &json!({ "remove": ["B1"] }));
    assert_eq!(answer.status, 424, "{answer:?}");
}

#[test]
fn a_store_that_takes_the_place_of_another_one_is_taken_up() {
    let servers = addresses(three());
    let service = service(&servers, "shop", ServeOptions::default());
    let take_place = |settings: &Settings, products| {
        loaded_with(&servers, "shop_new", settings, products);
        PostgresStore::rename(&servers, options("shop_new"), "shop").unwrap();
    };
    let ask = || service.post("/search", &json!({ "query": "lamp", "mode": "words" }));
    let text = "yellow lamp".to_owned();
    let vector = tiny().encode_document(std::slice::from_ref(&text)).unwrap();
    let mut more = products();
    more.push((document("L9", &text, "Zed", 3.0), vector.into_values()));
    take_place(&settings(), more);
    // The service looks every second.
    let begin = Instant::now();
    while ask().status != 200 || found(&service, "lamp") != ["L9"] {
        assert!(begin.elapsed() < Duration::from_secs(20), "{:?}", ask());
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(
        service
            .post("/documents", &json!({ "documents": [lamp(1.0)] }))
            .status,
        200
    );
    assert_eq!(found(&service, "purple"), ["L1"]);
    // Vectors of another model are neither searched nor joined by those of this one.
    let mut other = settings();
    other.model.identity = "another".to_owned();
    take_place(&other, products());
    std::thread::sleep(Duration::from_millis(2500));
    let refused = [
        ask(),
        service.post("/documents", &json!({ "documents": [lamp(2.0)] })),
    ];
    for answer in refused {
        assert_eq!(answer.status, 424, "{answer:?}");
        assert!(answer.error().contains("was replaced"), "{answer:?}");
    }
    PostgresStore::delete(&servers, options("shop")).unwrap();
}

#[test]
fn a_store_is_not_changed_by_everybody() {
    let servers = addresses(three());
    let remove = json!({ "remove": ["B1"] });
    let key = ServeOptions {
        api_keys: vec!["key".to_owned()],
        ..ServeOptions::default()
    };
    let service = service(&servers, "keys", key);
    assert_eq!(service.post("/documents", &remove).status, 401);
    let key = [("authorization", "Bearer key")];
    assert_eq!(service.post_with("/documents", &remove, &key).status, 200);
    let open = ServeOptions {
        host: "0.0.0.0".parse().unwrap(),
        ..ServeOptions::default()
    };
    let parts = Parts {
        catalogue: Some(CatalogueSource::Store(
            PostgresStore::open(&servers, options("keys")).unwrap(),
        )),
        ..Parts::default()
    };
    let open = Service::with(open, parts);
    assert_eq!(open.post("/documents", &remove).status, 403);
    let elsewhere = [("host", "shop.example"), ("authorization", "Bearer key")];
    // A key is enough, whatever the name.
    assert_eq!(
        service.post_with("/documents", &remove, &elsewhere).status,
        200
    );
    PostgresStore::delete(&servers, options("keys")).unwrap();
}

#[test]
fn a_server_that_is_away_refuses_changes_until_it_is_back() {
    let server = Server::start();
    let servers = [server.address()];
    let service = service(&servers, "away", ServeOptions::default());
    server.kill();
    let change = json!({ "documents": [lamp(1.0)] });
    let refused = service.post("/documents", &change);
    assert_eq!(
        (refused.status, refused.json()["error_type"].as_str()),
        (424, Some("Backend")),
        "{refused:?}"
    );
    // Texts are embedded meanwhile.
    assert_eq!(
        service.post("/embed", &json!({ "inputs": "a" })).status,
        200
    );
    server.restart();
    assert_eq!(service.post("/documents", &change).status, 200);
    assert_eq!(found(&service, "purple"), ["L1"]);
}
