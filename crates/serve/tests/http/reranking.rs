//! Scores of a reranker.

use std::time::{Duration, Instant};

use model::{Device, PairScorer};
use serde_json::json;
use serve::ServeOptions;

use crate::support::{PRODUCTS, Parts, Service, fixture};

const QUERY: &str = "steel bottle";

/// Titles by their scores, best first.
fn expected() -> Vec<(usize, f32)> {
    let scorer = PairScorer::builder().device(Device::Cpu);
    let scorer = scorer
        .load(fixture("rerankers/bert").to_str().unwrap())
        .unwrap();
    let pairs = PRODUCTS.map(|(_, title, _, _)| (QUERY, title));
    let mut scores: Vec<(usize, f32)> = scorer
        .scores(&pairs)
        .unwrap()
        .into_iter()
        .enumerate()
        .collect();
    scores.sort_by(|(_, one), (_, other)| other.total_cmp(one));
    scores
}

#[test]
fn texts_are_ordered_in_both_forms() {
    let service = Service::with(ServeOptions::default(), Parts::default().with_reranker());
    let titles = PRODUCTS.map(|(_, title, _, _)| title);
    let request = json!({ "query": QUERY, "texts": titles, "return_text": true });
    let plain = service.post("/rerank", &request).json();
    let request = json!({ "query": QUERY, "documents": titles, "top_n": 2, "return_documents": true, "model": "x" });
    let cohere = service.post("/v2/rerank", &request).json();
    assert_eq!(cohere["results"].as_array().unwrap().len(), 2);
    let places: Vec<usize> = expected().iter().map(|(place, _)| *place).collect();
    for (rank, place) in places.into_iter().enumerate() {
        assert_eq!(plain[rank]["index"], place, "{plain}");
        assert_eq!(plain[rank]["text"], titles[place]);
        let score = plain[rank]["score"].as_f64().unwrap();
        assert!((0.0..=1.0).contains(&score), "{score}");
        if rank < 2 {
            let found = &cohere["results"][rank];
            assert_eq!(
                (&found["index"], &found["document"]),
                (&json!(place), &json!({ "text": titles[place] }))
            );
            assert_eq!(found["relevance_score"], plain[rank]["score"]);
        }
    }
    let raw = service
        .post(
            "/rerank",
            &json!({ "query": QUERY, "texts": titles, "raw_scores": true }),
        )
        .json();
    for (rank, plain) in raw
        .as_array()
        .unwrap()
        .iter()
        .zip(plain.as_array().unwrap())
    {
        let sigmoid = 1.0 / (1.0 + (-rank["score"].as_f64().unwrap()).exp());
        // A sigmoid and its inverse, in f32.
        assert!(
            (sigmoid - plain["score"].as_f64().unwrap()).abs() < 1e-6,
            "{rank} {plain}"
        );
    }
    let objects = json!({ "query": QUERY, "documents": [{ "text": "a" }, "b"] });
    assert_eq!(service.post("/v1/rerank", &objects).status, 200);
    assert_eq!(
        service
            .post("/rerank", &json!({ "query": "a", "texts": [] }))
            .status,
        422
    );
}

#[test]
fn a_long_pair_is_truncated_or_refused() {
    let service = Service::with(ServeOptions::default(), Parts::default().with_reranker());
    let begin = "steel bottle ".repeat(100);
    let long = format!("{begin}{}", "smart speaker ".repeat(100));
    let scores = |more: serde_json::Value| {
        let mut request = json!({ "query": QUERY, "texts": ["a", long] });
        let more = more.as_object().unwrap().clone();
        request.as_object_mut().unwrap().extend(more);
        service.post("/rerank", &request)
    };
    let score = |more| {
        let answer = scores(more);
        assert_eq!(answer.status, 200, "{answer:?}");
        let ranks = answer.json();
        let ranks = ranks.as_array().unwrap().iter();
        let long = ranks.clone().find(|rank| rank["index"] == 1).unwrap();
        long["score"].as_f64().unwrap()
    };
    let truncated = score(json!({}));
    // The model truncates at the end: what it reads is in the first half.
    assert_eq!(score(json!({ "texts": ["a", begin] })), truncated);
    assert_eq!(score(json!({ "truncate": true })), truncated);
    assert_eq!(score(json!({ "truncation_direction": "Right" })), truncated);
    assert_ne!(score(json!({ "truncation_direction": "left" })), truncated);
    let refused = scores(json!({ "truncate": false }));
    assert_eq!(refused.status, 422, "{refused:?}");
    assert!(
        refused
            .error()
            .starts_with("text 2 of `texts` and the query have more than"),
        "{refused:?}"
    );
    let short = json!({ "query": QUERY, "texts": ["a", "b"], "truncate": false });
    assert_eq!(service.post("/rerank", &short).status, 200);

    let strict = ServeOptions {
        auto_truncate: false,
        ..ServeOptions::default()
    };
    let strict = Service::with(strict, Parts::default().with_reranker());
    let pair = json!({ "query": QUERY, "texts": [long] });
    assert_eq!(strict.post("/rerank", &pair).status, 422);
    let pair = json!({ "query": QUERY, "documents": [long] });
    assert_eq!(strict.post("/v1/rerank", &pair).status, 422);
    let pair = json!({ "query": QUERY, "texts": [long], "truncate": true });
    assert_eq!(strict.post("/rerank", &pair).status, 200);
}

#[test]
fn the_reranker_has_a_speed_of_its_own() {
    let service = Service::with(ServeOptions::default(), Parts::default().with_reranker());
    assert!(service.counter("te_rerank_tokens_per_second") > 0.0);
    assert!(service.counter("te_tokens_per_second") > 0.0);
    let without = Service::new(ServeOptions::default());
    assert_eq!(without.counter("te_rerank_tokens_per_second"), 0.0);
}

#[test]
fn a_search_may_be_reranked() {
    let service = Service::with(ServeOptions::default(), Parts::products().with_reranker());
    let answer = service
        .post(
            "/search",
            &json!({ "query": QUERY, "rerank": true, "mode": "meaning" }),
        )
        .json();
    assert_eq!(answer["metric"], "rerank");
    let found: Vec<(&str, f32)> = answer["hits"]
        .as_array()
        .unwrap()
        .iter()
        .map(|hit| {
            (
                hit["id"].as_str().unwrap(),
                hit["score"].as_f64().unwrap() as f32,
            )
        })
        .collect();
    let expected: Vec<(&str, f32)> = expected()
        .into_iter()
        .map(|(place, score)| (PRODUCTS[place].0, score))
        .collect();
    assert_eq!(found, expected);
    let page =
        json!({ "query": QUERY, "rerank": true, "mode": "meaning", "top_k": 1, "offset": 1 });
    let page = service.post("/search", &page).json();
    assert_eq!(page["hits"][0]["id"], expected[1].0);
    // Beyond the depth each page would have another order.
    let beyond =
        json!({ "query": QUERY, "rerank": true, "rerank_depth": 2, "top_k": 2, "offset": 1 });
    let refused = service.post("/search", &beyond);
    assert_eq!(refused.status, 422, "{refused:?}");
    assert!(
        refused.error().contains("`rerank_depth` of at least 3"),
        "{refused:?}"
    );
    let sorted = json!({ "query": QUERY, "rerank": true, "sort": "price" });
    let refused = service.post("/search", &sorted);
    assert!(refused.error().contains("leave `sort` out"), "{refused:?}");
    let long = json!({ "query": "a".repeat(9000), "texts": ["a"] });
    let refused = service.post("/rerank", &long);
    assert!(refused.error().contains("8192 bytes"), "{refused:?}");
    let long = json!({ "query": "a", "texts": ["a", "a ".repeat(150_000)] });
    let refused = service.post("/rerank", &long);
    assert!(
        refused.error().contains("text 2 of `texts` has more"),
        "{refused:?}"
    );
}

#[test]
fn a_reranked_search_keeps_no_query_waiting() {
    let service = Service::with(
        ServeOptions {
            // A query that waited behind other interactive work would be refused.
            max_interactive_queue_seconds: 0.0,
            max_batch_tokens: Some(64),
            turn_pause: Duration::from_millis(20),
            ..ServeOptions::default()
        },
        Parts::products().with_reranker(),
    );
    let product = |row| json!({ "sku": format!("P{row}"), "title": format!("bottle {row}") });
    let products: Vec<serde_json::Value> = (0..200).map(product).collect();
    let answer = service.post("/documents", &json!({ "documents": products }));
    assert_eq!(answer.status, 200, "{answer:?}");
    let search = json!({ "query": QUERY, "rerank": true, "rerank_depth": 200, "mode": "meaning" });
    let reranked = || service.post_with("/search", &search, &[("x-priority", "interactive")]);
    std::thread::scope(|scope| {
        let first = scope.spawn(reranked);
        let begin = Instant::now();
        // More tokens than those of the query.
        while service.counter("te_queue_tokens") < 300.0 {
            assert!(begin.elapsed() < Duration::from_secs(60));
        }
        let query = service.post("/embed", &json!({ "inputs": "a" }));
        assert_eq!(query.status, 200, "{query:?}");
        assert!(service.counter("te_queue_tokens") > 0.0);
        assert_eq!(first.join().unwrap().status, 200);
    });
}

#[test]
fn a_reranked_search_is_refused_before_anything_is_computed() {
    let service = Service::with(
        ServeOptions {
            max_queue_seconds: 0.0,
            max_interactive_queue_seconds: 60.0,
            max_batch_tokens: Some(64),
            turn_pause: Duration::from_millis(2),
            ..ServeOptions::default()
        },
        Parts::products().with_reranker(),
    );
    let bulk = json!({ "inputs": vec!["a bottle that keeps drinks cold for a day"; 2000] });
    let computed = || service.counter("te_request_inference_duration_count");
    std::thread::scope(|scope| {
        let first = scope.spawn(|| service.post("/embed", &bulk));
        let begin = Instant::now();
        while service.counter("te_queue_tokens") == 0.0 {
            assert!(begin.elapsed() < Duration::from_secs(60));
        }
        let before = computed();
        // 50 hits are more than a turn.
        let search = json!({ "query": QUERY, "rerank": true, "mode": "meaning" });
        let refused = service.post("/search", &search);
        assert_eq!(refused.status, 429, "{refused:?}");
        assert_eq!(computed(), before);
        // Without the reranker it is a query as others.
        let search = json!({ "query": QUERY, "mode": "meaning" });
        assert_eq!(service.post("/search", &search).status, 200);
        assert_eq!(computed(), before + 1.0);
        assert_eq!(first.join().unwrap().status, 200);
    });
    let search = json!({ "query": QUERY, "rerank": true, "mode": "meaning" });
    assert_eq!(service.post("/search", &search).status, 200);
}
