//! Keys, pages of other origins, and what is open to everybody.

use serde_json::json;
use serve::ServeOptions;

use crate::support::{Service, agent, answer};

#[test]
fn with_keys_every_answer_about_texts_needs_one() {
    let service = Service::new(ServeOptions {
        api_keys: vec!["first".to_owned(), "second".to_owned()],
        ..ServeOptions::default()
    });
    let body = json!({ "inputs": "a" });
    let refused = service.post("/embed", &body);
    assert_eq!(
        (refused.status, refused.json()["error_type"].as_str()),
        (401, Some("Unauthorized"))
    );
    assert_eq!(refused.headers["www-authenticate"], "Bearer");
    let openai = service.post_with(
        "/v1/embeddings",
        &json!({ "input": "a" }),
        &[("authorization", "Bearer third")],
    );
    assert_eq!(
        (openai.status, openai.json()["error"]["type"].as_str()),
        (401, Some("authentication_error"))
    );
    assert_eq!(service.get("/info").status, 401);
    for key in ["Bearer first", "Bearer second"] {
        assert_eq!(
            service
                .post_with("/embed", &body, &[("authorization", key)])
                .status,
            200
        );
    }
    for path in [
        "/health",
        "/livez",
        "/readyz",
        "/ping",
        "/metrics",
        "/api-doc/openapi.json",
    ] {
        assert_eq!(service.get(path).status, 200, "{path}");
    }
    service
        .server()
        .control()
        .replace_keys(vec!["third".to_owned()]);
    assert_eq!(
        service
            .post_with("/embed", &body, &[("authorization", "Bearer first")])
            .status,
        401
    );
    assert_eq!(
        service
            .post_with("/embed", &body, &[("authorization", "Bearer third")])
            .status,
        200
    );
}

#[test]
fn a_page_of_another_origin_may_ask_only_if_it_is_allowed() {
    let preflight = |service: &Service, origin: &str| {
        let request = agent().options(format!("{}/embed", service.url));
        let request = request
            .header("origin", origin)
            .header("access-control-request-method", "POST");
        answer(
            request
                .header(
                    "access-control-request-headers",
                    "authorization,content-type",
                )
                .call()
                .unwrap(),
        )
    };
    let closed = Service::new(ServeOptions::default());
    assert!(
        !preflight(&closed, "https://shop.example")
            .headers
            .contains_key("access-control-allow-origin")
    );
    let open = Service::new(ServeOptions {
        cors_allow_origin: vec!["https://shop.example".parse().unwrap()],
        ..ServeOptions::default()
    });
    let allowed = preflight(&open, "https://shop.example");
    assert_eq!(
        allowed.headers["access-control-allow-origin"],
        "https://shop.example"
    );
    assert!(
        allowed.headers["access-control-allow-headers"]
            .to_str()
            .unwrap()
            .contains("authorization")
    );
    let other = preflight(&open, "https://other.example");
    assert!(
        !other.headers.contains_key("access-control-allow-origin"),
        "{other:?}"
    );
}

#[test]
fn the_service_says_what_it_is() {
    let service = Service::new(ServeOptions::default());
    let info = service.get("/info").json();
    assert_eq!(info["model_id"], "tiny");
    assert_eq!(
        (&info["dimensions"], &info["max_input_length"]),
        (&json!(32), &json!(62))
    );
    assert_eq!(service.get("/v1/models").json()["data"][0]["id"], "tiny");
    service.post("/embed", &json!({ "inputs": "a" }));
    let metrics = service.get("/metrics").body;
    for line in [
        "te_request_count{method=\"/embed\"} 1",
        "te_request_success{method=\"/embed\"} 1",
        "te_queue_size 0",
        "te_queue_tokens 0",
    ] {
        assert!(
            metrics.lines().any(|found| found == line),
            "{line} is not in {metrics}"
        );
    }
    let document = service.get("/api-doc/openapi.json").json();
    for path in [
        "/embed",
        "/v1/embeddings",
        "/search",
        "/recommend",
        "/documents",
        "/v1/rerank",
        "/decode",
        "/metrics",
    ] {
        assert!(document["paths"][path].is_object(), "{path}");
    }
}
