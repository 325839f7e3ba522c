//! A hub on this machine.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::hub::address::HubAddress;

/// How the server answers a path.
pub(super) enum Reply {
    /// This status, with these headers and this body.
    Answer(u16, Vec<(&'static str, String)>, Vec<u8>),
    /// As a storage that can begin anywhere.
    Resumable(Vec<(&'static str, String)>, Vec<u8>),
    /// So many bytes of the body that was promised.
    Cut(Vec<(&'static str, String)>, Vec<u8>, usize),
    /// So many bytes of the body, then none, and the connection stays.
    Stalled(Vec<(&'static str, String)>, Vec<u8>, usize),
    /// One after the other; the last again and again.
    InTurn(AtomicUsize, Vec<Reply>),
    Silence,
}

impl Reply {
    pub(super) fn in_turn<const N: usize>(replies: [Self; N]) -> Self {
        Self::InTurn(AtomicUsize::new(0), replies.into())
    }
}

/// A request as it came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Request {
    path: String,
    pub(super) token: Option<String>,
    pub(super) range: Option<String>,
}

/// A server on 127.0.0.1 that lives as long as the process.
pub(super) struct Server {
    pub(super) endpoint: String,
    requests: Arc<Mutex<Vec<Request>>>,
    read_timeout: Duration,
}

impl Server {
    pub(super) fn start(replies: HashMap<String, Reply>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::default();
        let (replies, log) = (Arc::new(replies), Arc::clone(&requests));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (replies, log) = (Arc::clone(&replies), Arc::clone(&log));
                std::thread::spawn(move || answer(stream.unwrap(), &replies, &log));
            }
        });
        Self {
            endpoint,
            requests,
            // A busy machine is no silent server.
            read_timeout: Duration::from_secs(20),
        }
    }

    /// For tests with a silent server.
    pub(super) fn with_read_timeout(mut self, milliseconds: u64) -> Self {
        self.read_timeout = Duration::from_millis(milliseconds);
        self
    }

    pub(super) fn address(&self) -> HubAddress {
        HubAddress {
            endpoint: self.endpoint.clone(),
            token: Some("secret".to_owned()),
            allow_http: false,
            read_timeout: self.read_timeout,
            pause: Duration::from_millis(2),
        }
    }

    pub(super) fn asked(&self, path: &str) -> Vec<Request> {
        let requests = self.requests.lock().unwrap();
        let asked = requests.iter().filter(|request| request.path == path);
        asked.cloned().collect()
    }

    /// The tokens of the requests for a path.
    pub(super) fn tokens(&self, path: &str) -> Vec<Option<String>> {
        self.asked(path).into_iter().map(|it| it.token).collect()
    }

    /// The ranges of the requests for a path.
    pub(super) fn ranges(&self, path: &str) -> Vec<Option<String>> {
        self.asked(path).into_iter().map(|it| it.range).collect()
    }

    pub(super) fn request_count(&self) -> usize {
        self.requests.lock().unwrap().len()
    }
}

fn answer(mut stream: TcpStream, replies: &HashMap<String, Reply>, log: &Mutex<Vec<Request>>) {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
    let first = lines.next().unwrap().unwrap();
    let mut request = Request {
        path: first.split(' ').nth(1).unwrap().to_owned(),
        ..Request::default()
    };
    for line in lines
        .map(Result::unwrap)
        .take_while(|line| !line.is_empty())
    {
        match line.split_once(": ") {
            Some((name, value)) if name.eq_ignore_ascii_case("authorization") => {
                request.token = Some(value.to_owned());
            }
            Some((name, value)) if name.eq_ignore_ascii_case("range") => {
                request.range = Some(value.to_owned());
            }
            _ => {}
        }
    }
    log.lock().unwrap().push(request.clone());
    let missing = Reply::Answer(404, Vec::new(), Vec::new());
    let with = replies.get(&request.path).unwrap_or(&missing);
    reply(&mut stream, with, &request);
}

fn reply(stream: &mut TcpStream, with: &Reply, request: &Request) {
    // The client may be gone: it broke off or ran out of patience.
    let mut send = |bytes: &[u8]| drop(stream.write_all(bytes));
    let head = |status: u16, headers: &[(&str, String)], length: usize| {
        let mut head = format!("HTTP/1.1 {status} Status\r\nconnection: close\r\n");
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head + &format!("content-length: {length}\r\n\r\n")
    };
    match with {
        Reply::Answer(status, headers, body) => {
            send(head(*status, headers, body.len()).as_bytes());
            send(body);
        }
        Reply::Resumable(headers, body) => {
            let from = request.range.as_deref().map(|range| {
                let from = range.strip_prefix("bytes=").unwrap();
                from.strip_suffix('-').unwrap().parse::<usize>().unwrap()
            });
            match from {
                None => {
                    send(head(200, headers, body.len()).as_bytes());
                    send(body);
                }
                Some(from) if from < body.len() => {
                    let (last, size) = (body.len() - 1, body.len());
                    let range = format!("bytes {from}-{last}/{size}");
                    let headers = [&headers[..], &[("content-range", range)]].concat();
                    send(head(206, &headers, size - from).as_bytes());
                    send(&body[from..]);
                }
                Some(_) => send(head(416, headers, 0).as_bytes()),
            }
        }
        Reply::Cut(headers, body, length) => {
            send(head(200, headers, body.len()).as_bytes());
            send(&body[..*length]);
        }
        Reply::Stalled(headers, body, length) => {
            send(head(200, headers, body.len()).as_bytes());
            send(&body[..*length]);
            std::thread::sleep(Duration::from_secs(60));
        }
        Reply::InTurn(asked, replies) => {
            let turn = asked.fetch_add(1, Ordering::Relaxed).min(replies.len() - 1);
            reply(stream, &replies[turn], request);
        }
        Reply::Silence => std::thread::sleep(Duration::from_secs(60)),
    }
}

pub(super) fn status(status: u16, headers: &[(&'static str, &str)]) -> Reply {
    let headers = headers
        .iter()
        .map(|(name, value)| (*name, (*value).to_owned()))
        .collect();
    Reply::Answer(status, headers, Vec::new())
}

pub(super) fn tagged(etag: &str) -> Vec<(&'static str, String)> {
    vec![("etag", format!("\"{etag}\""))]
}

pub(super) fn content(etag: &str, body: &str) -> Reply {
    Reply::Answer(200, tagged(etag), body.into())
}
