//! Connections that are slow, silent or cut, and the end of the service.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::json;
use serve::ServeOptions;

use crate::support::Service;

/// Longer than anything takes on a busy machine.
const LONG: Duration = Duration::from_secs(60);

fn connect(service: &Service) -> TcpStream {
    let stream = TcpStream::connect(service.server().address()).unwrap();
    stream.set_read_timeout(Some(LONG)).unwrap();
    stream
}

fn head(length: usize) -> String {
    format!(
        "POST /embed HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
    )
}

/// Everything until the service closes the connection.
fn read_all(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    // A reset is an end too.
    let _ = stream.read_to_end(&mut bytes);
    String::from_utf8(bytes).unwrap()
}

#[test]
fn until_the_model_is_loaded_the_service_says_so() {
    let service = Service::loading(ServeOptions::default());
    assert_eq!(service.get("/livez").status, 200);
    for path in ["/readyz", "/health", "/ping"] {
        let answer = service.get(path);
        assert_eq!(
            (answer.status, answer.error().as_str()),
            (503, "the model is being loaded")
        );
    }
    assert_eq!(
        service.post("/embed", &json!({ "inputs": "a" })).status,
        503
    );
    service.load(None, None);
    assert_eq!(service.get("/readyz").status, 200);
    assert_eq!(
        service.post("/embed", &json!({ "inputs": "a" })).status,
        200
    );
}

#[test]
fn a_head_that_does_not_end_is_cut_off() {
    let service = Service::new(ServeOptions {
        header_timeout: Duration::from_millis(300),
        ..ServeOptions::default()
    });
    let mut slow = connect(&service);
    slow.write_all(b"POST /embed HTTP/1.1\r\nhost: x\r\nx-slow: ")
        .unwrap();
    let mut silent = connect(&service);
    let mut dripping = connect(&service);
    dripping.write_all(b"POST /embed HTTP/1.1\r\nx: ").unwrap();
    let begin = Instant::now();
    // A byte from time to time is no reason to wait longer.
    while dripping.write_all(b"a").is_ok() {
        assert!(begin.elapsed() < LONG);
        std::thread::sleep(Duration::from_millis(20));
    }
    read_all(&mut slow);
    read_all(&mut silent);
    assert!(begin.elapsed() < LONG, "{:?}", begin.elapsed());
    assert_eq!(
        service.post("/embed", &json!({ "inputs": "a" })).status,
        200
    );
}

#[test]
fn a_body_that_does_not_end_is_refused() {
    let service = Service::new(ServeOptions {
        request_timeout: Duration::from_millis(300),
        ..ServeOptions::default()
    });
    let mut slow = connect(&service);
    slow.write_all(head(100).as_bytes()).unwrap();
    slow.write_all(b"{\"inputs\":").unwrap();
    let mut answer = [0; 12];
    slow.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 408");
    let mut dripping = connect(&service);
    dripping.write_all(head(10_000).as_bytes()).unwrap();
    let begin = Instant::now();
    while dripping.write_all(b" ").is_ok() {
        assert!(begin.elapsed() < LONG);
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_question_has_a_limit_of_its_own() {
    let service = Service::new(ServeOptions::default());
    for path in ["/search", "/recommend", "/decode"] {
        let mut stream = connect(&service);
        // The head is refused: a body that is on its way would break the connection.
        let head = head(300_000).replace("/embed", path);
        stream.write_all(head.as_bytes()).unwrap();
        let answer = read_all(&mut stream);
        assert!(answer.starts_with("HTTP/1.1 413"), "{path} {answer}");
        assert!(answer.contains("this route"), "{path} {answer}");
    }
}

#[test]
fn a_body_of_unknown_length_is_cut_off_at_the_limit() {
    let service = Service::new(ServeOptions {
        payload_limit: 10_000,
        ..ServeOptions::default()
    });
    let mut endless = connect(&service);
    endless
        .write_all(
            b"POST /embed HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n",
        )
        .unwrap();
    // Just beyond the limit: what the service leaves unread would break the connection.
    for _ in 0..11 {
        write!(endless, "{:x}\r\n{}\r\n", 1000, "a".repeat(1000)).unwrap();
    }
    let mut answer = [0; 12];
    endless.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 413");
    // A long header is refused too; its rest may break the connection before the answer is read.
    let mut long = connect(&service);
    let _ = write!(
        long,
        "GET /livez HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n",
        "a".repeat(1_000_000)
    );
    let answer = read_all(&mut long);
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 431"),
        "{answer}"
    );
    assert_eq!(
        service.post("/embed", &json!({ "inputs": "a" })).status,
        200
    );
}

#[test]
fn idle_connections_keep_nobody_out() {
    let service = Service::new(ServeOptions {
        max_connections: 8,
        header_timeout: Duration::from_millis(300),
        ..ServeOptions::default()
    });
    let idle: Vec<TcpStream> = (0..50).map(|_| connect(&service)).collect();
    assert_eq!(
        service.post("/embed", &json!({ "inputs": "a" })).status,
        200
    );
    drop(idle);
}

#[test]
fn a_stop_finishes_what_was_accepted() {
    let mut service = Service::new(ServeOptions {
        max_batch_tokens: Some(64),
        turn_pause: Duration::from_millis(5),
        ..ServeOptions::default()
    });
    let body = json!({ "inputs": vec!["water bottle that keeps drinks cold"; 2000] }).to_string();
    let mut running = connect(&service);
    running.write_all(head(body.len()).as_bytes()).unwrap();
    running.write_all(body.as_bytes()).unwrap();
    // Until the request is in the engine, it is not accepted.
    let begin = Instant::now();
    while service.get("/metrics").body.contains("te_queue_tokens 0\n") {
        assert!(begin.elapsed() < LONG);
    }
    let idle = connect(&service);
    let address = service.server().address();
    service.stop();
    let answer = read_all(&mut running);
    assert!(
        answer.starts_with("HTTP/1.1 200"),
        "{}",
        &answer[..answer.len().min(200)]
    );
    let rows: Vec<Vec<f32>> =
        serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap();
    assert_eq!(rows.len(), 2000);
    drop(idle);
    assert!(TcpStream::connect(address).is_err());
}

#[test]
fn a_stop_waits_no_longer_than_its_limit() {
    let mut service = Service::new(ServeOptions {
        drain_timeout: Duration::from_millis(300),
        header_timeout: LONG,
        ..ServeOptions::default()
    });
    let mut slow = connect(&service);
    slow.write_all(head(100).as_bytes()).unwrap();
    std::thread::sleep(Duration::from_millis(100));
    let begin = Instant::now();
    service.stop();
    // The limit of other services is 30 s.
    assert!(
        begin.elapsed() < Duration::from_secs(10),
        "{:?}",
        begin.elapsed()
    );
}

#[test]
fn connections_that_go_on_coming_do_not_keep_a_service_from_its_end() {
    let mut service = Service::new(ServeOptions::default());
    let address = service.server().address();
    let stopped = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !stopped.load(std::sync::atomic::Ordering::Relaxed) {
                    // Refused from the end on.
                    let _ = TcpStream::connect(address);
                }
            });
        }
        let begin = Instant::now();
        service.stop();
        stopped.store(true, std::sync::atomic::Ordering::Relaxed);
        assert!(
            begin.elapsed() < Duration::from_secs(25),
            "{:?}",
            begin.elapsed()
        );
    });
}

#[test]
fn a_stop_past_its_limit_answers_nothing_and_ends() {
    let mut service = Service::new(ServeOptions {
        drain_timeout: Duration::from_millis(100),
        max_batch_tokens: Some(64),
        // Some 300 turns.
        turn_pause: Duration::from_millis(50),
        ..ServeOptions::default()
    });
    let body = json!({ "inputs": vec!["water bottle that keeps drinks cold"; 2000] }).to_string();
    let mut running = connect(&service);
    running.write_all(head(body.len()).as_bytes()).unwrap();
    running.write_all(body.as_bytes()).unwrap();
    let begin = Instant::now();
    while service.get("/metrics").body.contains("te_queue_tokens 0\n") {
        assert!(begin.elapsed() < LONG);
    }
    let begin = Instant::now();
    service.stop();
    assert!(
        begin.elapsed() < Duration::from_secs(25),
        "{:?}",
        begin.elapsed()
    );
    // The connection is cut, or says that the service stops.
    let answer = read_all(&mut running);
    assert!(!answer.starts_with("HTTP/1.1 200"));
}

#[test]
fn a_client_that_does_not_read_is_cut_off() {
    let service = Service::new(ServeOptions {
        request_timeout: Duration::from_millis(500),
        ..ServeOptions::default()
    });
    // More than the buffers of the system hold: 2,000 texts of 32 numbers, sixteen times.
    let body = json!({ "inputs": vec!["a"; 2000] }).to_string();
    let mut deaf = connect(&service);
    for _ in 0..16 {
        // The service may have cut the connection already.
        let _ = deaf.write_all(format!("{}{body}", head(body.len())).as_bytes());
    }
    let begin = Instant::now();
    while !service.get("/metrics").body.contains("te_connections 1\n") {
        assert!(begin.elapsed() < LONG);
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn responses_that_nobody_reads_keep_out_other_large_ones_alone() {
    let service = Service::new(ServeOptions::default());
    // Each response has room for some 8 MB, and all have 256 MB.
    let large = json!({ "inputs": vec!["bottle ".repeat(60); 2000] });
    let body = large.to_string();
    let request = format!(
        "POST /tokenize HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let deaf: Vec<TcpStream> = (0..40)
        .map(|_| {
            let mut deaf = connect(&service);
            deaf.write_all(request.as_bytes()).unwrap();
            deaf
        })
        .collect();
    let ends_with = |status| {
        let begin = Instant::now();
        loop {
            let answer = service.post("/tokenize", &large);
            if answer.status == status {
                return answer;
            }
            assert!(begin.elapsed() < LONG, "{}", answer.status);
            std::thread::sleep(Duration::from_millis(50));
        }
    };
    let refused = ends_with(429);
    assert!(
        refused.error().contains("or wait to be read"),
        "{refused:?}"
    );
    let query = service.post("/embed", &json!({ "inputs": "a" }));
    assert_eq!(query.status, 200);
    drop(deaf);
    ends_with(200);
}
