//! Search and recommendations over an index.

use model::Prompt;
use search::index::IndexReader;
use search::{Mode, Query};
use serde_json::{Value, json};
use serve::ServeOptions;

use crate::support::{PRODUCTS, Parts, Service, tiny};

fn ids(answer: &Value) -> Vec<&str> {
    let hits = answer["hits"]
        .as_array()
        .unwrap_or_else(|| panic!("{answer}"));
    hits.iter().map(|hit| hit["id"].as_str().unwrap()).collect()
}

#[test]
fn hits_are_those_of_the_index() {
    let parts = Parts::products();
    let index = IndexReader::open(&parts.index()).unwrap();
    let service = Service::with(ServeOptions::default(), parts);
    let query = "insulated bottle";
    let vector = tiny().encode_with_progress(&[query], &Prompt::Query, |_| {
        std::ops::ControlFlow::Continue(())
    });
    let vector = vector.unwrap().into_values();
    for mode in Mode::ALL {
        let expected = index.answer(&Query {
            mode,
            vector: if mode == Mode::Words {
                Vec::new()
            } else {
                vector.clone()
            },
            text: if mode == Mode::Meaning {
                String::new()
            } else {
                query.to_owned()
            },
            k: 3,
            typos: true,
            ..Query::default()
        });
        let expected = expected.unwrap();
        let answer = service.post(
            "/search",
            &json!({ "query": query, "mode": mode.name(), "top_k": 3 }),
        );
        assert_eq!(answer.status, 200, "{answer:?}");
        let answer = answer.json();
        let found: Vec<(String, f32)> = answer["hits"]
            .as_array()
            .unwrap()
            .iter()
            .map(|hit| {
                (
                    hit["id"].as_str().unwrap().to_owned(),
                    hit["score"].as_f64().unwrap() as f32,
                )
            })
            .collect();
        let expected: Vec<(String, f32)> = expected
            .hits
            .iter()
            .map(|hit| (hit.id.clone(), hit.score))
            .collect();
        assert_eq!(found, expected, "{mode:?}");
        assert_eq!(
            (&answer["version"], &answer["query"]),
            (&json!(1), &json!(query))
        );
        assert!(answer["milliseconds"]["search"].as_f64().unwrap() >= 0.0);
    }
}

#[test]
fn filters_facets_orders_and_pages() {
    let service = Service::with(ServeOptions::default(), Parts::products());
    let answer = service.post(
        "/search",
        &json!({ "query": "bottle", "filter": "brand = acme", "facets": ["brand"], "sort": "-price", "mode": "meaning" }),
    );
    let answer = answer.json();
    assert_eq!(ids(&answer), ["K1", "B1"]);
    assert_eq!(
        answer["facets"]["brand"],
        json!([{ "value": "Acme", "rows": 2 }, { "value": "Bolt", "rows": 2 }])
    );
    assert_eq!(
        answer["hits"][0]["values"],
        json!({ "brand": "Acme", "price": 49.0 })
    );
    let all = service
        .post("/search", &json!({ "query": "bottle", "mode": "meaning" }))
        .json();
    let second =
        json!({ "query": "bottle", "mode": "meaning", "top_k": 2, "offset": 2, "explain": true });
    let second = service.post("/search", &second).json();
    assert_eq!(ids(&second), ids(&all)[2..]);
    assert!(second["hits"][0]["explanation"]["similarity"].is_number());
    let marked = service
        .post("/search", &json!({ "query": "bottle", "mode": "words" }))
        .json();
    assert_eq!(
        marked["hits"][0]["highlights"]["title"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[test]
fn a_wrong_question_is_refused() {
    let service = Service::with(ServeOptions::default(), Parts::products());
    for (body, message) in [
        (json!({ "query": " " }), "`query` is empty"),
        (
            json!({ "query": "a", "top_k": 0 }),
            "`top_k` must be from 1",
        ),
        (
            json!({ "query": "a", "top_k": 100_000 }),
            "`top_k` must be from 1",
        ),
        (json!({ "query": "a", "offset": 100_000 }), "`offset`"),
        (json!({ "query": "a", "filter": "brand =" }), ""),
        (json!({ "query": "a", "filter": "colour = red" }), "colour"),
        (json!({ "query": "a", "facets": ["colour"] }), "colour"),
        (json!({ "query": "a", "sort": "colour" }), "colour"),
        (json!({ "query": "a", "mode": "magic" }), "mode"),
        (json!({ "query": "a", "weight": 2 }), "`weight`"),
        (
            json!({ "query": "a".repeat(9000) }),
            "`query` has more than 8192 bytes",
        ),
        (
            json!({ "query": "a", "filter": "price = 1 OR ".repeat(1000) + "price = 2" }),
            "`filter` has more than",
        ),
        (
            json!({ "query": "a", "facets": ["brand", "brand"] }),
            "`facets` names a column twice",
        ),
    ] {
        let answer = service.post("/search", &body);
        assert_eq!(answer.status, 422, "{body} {answer:?}");
        assert!(answer.error().contains(message), "{body} {answer:?}");
    }
    for (body, status) in [
        (json!({}), 422),
        (json!({ "text": "" }), 422),
        (json!({ "ids": ["B1"], "text": "a" }), 422),
        (json!({ "ids": ["none"] }), 404),
    ] {
        let answer = service.post("/recommend", &body);
        assert_eq!(answer.status, status, "{body} {answer:?}");
    }
}

#[test]
fn recommendations_leave_out_their_examples() {
    let parts = Parts::products();
    let index = IndexReader::open(&parts.index()).unwrap();
    let service = Service::with(ServeOptions::default(), parts);
    let expected = index.answer(&Query {
        vector: index.vector("B1").unwrap().unwrap(),
        mode: Mode::Meaning,
        without: vec!["B1".to_owned()],
        k: 10,
        ..Query::default()
    });
    let expected: Vec<String> = expected
        .unwrap()
        .hits
        .iter()
        .map(|hit| hit.id.clone())
        .collect();
    let answer = service.post("/recommend", &json!({ "ids": ["B1"] })).json();
    assert_eq!(ids(&answer), expected);
    assert_eq!(answer["ids"], json!(["B1"]));
    let several = service
        .post("/recommend", &json!({ "ids": ["B1"], "not": ["K1"] }))
        .json();
    assert_eq!(ids(&several).len(), PRODUCTS.len() - 2);
    // The text of a product is closest to the product.
    let text = service
        .post("/recommend", &json!({ "text": PRODUCTS[2].1, "top_k": 1 }))
        .json();
    assert_eq!(
        (ids(&text), &text["text"]),
        (vec!["K1"], &json!(PRODUCTS[2].1))
    );
}

#[test]
fn side_by_side_embeds_the_query_once() {
    let service = Service::with(ServeOptions::default(), Parts::products());
    // A turn is counted after its answers, but this before them.
    let embedded = || service.counter("te_request_inference_duration_count");
    let alone = |mode: &str| {
        let page = service.get(&format!("/results?q=water+bottle&mode={mode}"));
        assert_eq!(page.status, 200, "{page:?}");
        page.body
    };
    assert_eq!(embedded(), 0.0);
    let both = alone("compare");
    assert_eq!(embedded(), 1.0);
    for title in ["Words", "Meaning", "Both"] {
        assert!(both.contains(title), "{both}");
    }
    // Each list is what its mode gives alone.
    let scores = |html: &str| -> Vec<String> {
        let parts = html.split("title=\"score\"").skip(1);
        parts.map(|part| part.chars().take(40).collect()).collect()
    };
    let single: Vec<String> = ["words", "meaning", "hybrid"]
        .iter()
        .flat_map(|mode| scores(&alone(mode)))
        .collect();
    assert!(!single.is_empty());
    assert_eq!(scores(&both), single);
    assert_eq!(embedded(), 3.0);
}

#[test]
fn the_page_says_what_is_wrong_with_its_own_status() {
    let service = Service::with(ServeOptions::default(), Parts::products());
    let page = service.get("/?q=water+bottle&mode=compare&in.brand=Acme&offset=99999999");
    assert_eq!(page.status, 200, "{page:?}");
    let page = service.get("/?q=water+bottle&in.brand=Acme");
    assert!(page.body.contains("<mark>"), "{page:?}");
    assert!(
        page.headers["content-security-policy"]
            .to_str()
            .unwrap()
            .contains("script-src 'self'")
    );
    let unknown = service.get("/?like=none");
    assert_eq!(unknown.status, 404);
    assert!(
        unknown.body.contains("<!DOCTYPE html>") && unknown.body.contains("no product has the id"),
        "{unknown:?}"
    );
    let metrics = service.get("/metrics").body;
    assert!(
        metrics.contains("te_request_failure{err=\"NotFound\"} 1"),
        "{metrics}"
    );
    let long = service.get(&format!("/?q={}", "a".repeat(9000)));
    assert_eq!(long.status, 400);
    // The form keeps what hits are like, and a query takes its place.
    let like = service.get("/?like=B1").body;
    assert!(
        like.contains(r#"<input type="hidden" name="like" value="B1">"#),
        "{like}"
    );
    let query = service.get("/?like=B1&q=bottle").body;
    assert!(!query.contains(r#"name="like""#), "{query}");
    assert!(query.contains("<mark>"), "{query}");
    let further = service
        .get("/?q=bottle&mode=meaning&in.brand=Acme&offset=400")
        .body;
    assert!(further.contains("No further product."), "{further}");
    assert!(!further.contains("Search without them"), "{further}");
    // Without products, what text-embeddings-inference answers.
    let bare = Service::new(ServeOptions::default()).get("/");
    assert_eq!((bare.status, bare.body.as_str()), (200, ""));
}
