//! Products are added, replaced and removed while they are searched.

use std::path::Path;

use search::index::{IndexReader, IndexWriter, MergedSegment};
use serde_json::{Value, json};
use serve::ServeOptions;

use crate::support::{Parts, Service, document, products, settings, tiny};

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
fn an_answered_change_is_on_disk_and_found() {
    let parts = Parts::products();
    let folder = parts.index();
    let service = Service::with(ServeOptions::default(), parts);
    let change = |body: Value| {
        let answer = service.post("/documents", &body);
        assert_eq!(answer.status, 200, "{answer:?}");
        let answer = answer.json();
        ["written", "unchanged", "removed", "rows"].map(|key| answer[key].as_u64().unwrap())
    };
    assert_eq!(change(json!({ "documents": [lamp(10.0)] })), [1, 0, 0, 5]);
    assert_eq!(found(&service, "purple"), ["L1"]);
    let index = IndexReader::open(&folder).unwrap();
    let vector = tiny().encode_document(&["purple desk lamp"]).unwrap();
    let stored = index.vector("L1").unwrap().unwrap();
    for (stored, own) in stored.iter().zip(vector.values()) {
        // The index normalizes once more.
        assert!((stored - own).abs() < 1e-6);
    }
    assert_eq!(change(json!({ "documents": [lamp(10.0)] })), [0, 1, 0, 5]);
    // The same text with another price needs no vector.
    assert_eq!(change(json!({ "documents": [lamp(12.0)] })), [1, 0, 0, 5]);
    let document = IndexReader::open(&folder)
        .unwrap()
        .document("L1")
        .unwrap()
        .unwrap();
    assert_eq!(document.values[1].as_ref().unwrap().to_string(), "12");
    // Of two with one id the later counts, also where the index has its text already.
    let other = json!({ "sku": "L1", "title": "green lamp" });
    assert_eq!(
        change(json!({ "documents": [other, lamp(12.0)] })),
        [0, 1, 0, 5]
    );
    assert_eq!(change(json!({ "remove": ["L1", "none"] })), [0, 0, 1, 4]);
    // One that is added and removed is removed.
    let neither = json!({ "documents": [lamp(1.0)], "remove": ["L1"] });
    assert_eq!(change(neither), [0, 0, 0, 4]);
    assert!(found(&service, "purple").is_empty());
}

#[test]
fn a_change_that_does_not_fit_changes_nothing() {
    let parts = Parts::products();
    let folder = parts.index();
    let service = Service::with(ServeOptions::default(), parts);
    let before = IndexReader::open(&folder).unwrap().content_hash();
    for (second, message) in [
        (
            json!({ "title": "a" }),
            "document 2: the id is missing: name it \"sku\"",
        ),
        (json!({ "sku": "x" }), "document 2: \"x\" has no text"),
        (
            json!({ "sku": "x", "title": "a", "colour": "red" }),
            "document 2: the index has no column \"colour\"",
        ),
        (
            json!({ "sku": "x", "title": "a", "price": "cheap" }),
            "document 2: \"price\":",
        ),
        (
            json!({ "sku": "x", "title": ["a"] }),
            "document 2: \"title\" is neither a text nor a number",
        ),
    ] {
        let answer = service.post("/documents", &json!({ "documents": [lamp(1.0), second] }));
        assert_eq!(answer.status, 422, "{answer:?}");
        assert!(answer.error().contains(message), "{answer:?}");
    }
    assert_eq!(IndexReader::open(&folder).unwrap().content_hash(), before);
}

#[test]
fn an_index_that_another_program_changes_is_taken_up() {
    let parts = Parts::products();
    let folder = parts.index();
    let service = Service::with(ServeOptions::default(), parts);
    let mut writer = IndexWriter::open(&folder).unwrap();
    let vector = tiny().encode_document(&["purple lamp"]).unwrap();
    writer
        .add(
            &document("L1", "purple lamp", "Zed", 1.0),
            Some(vector.values()),
        )
        .unwrap();
    // Two writers at a time are one too many.
    let locked = service.post("/documents", &json!({ "remove": ["B1"] }));
    assert_eq!(locked.status, 409, "{locked:?}");
    writer.commit().unwrap();
    drop(writer);
    let begin = std::time::Instant::now();
    while found(&service, "purple") != ["L1"] {
        assert!(begin.elapsed().as_secs() < 30);
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    assert_eq!(
        service
            .post("/documents", &json!({ "remove": ["B1"] }))
            .json()["rows"],
        4
    );
}

#[test]
fn an_index_that_took_the_place_of_another_is_taken_up() {
    let parts = Parts::products();
    let folder = parts.index();
    let service = Service::with(ServeOptions::default(), parts);
    assert_ne!(found(&service, "bottle"), ["L1"]);
    // Both have as many commits.
    let vector = tiny().encode_document(&["purple bottle"]).unwrap();
    let bottle = document("L1", "purple bottle", "Zed", 1.0);
    let other = Parts::of(vec![(bottle, vector.into_values())]);
    std::fs::rename(&folder, folder.with_file_name("old")).unwrap();
    std::fs::rename(other.index(), &folder).unwrap();
    let begin = std::time::Instant::now();
    while found(&service, "bottle") != ["L1"] {
        assert!(begin.elapsed().as_secs() < 30);
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}

#[test]
fn vectors_of_another_model_are_never_written() {
    let parts = Parts::products();
    let folder = parts.index();
    let service = Service::with(ServeOptions::default(), parts);
    let mut other = settings();
    other.model.identity = "another".to_owned();
    let mut writer = IndexWriter::rebuild(&folder, other).unwrap();
    for (document, vector) in products() {
        writer.add(&document, Some(&vector)).unwrap();
    }
    writer.switch().unwrap();
    let before = IndexReader::open(&folder).unwrap().content_hash();
    let change = json!({ "documents": [lamp(1.0)], "remove": ["B1"] });
    let refused = service.post("/documents", &change);
    assert_eq!(refused.status, 409, "{refused:?}");
    assert!(
        refused.error().contains("restart the service"),
        "{refused:?}"
    );
    assert_eq!(IndexReader::open(&folder).unwrap().content_hash(), before);
    // Searches go on with what there was.
    assert_eq!(found(&service, "keyboard"), ["K1"]);
}

#[test]
fn changes_at_the_same_time_are_all_there() {
    let parts = Parts::products();
    let folder = parts.index();
    let service = Service::with(ServeOptions::default(), parts);
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let service = &service;
            scope.spawn(move || {
                for number in 0..5 {
                    let id = format!("T{thread}-{number}");
                    let body =
                        json!({ "documents": [{ "sku": id, "title": format!("thing {id}") }] });
                    let answer = service.post("/documents", &body);
                    assert_eq!(answer.status, 200, "{answer:?}");
                }
            });
        }
    });
    let index = IndexReader::open(&folder).unwrap();
    assert_eq!(index.len(), 44);
    assert!(index.document("T7-4").unwrap().is_some());
}

/// A merge that is written and not installed: the service can make none meanwhile.
fn held_up(folder: &Path) -> MergedSegment {
    let mut writer = IndexWriter::open(folder).unwrap();
    let vector = tiny().encode_document(&["other"]).unwrap();
    for id in ["H1", "H2"] {
        let other = document(id, "other", "Zed", 1.0);
        writer.add(&other, Some(vector.values())).unwrap();
    }
    let (_, merge) = writer.commit_joining(0, &[]).unwrap();
    merge.unwrap().write().unwrap()
}

#[test]
fn segments_are_joined_in_the_background_and_nothing_is_lost() {
    let parts = Parts::products();
    let folder = parts.index();
    let held_up = held_up(&folder);
    let service = Service::with(ServeOptions::default(), parts);
    for part in 0..2 {
        let thing = |row| json!({ "sku": format!("F{part}-{row}"), "title": "first thing" });
        let things: Vec<Value> = (0..300).map(thing).collect();
        let answer = service.post("/documents", &json!({ "documents": things }));
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    // Together they are more than a commit joins by itself: the answers did not wait for the merge.
    let segments = || IndexReader::open(&folder).unwrap().info().segments;
    assert_eq!(segments(), 2);
    drop(held_up);
    let begin = std::time::Instant::now();
    while segments() > 1 {
        assert!(begin.elapsed().as_secs() < 60);
        // Another commit tries it again.
        let answer = service.post("/documents", &json!({ "remove": ["none"] }));
        assert_eq!(answer.status, 200, "{answer:?}");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let service = &service;
            scope.spawn(move || {
                for round in 0..6 {
                    let id = |row: usize| format!("T{thread}-{round}-{row}");
                    let thing = |row| json!({ "sku": id(row), "title": format!("thing {round}") });
                    let things: Vec<Value> = (0..60).map(thing).collect();
                    // Half of what came before goes.
                    let before = |row: usize| format!("T{thread}-{}-{row}", round - 1);
                    let remove: Vec<String> = match round {
                        0 => Vec::new(),
                        _ => (0..30).map(before).collect(),
                    };
                    let body = json!({ "documents": things, "remove": remove });
                    let answer = service.post("/documents", &body);
                    assert_eq!(answer.status, 200, "{answer:?}");
                }
            });
        }
    });
    let rows = 4 + 2 + 600 + 4 * (6 * 60 - 5 * 30);
    assert_eq!(search::index::verify(&folder).unwrap().rows, rows);
    let index = IndexReader::open(&folder).unwrap();
    for thread in 0..4 {
        for round in 0..6 {
            for row in 0..60 {
                let id = format!("T{thread}-{round}-{row}");
                let there = index.document(&id).unwrap().is_some();
                assert_eq!(there, round == 5 || row >= 30, "{id}");
            }
        }
    }
    let answer = service.post("/documents", &json!({ "remove": ["B1"] }));
    assert_eq!(answer.json()["rows"], rows - 1, "{answer:?}");
}

#[test]
fn beyond_this_machine_writing_needs_a_key() {
    let open = ServeOptions {
        host: "0.0.0.0".parse().unwrap(),
        ..ServeOptions::default()
    };
    let service = Service::with(open.clone(), Parts::products());
    assert_eq!(
        service
            .post("/documents", &json!({ "remove": ["B1"] }))
            .status,
        403
    );
    let keyed = ServeOptions {
        api_keys: vec!["key".to_owned()],
        ..open
    };
    let service = Service::with(keyed, Parts::products());
    let key = [("authorization", "Bearer key")];
    assert_eq!(
        service
            .post_with("/documents", &json!({ "remove": ["B1"] }), &key)
            .status,
        200
    );
}

#[test]
fn a_page_of_another_site_changes_nothing() {
    let service = Service::with(ServeOptions::default(), Parts::products());
    let change = json!({ "remove": ["B1"] });
    let refused = service.post_with("/documents", &change, &[("host", "shop.example:8080")]);
    assert_eq!(refused.status, 403, "{refused:?}");
    let local = ("host", "localhost:8080");
    let evil = [local, ("origin", "https://shop.example")];
    let refused = service.post_with("/documents", &change, &evil);
    assert_eq!(refused.status, 403, "{refused:?}");
    let own = [local, ("origin", "http://localhost:8080")];
    assert_eq!(service.post_with("/documents", &change, &own).status, 200);
    let program = service.post_with("/documents", &change, &[local]);
    assert_eq!(program.status, 200, "{program:?}");
}
