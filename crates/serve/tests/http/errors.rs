//! Every refusal is JSON, in the words of its route.

use serde_json::json;
use serve::ServeOptions;

use crate::support::Service;

#[test]
fn a_wrong_request_is_refused_in_the_words_of_its_route() {
    let service = Service::new(ServeOptions {
        max_client_batch_size: 3,
        ..ServeOptions::default()
    });
    for (body, status, message) in [
        (json!({ "inputs": [] }), 422, "`inputs` has no text"),
        (
            json!({ "inputs": ["a", "b", "c", "d"] }),
            422,
            "`inputs` has 4 texts, and a request may have 3",
        ),
        (
            json!({ "inputs": [1, 2] }),
            422,
            "check_embedding_ctx_length=False",
        ),
        (
            json!({ "inputs": [[1, 2], [3]] }),
            422,
            "check_embedding_ctx_length=False",
        ),
        (
            json!({ "inputs": 5 }),
            422,
            "expected a text or a list of texts",
        ),
        (json!({}), 422, "missing field `inputs`"),
        (
            json!({ "inputs": "a", "dimensions": 0 }),
            422,
            "the vectors of this model have 32",
        ),
        (
            json!({ "inputs": "a", "dimensions": 33 }),
            422,
            "`dimensions` is 33",
        ),
        (
            json!({ "inputs": "a", "prompt_name": "none such" }),
            422,
            "none such",
        ),
        (
            json!({ "inputs": "a", "truncation_direction": "up" }),
            422,
            "`truncation_direction`",
        ),
    ] {
        let answer = service.post("/embed", &body);
        assert_eq!(answer.status, status, "{body} {answer:?}");
        assert_eq!(answer.json()["error_type"], "Validation", "{answer:?}");
        assert!(answer.error().contains(message), "{body} {answer:?}");
    }
    let openai = service.post("/v1/embeddings", &json!({ "input": "a", "dimensions": 99 }));
    assert_eq!(openai.status, 422);
    let error = &openai.json()["error"];
    assert_eq!(error["type"], "invalid_request_error");
    assert_eq!(
        (&error["param"], &error["code"]),
        (&json!("dimensions"), &json!(422))
    );
    let format = service.post(
        "/v1/embeddings",
        &json!({ "input": "a", "encoding_format": "hex" }),
    );
    assert_eq!(format.status, 422);
    assert!(
        format.json()["error"]["message"]
            .as_str()
            .unwrap()
            .contains("encoding_format")
    );
}

#[test]
fn a_body_that_is_no_json_is_refused() {
    let service = Service::new(ServeOptions {
        payload_limit: 1000,
        ..ServeOptions::default()
    });
    let long = format!("{{\"inputs\": \"{}\"}}", "a".repeat(2000));
    for (kind, body, status, name) in [
        ("application/json", &b"{\"inputs\": "[..], 400, "Malformed"),
        ("application/json", b"", 400, "Malformed"),
        (
            "application/json",
            b"{\"inputs\": \"\xff\"}",
            400,
            "Malformed",
        ),
        (
            "application/json",
            b"{\"inputs\": \"a\"} and more",
            400,
            "Malformed",
        ),
        ("text/plain", b"{\"inputs\": \"a\"}", 415, "Validation"),
        ("application/json", long.as_bytes(), 413, "Validation"),
    ] {
        let answer = service.post_bytes("/embed", kind, body);
        assert_eq!(
            (answer.status, &answer.json()["error_type"]),
            (status, &json!(name)),
            "{answer:?}"
        );
    }
    // Deeper than anything that a request may hold.
    let deep = format!("{{\"inputs\": {}", "[".repeat(500));
    let deep = service.post_bytes("/embed", "application/json", deep.as_bytes());
    assert_eq!(deep.status, 400, "{deep:?}");
    let charset = service.post_bytes(
        "/embed",
        "application/json; charset=utf-8",
        b"{\"inputs\": \"a\"}",
    );
    assert_eq!(charset.status, 200);
}

#[test]
fn an_unknown_route_and_a_wrong_method_are_json_too() {
    let service = Service::new(ServeOptions::default());
    let unknown = service.get("/nowhere");
    assert_eq!(
        (unknown.status, unknown.json()["error_type"].as_str()),
        (404, Some("NotFound"))
    );
    let unknown = service.get("/v1/nowhere");
    assert_eq!(
        (unknown.status, unknown.json()["error"]["type"].as_str()),
        (404, Some("invalid_request_error"))
    );
    let method = service.get("/embed");
    assert_eq!(
        (method.status, method.json()["error_type"].as_str()),
        (405, Some("MethodNotAllowed"))
    );
    assert_eq!(method.headers["allow"], "POST");
}

#[test]
fn models_of_other_kinds_are_named() {
    let service = Service::new(ServeOptions::default());
    for (path, body) in [
        ("/rerank", json!({ "query": "a", "texts": ["b"] })),
        ("/v1/rerank", json!({ "query": "a", "documents": ["b"] })),
        ("/predict", json!({ "inputs": "a" })),
        ("/embed_sparse", json!({ "inputs": "a" })),
        ("/search", json!({ "query": "a" })),
        ("/recommend", json!({ "ids": ["a"] })),
        ("/documents", json!({ "remove": ["a"] })),
    ] {
        let answer = service.post(path, &body);
        assert_eq!(answer.status, 424, "{path} {answer:?}");
    }
}

#[test]
fn refusals_are_logged() {
    let service = Service::new(ServeOptions::default());
    for _ in 0..3 {
        service.get("/nowhere");
    }
    let mut logged = 0;
    while logged < 3 {
        let line = service
            .log
            .lock()
            .unwrap()
            .recv_timeout(std::time::Duration::from_secs(30))
            .unwrap();
        assert!(
            line.contains("GET /nowhere: 404: there is no such route"),
            "{line}"
        );
        let others = line
            .split_once("(and ")
            .and_then(|(_, rest)| rest.split(' ').next()?.parse::<usize>().ok());
        logged += 1 + others.unwrap_or(0);
    }
    assert_eq!(logged, 3);
}
