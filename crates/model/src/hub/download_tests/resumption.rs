//! Transfers that are cut, stall, or bring something else.

use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use super::server::tagged;
use super::*;

const NAME: &str = "model.safetensors";

fn weights() -> Vec<u8> {
    WEIGHTS.into()
}

/// A hub whose weights are answered like this.
fn with_weights(reply: Reply) -> HashMap<String, Reply> {
    let mut replies = hub(FILES);
    replies.insert(file(NAME), reply);
    replies
}

fn has_weights(cache: &Path) -> bool {
    let path = snapshot(cache).join(NAME);
    std::fs::read_to_string(path).is_ok_and(|found| found == WEIGHTS)
}

fn range(from: usize) -> Option<String> {
    Some(format!("bytes={from}-"))
}

fn sha256(content: &str) -> String {
    let hash = Sha256::digest(content);
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Fetches through a reply and returns the weights' requests.
fn ranges_of(reply: Reply, cache: &Path) -> Vec<Option<String>> {
    ranges_from(&Server::start(with_weights(reply)), cache)
}

fn ranges_from(server: &Server, cache: &Path) -> Vec<Option<String>> {
    download(server, cache).unwrap();
    assert!(has_weights(cache));
    assert!(!blobs(cache).join("bbb1.incomplete").exists());
    server.ranges(&file(NAME))
}

#[test]
fn a_cut_transfer_goes_on_where_it_was_cut() {
    let cache = tempfile::tempdir().unwrap();
    let etag = || tagged("bbb1");
    let reply = Reply::in_turn([
        Reply::Cut(etag(), weights(), 20),
        Reply::Resumable(etag(), weights()),
    ]);
    assert_eq!(ranges_of(reply, cache.path()), [None, range(20)]);
}

#[test]
fn a_stalled_transfer_goes_on_too() {
    let cache = tempfile::tempdir().unwrap();
    let etag = || tagged("bbb1");
    let reply = Reply::in_turn([
        Reply::Stalled(etag(), weights(), 20),
        Reply::Resumable(etag(), weights()),
    ]);
    let server = Server::start(with_weights(reply)).with_read_timeout(200);
    assert_eq!(ranges_from(&server, cache.path()), [None, range(20)]);
}

#[test]
fn a_server_that_stalls_for_good_is_given_up_and_the_next_run_goes_on() {
    let cache = tempfile::tempdir().unwrap();
    let etag = || tagged("bbb1");
    let stalled = Reply::Stalled(etag(), weights(), 20);
    let server = Server::start(with_weights(stalled)).with_read_timeout(200);
    let start = Instant::now();
    let message = message(download(&server, cache.path()));
    assert!(start.elapsed() < Duration::from_secs(15));
    for part in [NAME, "no byte came for 200ms", "20 of 48 bytes came"] {
        assert!(message.contains(part), "{message}");
    }
    assert!(!blobs(cache.path()).join("bbb1").exists());
    let reply = Reply::Resumable(etag(), weights());
    // The first request asks which content it is.
    assert_eq!(ranges_of(reply, cache.path()), [None, range(20)]);
}

#[test]
fn a_connection_that_is_cut_again_and_again_is_given_up() {
    let cache = tempfile::tempdir().unwrap();
    let reply = Reply::Cut(tagged("bbb1"), weights(), 20);
    let server = Server::start(with_weights(reply));
    let message = message(download(&server, cache.path()));
    for part in [NAME, "the connection was cut", "20 of 48 bytes came"] {
        assert!(message.contains(part), "{message}");
    }
    assert_eq!(server.asked(&file(NAME)).len(), 4);
}

#[test]
fn a_server_that_cannot_resume_sends_all_again() {
    let wrong_start = vec![
        ("etag", "\"bbb1\"".to_owned()),
        ("content-range", "bytes 10-47/48".to_owned()),
    ];
    let no_start = tagged("bbb1");
    for part in [
        Reply::Answer(200, tagged("bbb1"), weights()),
        Reply::Answer(206, wrong_start, weights()),
        Reply::Answer(206, no_start, weights()),
        Reply::Answer(416, Vec::new(), Vec::new()),
    ] {
        let cache = tempfile::tempdir().unwrap();
        let reply = Reply::in_turn([
            Reply::Cut(tagged("bbb1"), weights(), 20),
            part,
            Reply::Answer(200, tagged("bbb1"), weights()),
        ]);
        let ranges = ranges_of(reply, cache.path());
        assert_eq!(ranges[..2], [None, range(20)]);
        assert!(ranges[2..].iter().all(Option::is_none));
    }
}

#[test]
fn what_another_program_left_incomplete_is_used_only_if_it_is_right() {
    let etag = sha256(WEIGHTS);
    let wrong = "x".repeat(20);
    for (left, requests) in [
        (&WEIGHTS[..20], vec![None, range(20)]),
        (WEIGHTS, vec![None]),
        // Its checksum is wrong: once more from the start.
        (&wrong, vec![None, range(20), None]),
        (&"x".repeat(48), vec![None]),
        (&"x".repeat(100), vec![None, range(100), None]),
    ] {
        let cache = tempfile::tempdir().unwrap();
        let partial = blobs(cache.path()).join(format!("{etag}.incomplete"));
        std::fs::create_dir_all(blobs(cache.path())).unwrap();
        std::fs::write(&partial, left).unwrap();
        let reply = Reply::Resumable(tagged(&etag), weights());
        assert_eq!(ranges_of(reply, cache.path()), requests, "{left}");
        assert!(!partial.exists());
    }
}

#[test]
fn a_body_that_is_shorter_than_the_listing_says_is_never_stored() {
    let cache = tempfile::tempdir().unwrap();
    // The length in the header is that of the body: only the listing knows better.
    let short = Reply::Answer(200, tagged("bbb1"), weights()[..24].into());
    let answer = message(download(&Server::start(with_weights(short)), cache.path()));
    assert!(answer.contains("24 of 48 bytes came"), "{answer}");
    assert!(!blobs(cache.path()).join("bbb1").exists());
    assert!(!snapshot(cache.path()).join(NAME).exists());
    // A good server repairs it.
    download(&Server::start(hub(FILES)), cache.path()).unwrap();
    assert!(has_weights(cache.path()));
}

#[test]
fn a_size_that_the_hub_announced_must_come() {
    let cache = tempfile::tempdir().unwrap();
    let headers = vec![
        ("x-linked-etag", "\"bbb1\"".to_owned()),
        ("x-linked-size", "49".to_owned()),
    ];
    let mut replies = with_weights(Reply::Answer(200, headers, weights()));
    let files: Vec<_> = FILES.iter().map(|file| listed(file.0, None)).collect();
    replies.insert(LISTING.to_owned(), listing(&files));
    let message = message(download(&Server::start(replies), cache.path()));
    assert!(message.contains("48 of 49 bytes"), "{message}");
    assert!(!blobs(cache.path()).join("bbb1").exists());
}

#[test]
fn a_body_that_does_not_end_is_not_read_to_its_end() {
    let cache = tempfile::tempdir().unwrap();
    let long = Reply::Answer(200, tagged("bbb1"), vec![b' '; 10 << 20]);
    let message = message(download(&Server::start(with_weights(long)), cache.path()));
    assert!(message.contains("instead of 48"), "{message}");
    assert_eq!(files_in(&blobs(cache.path())), ["aaa1", "aaa2", "aaa3"]);
}

/// Weights of the right size and with another content.
fn wrong() -> Vec<u8> {
    WEIGHTS.replace("{}", "[]").into_bytes()
}

#[test]
fn a_wrong_checksum_is_never_stored() {
    let right = sha256(WEIGHTS);
    // Of a file in git: `git hash-object`.
    let in_git = "78039108f924de6e7bdfca7e66040ee27145563e";
    let lfs = json!({ "rfilename": NAME, "size": 48, "blobId": in_git, "lfs": { "sha256": right, "size": 48 } });
    let small = json!({ "rfilename": NAME, "size": 48, "blobId": in_git });
    let plain = listed(NAME, Some(48));
    let linked = vec![
        ("x-linked-etag", format!("\"{right}\"")),
        ("x-linked-size", "48".to_owned()),
        ("etag", "\"of-the-storage\"".to_owned()),
    ];
    for (listed_weights, headers, what) in [
        (lfs, tagged("bbb1"), "its SHA-256 is"),
        (small, tagged("bbb1"), "its name in git is"),
        (plain.clone(), tagged(&right), "its SHA-256 is"),
        (plain, linked, "its SHA-256 is"),
    ] {
        let cache = tempfile::tempdir().unwrap();
        let mut replies = with_weights(Reply::in_turn([
            Reply::Answer(200, headers.clone(), wrong()),
            Reply::Answer(200, headers, weights()),
        ]));
        let mut files: Vec<_> = without(&[NAME])
            .iter()
            .map(|file| listed(file.0, None))
            .collect();
        files.push(listed_weights);
        replies.insert(LISTING.to_owned(), listing(&files));
        let server = Server::start(replies);
        let message = message(download(&server, cache.path()));
        assert!(message.contains(what), "{message}");
        assert!(message.contains("it was not stored"), "{message}");
        assert_eq!(files_in(&blobs(cache.path())), ["aaa1", "aaa2", "aaa3"]);
        assert!(!snapshot(cache.path()).join(NAME).exists());
        // The right content is.
        download(&server, cache.path()).unwrap();
        assert!(has_weights(cache.path()));
    }
}

#[test]
fn a_content_in_the_cache_is_compared_before_it_is_linked() {
    let etag = sha256(WEIGHTS);
    for left in [wrong(), weights()[..24].into()] {
        let cache = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(blobs(cache.path())).unwrap();
        std::fs::write(blobs(cache.path()).join(&etag), left).unwrap();
        let reply = Reply::Resumable(tagged(&etag), weights());
        assert_eq!(ranges_of(reply, cache.path()), [None]);
    }
}

#[test]
fn a_file_that_changes_during_its_transfer_is_an_error() {
    let cache = tempfile::tempdir().unwrap();
    let reply = Reply::in_turn([
        Reply::Cut(tagged("bbb1"), weights(), 20),
        Reply::Resumable(tagged("bbb9"), weights()),
    ]);
    let message = message(download(&Server::start(with_weights(reply)), cache.path()));
    assert!(message.contains("it changed on the server"), "{message}");
    assert!(!snapshot(cache.path()).join(NAME).exists());
}

#[test]
fn breaking_off_ends_the_thread_and_keeps_what_came() {
    let cache = tempfile::tempdir().unwrap();
    let reply = Reply::Stalled(tagged("bbb1"), weights(), 20);
    let server = Server::start(with_weights(reply)).with_read_timeout(1000);
    let partial = blobs(cache.path()).join("bbb1.incomplete");
    let seen = partial.clone();
    let options = HubOptions {
        progress: Some(Arc::new(move |_: &DownloadProgress| {
            if std::fs::metadata(&seen).is_ok_and(|found| found.len() == 20) {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        })),
        ..HubOptions::default()
    };
    let error = download_with(&server, cache.path(), &options).unwrap_err();
    assert!(error.is::<Interrupted>(), "{error}");
    // The thread holds the lock of the content until its end, at the latest after the time to read.
    let locks = cache.path().join(".locks/models--owner--model");
    let lock = std::fs::File::open(locks.join("bbb1.lock")).unwrap();
    let start = Instant::now();
    lock.lock().unwrap();
    assert!(start.elapsed() < Duration::from_secs(10));
    assert_eq!(std::fs::metadata(&partial).unwrap().len(), 20);
    assert_eq!(server.asked(&file(NAME)).len(), 1);
}
