//! `serve` as a process: its beginning, its signals and its end. The tests of the crate `serve` ask it.
#![cfg(all(unix, feature = "serve"))]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStderr, Command, Stdio};

use crate::support::{file, infer, run, text};

/// A running service.
struct Service {
    child: Child,
    log: BufReader<ChildStderr>,
    address: String,
}

impl Service {
    fn start(arguments: &[&str]) -> Self {
        let mut command = infer(&["serve", "--port", "0"]);
        let command = command.args(arguments).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let mut address = None;
        while address.is_none() {
            let mut line = String::new();
            assert_ne!(log.read_line(&mut line).unwrap(), 0, "it did not start");
            address = line
                .trim()
                .strip_prefix("ready: http://")
                .map(str::to_owned);
        }
        Self {
            child,
            log,
            address: address.unwrap_or_default(),
        }
    }

    /// The status of a request for one text.
    fn status(&self, key: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let body = r#"{"inputs": "steel bottle"}"#;
        write!(
            stream,
            "POST /embed HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\nauthorization: Bearer {key}\r\n\
             connection: close\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer.lines().next().unwrap_or_default().to_owned()
    }

    fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .args([name, &self.child.id().to_string()])
            .status();
        assert!(status.unwrap().success());
    }

    /// The exit code, and what it said on the way.
    fn end(mut self) -> (Option<i32>, String) {
        let mut log = String::new();
        self.log.read_to_string(&mut log).unwrap();
        (self.child.wait().unwrap().code(), log)
    }
}

#[test]
fn a_signal_ends_the_service_in_order() {
    for name in ["-TERM", "-INT", "-HUP"] {
        let service = Service::start(&[]);
        assert_eq!(service.status(""), "HTTP/1.1 200 OK");
        service.signal(name);
        let (code, log) = service.end();
        assert_eq!(code, Some(0), "{name}: {log}");
        assert!(
            log.contains("stopping: running requests are finished"),
            "{log}"
        );
    }
}

#[test]
fn a_second_signal_ends_the_service_at_once() {
    let mut service = Service::start(&["--drain-delay", "600"]);
    service.signal("-TERM");
    let mut line = String::new();
    service.log.read_line(&mut line).unwrap();
    assert!(line.starts_with("stopping"), "{line}");
    service.signal("-TERM");
    assert_eq!(service.end().0, Some(143));
}

#[test]
fn keys_are_read_again() {
    let (_folder, keys) = file("keys", "first\n\n second \n");
    let service = Service::start(&["--api-key-file", text(&keys)]);
    assert_eq!(service.status("first"), "HTTP/1.1 200 OK");
    assert_eq!(service.status("third"), "HTTP/1.1 401 Unauthorized");
    std::fs::write(&keys, "third\n").unwrap();
    service.signal("-HUP");
    while service.status("third") != "HTTP/1.1 200 OK" {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    assert_eq!(service.status("first"), "HTTP/1.1 401 Unauthorized");
    // A file that cannot be read changes nothing.
    std::fs::remove_file(&keys).unwrap();
    service.signal("-HUP");
    service.signal("-TERM");
    assert_eq!(service.end().0, Some(0));
}

#[test]
fn a_service_that_cannot_begin_says_why() {
    let (_folder, empty) = file("keys", "\n");
    let no_key = run(&mut infer(&["serve", "--api-key-file", text(&empty)])).failed(2);
    assert!(
        no_key.contains("holds no key: write one per line"),
        "{no_key}"
    );
    let no_file = run(&mut infer(&["serve", "--api-key-file", "/nowhere/keys"])).failed(1);
    assert!(
        no_file.contains("cannot read the keys in /nowhere/keys"),
        "{no_file}"
    );
    for origin in ["shop.example", "https://shop.example/"] {
        let wrong = run(&mut infer(&["serve", "--cors-allow-origin", origin])).failed(2);
        assert!(wrong.contains("an origin as browsers send it"), "{wrong}");
        let mut of_environment = infer(&["serve"]);
        of_environment.env("MPNET_BURN_CORS_ALLOW_ORIGIN", origin);
        let wrong = run(&mut of_environment).failed(2);
        assert!(wrong.contains("an origin as browsers send it"), "{wrong}");
    }
    for option in ["PRECISION", "MAX_LENGTH", "BATCH_TOKENS"] {
        let variable = format!("MPNET_BURN_{option}");
        let wrong = run(infer(&["serve"]).env(&variable, "abacus")).failed(2);
        assert!(wrong.contains("abacus"), "{wrong}");
        // Other commands follow an index.
        run(infer(&["similarity", "a", "b"]).env(&variable, "abacus")).ok();
    }
    // A switch, set as others are.
    let mut offline = infer(&["serve", "--index", "/nowhere"]);
    offline
        .env("MPNET_BURN_OFFLINE", "1")
        .env("MPNET_BURN_NO_AUTO_TRUNCATE", "on");
    assert!(run(&mut offline).failed(2).contains("holds no index"));
    let no_index = run(&mut infer(&["serve", "--index", "/nowhere"])).failed(2);
    assert!(no_index.contains("holds no index"), "{no_index}");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let taken = run(&mut infer(&["serve", "--port", &port])).failed(1);
    assert!(taken.contains("choose another --host or --port"), "{taken}");
}

#[test]
fn beyond_this_machine_it_warns_without_a_key() {
    let (_folder, keys) = file("keys", "key\n");
    for (arguments, warns) in [
        (&["--host", "0.0.0.0"][..], true),
        (
            &["--host", "0.0.0.0", "--api-key-file", text(&keys)][..],
            false,
        ),
    ] {
        let mut command = infer(&["serve", "--port", "0"]);
        let mut child = command
            .args(arguments)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let mut said = String::new();
        while !said.contains("ready: ") {
            assert_ne!(log.read_line(&mut said).unwrap(), 0, "{said}");
        }
        assert_eq!(
            said.contains("everybody who reaches 0.0.0.0"),
            warns,
            "{said}"
        );
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
