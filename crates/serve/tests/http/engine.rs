//! Overload, priorities, and requests that nobody waits for.

use std::io::Write;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::json;
use serve::ServeOptions;

use crate::support::Service;

/// Longer than anything takes on a busy machine.
const LONG: Duration = Duration::from_secs(60);

/// A bulk request has some 600 turns, and takes seconds with it.
const PAUSE: Duration = Duration::from_millis(2);

fn bulk() -> serde_json::Value {
    json!({ "inputs": vec!["a bottle that keeps drinks cold for a day, and hot for half a day"; 2000] })
}

/// Waits until so many tokens wait, or fewer.
fn until(service: &Service, reached: impl Fn(f64) -> bool) {
    let begin = Instant::now();
    while !reached(service.counter("te_queue_tokens")) {
        assert!(begin.elapsed() < LONG);
    }
}

#[test]
fn too_much_work_is_refused_at_once_and_says_when_to_come_again() {
    let service = Service::new(ServeOptions {
        max_queue_seconds: 0.0,
        max_interactive_queue_seconds: LONG.as_secs_f64(),
        max_batch_tokens: Some(64),
        turn_pause: PAUSE,
        ..ServeOptions::default()
    });
    std::thread::scope(|scope| {
        let first = scope.spawn(|| service.post("/embed", &bulk()));
        until(&service, |tokens| tokens > 0.0);
        let refused = service.post("/embed", &bulk());
        assert_eq!(
            (refused.status, refused.json()["error_type"].as_str()),
            (429, Some("Overloaded")),
            "{refused:?}"
        );
        assert!(
            refused.headers["retry-after"]
                .to_str()
                .unwrap()
                .parse::<u64>()
                .unwrap()
                >= 1
        );
        assert!(
            refused.headers["retry-after-ms"]
                .to_str()
                .unwrap()
                .parse::<u64>()
                .unwrap()
                >= 50
        );
        let openai = service.post("/v1/embeddings", &json!({ "input": bulk()["inputs"] }));
        assert_eq!(
            (openai.status, openai.json()["error"]["type"].as_str()),
            (429, Some("rate_limit_error"))
        );
        // A query has a priority of its own.
        assert_eq!(
            service.post("/embed", &json!({ "inputs": "a" })).status,
            200
        );
        let header = [("x-priority", "bulk")];
        assert_eq!(
            service
                .post_with("/embed", &json!({ "inputs": "a" }), &header)
                .status,
            429
        );
        let header = [("x-priority", "best")];
        assert_eq!(
            service
                .post_with("/embed", &json!({ "inputs": "a" }), &header)
                .status,
            422
        );
        assert_eq!(first.join().unwrap().status, 200);
    });
    assert_eq!(service.post("/embed", &bulk()).status, 200);
    assert_eq!(service.counter("te_request_shed"), 3.0);
}

#[test]
fn a_request_whose_client_is_gone_is_not_computed() {
    let service = Service::new(ServeOptions {
        max_batch_tokens: Some(64),
        turn_pause: PAUSE,
        ..ServeOptions::default()
    });
    let body = bulk().to_string();
    let mut client = TcpStream::connect(service.server().address()).unwrap();
    write!(
        client,
        "POST /embed HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    until(&service, |tokens| tokens > 0.0);
    drop(client);
    until(&service, |tokens| tokens == 0.0);
    let texts = service.counter("te_batch_next_size_sum");
    assert!(texts < 2000.0, "{texts} of 2000 texts were computed");
}

#[test]
fn a_request_that_has_begun_is_finished() {
    let service = Service::new(ServeOptions {
        request_timeout: Duration::from_millis(300),
        max_batch_tokens: Some(64),
        turn_pause: PAUSE,
        ..ServeOptions::default()
    });
    std::thread::scope(|scope| {
        let first = scope.spawn(|| service.post("/embed", &bulk()));
        until(&service, |tokens| tokens > 0.0);
        // A request that has begun is finished, however long it takes.
        assert_eq!(first.join().unwrap().status, 200);
    });
    assert_eq!(
        service.post("/embed", &json!({ "inputs": "a" })).status,
        200
    );
}

#[test]
fn bulk_work_does_not_stand_in_front_of_a_query() {
    let service = Service::new(ServeOptions {
        max_batch_tokens: Some(64),
        turn_pause: PAUSE,
        ..ServeOptions::default()
    });
    std::thread::scope(|scope| {
        let first = scope.spawn(|| service.post("/embed", &bulk()));
        until(&service, |tokens| tokens > 0.0);
        assert_eq!(
            service.post("/embed", &json!({ "inputs": "query" })).status,
            200
        );
        // The query was answered while the bulk still waits.
        assert!(service.counter("te_queue_tokens") > 0.0);
        assert_eq!(first.join().unwrap().status, 200);
    });
}

#[test]
fn a_large_request_that_calls_itself_interactive_is_bulk() {
    let service = Service::new(ServeOptions {
        max_batch_tokens: Some(64),
        turn_pause: PAUSE,
        ..ServeOptions::default()
    });
    let header = [("x-priority", "interactive")];
    std::thread::scope(|scope| {
        let first = scope.spawn(|| service.post_with("/embed", &bulk(), &header));
        until(&service, |tokens| tokens > 0.0);
        assert_eq!(
            service.post("/embed", &json!({ "inputs": "query" })).status,
            200
        );
        assert!(service.counter("te_queue_tokens") > 0.0);
        assert_eq!(first.join().unwrap().status, 200);
    });
}
