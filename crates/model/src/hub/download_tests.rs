//! Downloads from a server on this machine.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::client::HubAddress;
use super::hugging_face::Repository;
use super::*;

const COMMIT: &str = "e8c3b32edf5434bc2275fc9bab85f82640a19130";
const LISTING: &str = "/api/models/owner/model/revision/main?blobs=true";

/// How the server answers a path.
enum Reply {
    /// This status, with these headers and this body.
    Answer(u16, Vec<(&'static str, String)>, Vec<u8>),
    /// Half of the body that was promised.
    Truncated(Vec<(&'static str, String)>, Vec<u8>),
    /// "Busy" to the first request, then the reply behind it.
    BusyOnce(AtomicUsize, Box<Reply>),
    Silence,
}

/// Path and token of each request.
type Log = Arc<Mutex<Vec<(String, Option<String>)>>>;

/// A server on 127.0.0.1 that lives as long as the process.
struct Server {
    endpoint: String,
    requests: Log,
}

impl Server {
    fn start(replies: HashMap<String, Reply>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let requests = Log::default();
        let (replies, log) = (Arc::new(replies), Arc::clone(&requests));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (replies, log) = (Arc::clone(&replies), Arc::clone(&log));
                std::thread::spawn(move || answer(stream.unwrap(), &replies, &log));
            }
        });
        Self { endpoint, requests }
    }

    fn address(&self) -> HubAddress {
        HubAddress {
            endpoint: self.endpoint.clone(),
            token: Some("secret".to_owned()),
            read_timeout: Duration::from_millis(400),
        }
    }

    fn asked(&self, path: &str) -> Vec<Option<String>> {
        let requests = self.requests.lock().unwrap();
        requests
            .iter()
            .filter(|(asked, _)| asked == path)
            .map(|(_, token)| token.clone())
            .collect()
    }
}

fn answer(mut stream: TcpStream, replies: &HashMap<String, Reply>, log: &Log) {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
    let request = lines.next().unwrap().unwrap();
    let path = request.split(' ').nth(1).unwrap().to_owned();
    let mut token = None;
    for line in lines
        .map(Result::unwrap)
        .take_while(|line| !line.is_empty())
    {
        if let Some((name, value)) = line.split_once(": ")
            && name.eq_ignore_ascii_case("authorization")
        {
            token = Some(value.to_owned());
        }
    }
    log.lock().unwrap().push((path.clone(), token));
    let missing = status(404, &[]);
    reply(&mut stream, replies.get(&path).unwrap_or(&missing));
}

fn reply(stream: &mut TcpStream, with: &Reply) {
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
        Reply::Truncated(headers, body) => {
            send(head(200, headers, body.len()).as_bytes());
            send(&body[..body.len() / 2]);
        }
        Reply::BusyOnce(asked, then) => {
            if asked.fetch_add(1, Ordering::Relaxed) == 0 {
                send(head(503, &[], 0).as_bytes());
            } else {
                reply(stream, then);
            }
        }
        Reply::Silence => std::thread::sleep(Duration::from_secs(60)),
    }
}

fn status(status: u16, headers: &[(&'static str, &str)]) -> Reply {
    let headers = headers
        .iter()
        .map(|(name, value)| (*name, (*value).to_owned()))
        .collect();
    Reply::Answer(status, headers, Vec::new())
}

fn content(etag: &str, body: &str) -> Reply {
    let headers = vec![("etag", format!("\"{etag}\""))];
    Reply::Answer(200, headers, body.into())
}

fn file(name: &str) -> String {
    format!("/owner/model/resolve/{COMMIT}/{name}")
}

/// Files of a model by name, ETag and content.
const FILES: &[(&str, &str, &str)] = &[
    ("config.json", "aaa1", "{}"),
    ("tokenizer.json", "aaa2", "{ }"),
    (
        "modules.json",
        "aaa3",
        r#"[{"idx":0,"path":"","type":"x.Transformer"},{"idx":1,"path":"1_Pooling","type":"x.Pooling"}]"#,
    ),
    ("1_Pooling/config.json", "aaa1", "{}"),
    ("model.safetensors", "bbb1", "the weights"),
    ("pytorch_model.bin", "bbb2", "the older weights"),
    ("onnx/model.onnx", "bbb3", "another format"),
];

fn listing(names: &[&str]) -> Reply {
    let files: Vec<_> = names
        .iter()
        .map(|name| {
            let size = FILES
                .iter()
                .find(|file| file.0 == *name)
                .map(|file| file.2.len());
            serde_json::json!({ "rfilename": name, "size": size })
        })
        .collect();
    let listing = serde_json::json!({ "sha": COMMIT, "siblings": files });
    Reply::Answer(200, Vec::new(), listing.to_string().into_bytes())
}

/// A hub with these files.
fn hub(files: &[(&str, &str, &str)]) -> HashMap<String, Reply> {
    let names: Vec<&str> = files.iter().map(|file| file.0).collect();
    let mut replies: HashMap<_, _> = files
        .iter()
        .map(|(name, etag, body)| (file(name), content(etag, body)))
        .collect();
    replies.insert(LISTING.to_owned(), listing(&names));
    replies
}

fn download(server: &Server, cache: &Path) -> Result<PathBuf, BoxedError> {
    download_with(server, cache, &HubOptions::default())
}

fn download_with(
    server: &Server,
    cache: &Path,
    options: &HubOptions,
) -> Result<PathBuf, BoxedError> {
    let address = server.address();
    let repository = Repository {
        owner: "owner",
        model: "model",
        cache: Some(cache),
        hub: Some(&address),
    };
    repository.download(options)
}

fn message(result: Result<PathBuf, BoxedError>) -> String {
    result.unwrap_err().to_string()
}

/// Every file below a folder, by its path from there.
fn files_in(folder: &Path) -> Vec<String> {
    fn visit(folder: &Path, root: &Path, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                visit(&path, root, found);
            } else {
                found.push(path.strip_prefix(root).unwrap().display().to_string());
            }
        }
    }
    let mut found = Vec::new();
    visit(folder, folder, &mut found);
    found.sort();
    found
}

#[test]
fn a_model_comes_whole_and_into_the_layout_of_python() {
    let root = tempfile::tempdir().unwrap();
    let server = Server::start(hub(FILES));
    let seen = Arc::new(Mutex::new(Vec::new()));
    let progress = Arc::clone(&seen);
    let options = HubOptions {
        progress: Some(Arc::new(move |at: &DownloadProgress| {
            progress.lock().unwrap().push(at.clone());
            ControlFlow::Continue(())
        })),
        ..HubOptions::default()
    };
    let folder = download_with(&server, root.path(), &options).unwrap();
    let model = root.path().join("models--owner--model");
    assert_eq!(folder, model.join("snapshots").join(COMMIT));
    for (name, etag, content) in &FILES[..5] {
        assert_eq!(
            std::fs::read_to_string(folder.join(name)).unwrap(),
            *content
        );
        let blob = std::fs::canonicalize(folder.join(name)).unwrap();
        if cfg!(unix) {
            assert_eq!(
                blob,
                std::fs::canonicalize(model.join("blobs").join(etag)).unwrap()
            );
        }
    }
    assert_eq!(
        std::fs::read_to_string(model.join("refs/main")).unwrap(),
        COMMIT
    );
    // The other formats stay where they are, and nothing is left of the transfer.
    assert_eq!(files_in(&folder).len(), 5);
    assert_eq!(
        files_in(&model.join("blobs")),
        ["aaa1", "aaa2", "aaa3", "bbb1"]
    );
    assert_eq!(server.asked(LISTING), [Some("Bearer secret".to_owned())]);

    let total: usize = FILES[..5].iter().map(|file| file.2.len()).sum();
    let seen = seen.lock().unwrap();
    let last = seen.iter().rfind(|at| at.total.is_some()).unwrap();
    assert_eq!(
        (last.label.as_str(), last.total),
        ("owner/model", Some(total as u64))
    );
    assert!(seen.iter().all(|at| at.received <= total as u64));

    // The next time the cache has it, with no network.
    let repository = Repository {
        owner: "owner",
        model: "model",
        cache: Some(root.path()),
        hub: None,
    };
    assert_eq!(repository.cached(&HubOptions::default()).unwrap(), folder);
}

#[test]
fn older_weights_come_where_there_are_no_others() {
    let root = tempfile::tempdir().unwrap();
    let files: Vec<_> = FILES
        .iter()
        .copied()
        .filter(|file| file.0 != "model.safetensors")
        .collect();
    let folder = download(&Server::start(hub(&files)), root.path()).unwrap();
    assert!(folder.join("pytorch_model.bin").is_file());
}

#[test]
fn a_redirect_is_followed_and_the_token_stays_with_the_hub() {
    let root = tempfile::tempdir().unwrap();
    let storage = Server::start(HashMap::from([(
        "/bucket/weights".to_owned(),
        // The storage's own ETag is another.
        content("of-the-storage", "the weights"),
    )]));
    let mut replies = hub(FILES);
    replies.insert(
        file("model.safetensors"),
        status(
            302,
            &[
                ("location", &format!("{}/bucket/weights", storage.endpoint)),
                ("x-linked-etag", "\"cafe\""),
                ("x-linked-size", "11"),
            ],
        ),
    );
    // As the hub sends small files today: relative, and within the hub.
    replies.insert(
        file("config.json"),
        status(307, &[("location", "/api/resolve-cache/config.json")]),
    );
    replies.insert(
        "/api/resolve-cache/config.json".to_owned(),
        content("aaa1", "{}"),
    );
    let server = Server::start(replies);
    let folder = download(&server, root.path()).unwrap();
    assert_eq!(
        std::fs::read_to_string(folder.join("model.safetensors")).unwrap(),
        "the weights"
    );
    let blobs = root.path().join("models--owner--model/blobs");
    assert!(blobs.join("cafe").is_file());
    assert_eq!(storage.asked("/bucket/weights"), [None]);
    assert_eq!(
        server.asked("/api/resolve-cache/config.json"),
        [Some("Bearer secret".to_owned())]
    );
}

#[test]
fn endless_and_unusable_redirects_are_errors() {
    let root = tempfile::tempdir().unwrap();
    for location in [LISTING, "nowhere", "ftp:", ""] {
        let server = Server::start(HashMap::from([(
            LISTING.to_owned(),
            status(302, &[("location", location)]),
        )]));
        let message = message(download(&server, root.path()));
        assert!(message.contains("redirected"), "{location}: {message}");
    }
}

#[test]
fn a_truncated_file_is_an_error_and_has_no_final_name() {
    let root = tempfile::tempdir().unwrap();
    let mut replies = hub(FILES);
    replies.insert(
        file("model.safetensors"),
        Reply::Truncated(vec![("etag", "\"bbb1\"".to_owned())], b"the weights".into()),
    );
    let server = Server::start(replies);
    let message = message(download(&server, root.path()));
    assert!(message.contains("model.safetensors"), "{message}");
    let model = root.path().join("models--owner--model");
    assert_eq!(files_in(&model.join("blobs")), ["aaa1", "aaa2", "aaa3"]);
    let snapshot = model.join("snapshots").join(COMMIT);
    assert!(!snapshot.join("model.safetensors").exists());
}

#[test]
fn a_size_that_the_hub_announced_must_come() {
    let root = tempfile::tempdir().unwrap();
    let mut replies = hub(FILES);
    let headers = vec![
        ("x-linked-etag", "\"bbb1\"".to_owned()),
        ("x-linked-size", "12".to_owned()),
    ];
    replies.insert(
        file("model.safetensors"),
        Reply::Answer(200, headers, b"the weights".into()),
    );
    let message = message(download(&Server::start(replies), root.path()));
    assert!(message.contains("11 of 12 bytes"), "{message}");
}

#[test]
fn a_refusal_says_what_to_do() {
    for (reply, expected) in [
        (status(401, &[]), "Authentication required: set HF_TOKEN"),
        (
            status(401, &[("x-error-code", "RepoNotFound")]),
            "Repository not found: owner/model",
        ),
        (status(404, &[]), "Repository not found: owner/model"),
        (
            status(404, &[("x-error-code", "RevisionNotFound")]),
            "Revision not found: main in owner/model",
        ),
        (
            status(403, &[("x-error-message", "gated")]),
            "Forbidden: gated: accept the model's terms",
        ),
        (status(418, &[]), "HTTP status 418"),
    ] {
        let root = tempfile::tempdir().unwrap();
        let server = Server::start(HashMap::from([(LISTING.to_owned(), reply)]));
        let message = message(download(&server, root.path()));
        assert!(message.contains(expected), "{expected}: {message}");
        assert!(files_in(root.path()).is_empty());
    }
}

#[test]
fn a_busy_server_is_asked_again() {
    let root = tempfile::tempdir().unwrap();
    let mut replies = hub(FILES);
    let names: Vec<&str> = FILES.iter().map(|file| file.0).collect();
    replies.insert(
        LISTING.to_owned(),
        Reply::BusyOnce(AtomicUsize::new(0), Box::new(listing(&names))),
    );
    let server = Server::start(replies);
    assert!(download(&server, root.path()).is_ok());
    assert_eq!(server.asked(LISTING).len(), 2);
}

#[test]
fn names_that_lead_out_of_the_cache_are_refused() {
    let hostile_file = |name: &str| {
        let mut replies = hub(FILES);
        let mut names: Vec<&str> = FILES.iter().map(|file| file.0).collect();
        names.push(name);
        replies.insert(LISTING.to_owned(), listing(&names));
        replies
    };
    let hostile_commit = |commit: &str| {
        let listing = serde_json::json!({ "sha": commit, "siblings": [] }).to_string();
        let reply = Reply::Answer(200, Vec::new(), listing.into_bytes());
        HashMap::from([(LISTING.to_owned(), reply)])
    };
    let hostile_etag = |etag: &str| {
        let mut replies = hub(FILES);
        replies.insert(file("config.json"), content(etag, "{}"));
        replies
    };
    for replies in [
        hostile_file("1_..\\..\\evil/config.json"),
        hostile_file("1_C:/config.json"),
        hostile_commit("../../../evil"),
        hostile_commit(".."),
        hostile_commit(""),
        hostile_etag("../../../evil"),
        hostile_etag("/evil"),
        hostile_etag("a\\b"),
    ] {
        let root = tempfile::tempdir().unwrap();
        let cache = root.path().join("a/b/c/cache");
        let message = message(download(&Server::start(replies), &cache));
        assert!(message.contains("cannot be part of a path"), "{message}");
        for file in files_in(root.path()) {
            assert!(!file.contains("evil"), "{file}");
            assert!(Path::new(&file).starts_with("a/b/c/cache"), "{file}");
        }
    }
    // A name that is no model's file is passed over, however it reads.
    let root = tempfile::tempdir().unwrap();
    let replies = hostile_file("../../../evil/config.json");
    let folder = download(&Server::start(replies), root.path()).unwrap();
    assert_eq!(files_in(&folder).len(), 5);
}

#[test]
fn a_silent_server_is_given_up() {
    let root = tempfile::tempdir().unwrap();
    let server = Server::start(HashMap::from([(LISTING.to_owned(), Reply::Silence)]));
    let message = message(download(&server, root.path()));
    assert!(message.contains("no answer for 400ms"), "{message}");
}

#[test]
fn the_caller_breaks_off_while_the_server_is_silent() {
    let root = tempfile::tempdir().unwrap();
    let server = Server::start(HashMap::from([(LISTING.to_owned(), Reply::Silence)]));
    let options = HubOptions {
        progress: Some(Arc::new(|_: &DownloadProgress| ControlFlow::Break(()))),
        ..HubOptions::default()
    };
    let start = Instant::now();
    let error = download_with(&server, root.path(), &options).unwrap_err();
    assert!(error.is::<Interrupted>(), "{error}");
    assert!(start.elapsed() < Duration::from_secs(2));
}
