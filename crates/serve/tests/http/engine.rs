//! Overload, priorities, and requests that nobody waits for.

use std::io::Write;
use std::net::TcpStream;
use std::sync::atomic::{AtomicU8, Ordering};
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

/// What happens in the next turn of a service: 1 is a panic, 2 a turn that hangs for a while.
static FAULT: AtomicU8 = AtomicU8::new(0);

const BATCH_LIMIT: Duration = Duration::from_millis(100);

fn fault() {
    match FAULT.swap(0, Ordering::SeqCst) {
        1 => panic!("a fault of the test"),
        2 => std::thread::sleep(BATCH_LIMIT * 50),
        _ => {}
    }
}

/// Waits for a status of the readiness.
fn until_ready_is(service: &Service, status: u16) {
    let begin = Instant::now();
    while service.get("/readyz").status != status {
        assert!(begin.elapsed() < LONG);
    }
}

#[test]
fn a_turn_that_fails_or_hangs_costs_its_requests_alone() {
    let service = Service::new(ServeOptions {
        batch_limit: BATCH_LIMIT,
        in_turn: fault,
        ..ServeOptions::default()
    });
    let embed = || service.post("/embed", &json!({ "inputs": "a" }));
    FAULT.store(1, Ordering::SeqCst);
    let failed = embed();
    assert_eq!(failed.status, 424, "{failed:?}");
    assert!(failed.error().contains("the batch failed"), "{failed:?}");
    // The turn that failed may take longer than one may.
    until_ready_is(&service, 200);
    assert_eq!(embed().status, 200);
    until(&service, |tokens| tokens == 0.0);
    until_ready_is(&service, 200);
    std::thread::scope(|scope| {
        FAULT.store(2, Ordering::SeqCst);
        let hanging = scope.spawn(embed);
        // It is in its turn, or waits behind it.
        until(&service, |tokens| tokens > 0.0);
        let behind = scope.spawn(embed);
        until_ready_is(&service, 503);
        // Nothing is taken that would wait behind it.
        assert_eq!(embed().status, 503);
        // It is alive all the same.
        assert_eq!(service.get("/livez").status, 200);
        // Both are told so while it still hangs.
        for waiting in [hanging, behind] {
            let answer = waiting.join().unwrap();
            assert_eq!(answer.status, 503, "{answer:?}");
        }
        assert_eq!(service.get("/readyz").status, 503);
    });
    until_ready_is(&service, 200);
}
