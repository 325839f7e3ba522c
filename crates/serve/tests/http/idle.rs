//! Many connections on which nobody asks.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Resource, getrlimit};
use serde_json::json;
use serve::ServeOptions;

use crate::support::Service;

/// The address for the process that connects.
const ADDRESS: &str = "IDLE_ADDRESS";

/// Set in a process that runs no other test.
const ALONE: &str = "IDLE_ALONE";

/// How many connections there are; `.ci/nightly` makes 10,000.
const CONNECTIONS: &str = "IDLE_CONNECTIONS";

/// Files of each process beside its connections.
const OTHER_FILES: u64 = 1100;

/// Most memory of the service for each connection: it takes about 11 kB.
const MOST_BYTES: f64 = 24_000.0;

/// Longer than anything takes on a busy machine.
const LONG: Duration = Duration::from_secs(120);

fn connections() -> usize {
    std::env::var(CONNECTIONS).map_or(200, |number| number.parse().unwrap())
}

/// In a child process, which has files of its own: connects, and waits until its input ends.
#[test]
fn child() {
    let Ok(address) = std::env::var(ADDRESS) else {
        return;
    };
    let address: SocketAddr = address.parse().unwrap();
    let idle: Vec<TcpStream> = (0..connections())
        .map(|_| TcpStream::connect(address).unwrap())
        .collect();
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "connected {}", idle.len()).unwrap();
    stdout.flush().unwrap();
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
}

#[test]
fn many_idle_connections_cost_little_and_delay_nobody() {
    if std::env::var_os(ALONE).is_none() {
        // Other tests take memory too.
        let name = "idle::many_idle_connections_cost_little_and_delay_nobody";
        let mut alone = Command::new(std::env::current_exe().unwrap());
        let alone = alone.args(["--exact", name, "--nocapture"]).env(ALONE, "1");
        assert!(alone.status().unwrap().success());
        return;
    }
    let wanted = connections();
    let limit = getrlimit(Resource::Nofile);
    let needed = wanted as u64 + OTHER_FILES;
    assert!(
        limit.maximum.is_none_or(|most| most >= needed),
        "{wanted} connections need {needed} open files: raise the hard limit (ulimit -Hn)"
    );
    // Raises the limit of this process, and with it that of the child.
    let service = Service::new(ServeOptions {
        header_timeout: LONG * 2,
        ..ServeOptions::default()
    });
    assert_eq!(
        service.post("/embed", &json!({ "inputs": "a" })).status,
        200
    );
    let before = service.counter("process_resident_memory_bytes");
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "idle::child", "--nocapture"])
        .env(ADDRESS, service.server().address().to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // Open until its end, because it goes on writing.
    let mut said = BufReader::new(child.stdout.take().unwrap());
    let connected = format!("connected {wanted}\n");
    let mut line = String::new();
    while !line.ends_with(&connected) {
        line.clear();
        assert_ne!(said.read_line(&mut line).unwrap(), 0, "it did not connect");
    }
    let begin = Instant::now();
    while service.counter("te_connections") < wanted as f64 {
        assert!(begin.elapsed() < LONG);
        std::thread::sleep(Duration::from_millis(20));
    }
    let after = service.counter("process_resident_memory_bytes");
    let each = (after - before) / wanted as f64;
    let begin = Instant::now();
    assert_eq!(service.get("/readyz").status, 200);
    assert_eq!(
        service.post("/embed", &json!({ "inputs": "a" })).status,
        200
    );
    let both = begin.elapsed();
    println!("{wanted} idle connections: {each:.0} bytes each, two answers in {both:?}");
    assert!(each < MOST_BYTES, "{each} bytes for each connection");
    // Two requests of a millisecond, on a busy machine.
    assert!(both < Duration::from_secs(10), "{both:?}");
    drop(child.stdin.take());
    said.read_to_end(&mut Vec::new()).unwrap();
    assert!(child.wait().unwrap().success());
    let begin = Instant::now();
    while service.counter("te_connections") > 2.0 {
        assert!(begin.elapsed() < LONG);
        std::thread::sleep(Duration::from_millis(20));
    }
}
