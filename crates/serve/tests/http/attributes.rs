//! Boosts, and facets of columns that are filtered.

use serde_json::json;
use serve::ServeOptions;

use crate::support::{Parts, Service};

#[test]
fn a_boost_brings_what_the_query_names() {
    let service = Service::with(ServeOptions::default(), Parts::products());
    for mode in ["meaning", "words", "hybrid"] {
        let plain = json!({ "query": "acme bottle", "mode": mode });
        let plain = service.post("/search", &plain).json();
        assert!(plain.get("boosts").is_none());
        let boosted = json!({ "query": "acme bottle", "mode": mode, "boost": { "BRAND": 9.0 }, "explain": true });
        let boosted = service.post("/search", &boosted).json();
        assert_eq!(
            boosted["boosts"],
            json!([{ "column": "brand", "value": "Acme", "weight": 9.0 }])
        );
        let score = |answer: &serde_json::Value, id: &str| {
            let hits = answer["hits"].as_array().unwrap();
            let hit = hits.iter().find(|hit| hit["id"] == id).unwrap();
            hit["score"].as_f64().unwrap() as f32
        };
        for hit in boosted["hits"].as_array().unwrap() {
            let id = hit["id"].as_str().unwrap();
            let boost = if hit["values"]["brand"] == "Acme" {
                9.0
            } else {
                0.0
            };
            assert_eq!(hit["explanation"]["boost"], boost);
            assert_eq!(
                score(&boosted, id),
                score(&plain, id) + boost,
                "{mode} {id}"
            );
        }
        assert_eq!(boosted["hits"][0]["values"]["brand"], "Acme");
    }
    // A query that names no value is not boosted.
    let answer = json!({ "query": "bottle", "boost": { "brand": 9.0 } });
    assert!(
        service
            .post("/search", &answer)
            .json()
            .get("boosts")
            .is_none()
    );
    for (boost, message) in [
        (json!({ "brand": -1.0 }), "from 0 on"),
        (json!({ "colour": 1.0 }), "colour"),
        (json!({ "price": 1.0 }), "number"),
    ] {
        let answer = service.post("/search", &json!({ "query": "acme", "boost": boost }));
        assert_eq!(answer.status, 422, "{answer:?}");
        assert!(answer.error().contains(message), "{answer:?}");
    }
}

#[test]
fn a_facet_keeps_the_values_beside_the_chosen_one() {
    let service = Service::with(ServeOptions::default(), Parts::products());
    let facets = |filter: Option<&str>| {
        let asked = json!({ "query": "bottle", "mode": "meaning", "facets": ["brand", "price"], "filter": filter });
        service.post("/search", &asked).json()["facets"].clone()
    };
    let (all, acme) = (facets(None), facets(Some("brand = acme")));
    assert_eq!(acme["brand"], all["brand"]);
    assert!(acme["brand"].as_array().unwrap().len() > 1);
    // The other facet counts what the filter keeps.
    assert_eq!(acme["price"].as_array().unwrap().len(), 2);
    let cheap = facets(Some("brand = acme AND price < 30"));
    assert_eq!(
        cheap["brand"],
        json!([{ "value": "Acme", "rows": 1 }, { "value": "Bolt", "rows": 1 }])
    );

    let page = service.get("/?q=bottle&in.brand=Acme").body;
    assert!(page.contains("aria-current=\"true\">Acme"), "{page}");
    assert!(page.contains(">Bolt <span class=\"count\">2"), "{page}");
    // A chosen value without rows can be taken back.
    let none = service.get("/?q=bottle&in.brand=Nobody").body;
    assert!(
        none.contains("aria-current=\"true\">Nobody <span class=\"count\">0"),
        "{none}"
    );
}
