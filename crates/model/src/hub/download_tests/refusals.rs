//! Refusals: of the hub, and of what it names.

use std::time::{Duration, Instant};

use super::*;

#[test]
fn a_refusal_says_what_to_do() {
    let gated = || {
        status(
            403,
            &[("x-error-code", "GatedRepo"), ("x-error-message", "ask")],
        )
    };
    for (reply, expected) in [
        (
            status(401, &[]),
            "refuses the token: set HF_TOKEN to a valid token",
        ),
        (
            status(401, &[("x-error-code", "RepoNotFound")]),
            "the hub has no model `owner/model`, or it is private",
        ),
        (status(404, &[]), "the hub has no model `owner/model`"),
        (
            status(404, &[("x-error-code", "RevisionNotFound")]),
            "`owner/model` has no revision `main`: check --revision",
        ),
        (
            status(403, &[("x-error-message", "no")]),
            "the hub forbids it (no): set HF_TOKEN",
        ),
        (
            gated(),
            "`owner/model` is gated (ask): accept its terms on http://127.0.0.1",
        ),
        (status(418, &[]), "HTTP status 418"),
    ] {
        let root = tempfile::tempdir().unwrap();
        let server = Server::start(HashMap::from([(LISTING.to_owned(), reply)]));
        let message = message(download(&server, root.path()));
        assert!(message.contains(expected), "{expected}: {message}");
        assert!(!message.contains("secret"), "{message}");
        assert!(files_in(root.path()).is_empty());
    }
}

#[test]
fn without_a_token_a_refusal_asks_for_one() {
    let root = tempfile::tempdir().unwrap();
    let server = Server::start(HashMap::from([(LISTING.to_owned(), status(401, &[]))]));
    let mut address = server.address();
    address.token = None;
    let repository = Repository {
        owner: "owner",
        model: "model",
        cache: Some(root.path()),
        hub: Some(&address),
    };
    let message = message(repository.download(&HubOptions::default()));
    assert!(
        message.contains("asks for a token: set HF_TOKEN"),
        "{message}"
    );
    assert_eq!(server.tokens(LISTING), [None]);
}

#[test]
fn plain_http_to_another_machine_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let download = |endpoint: &str| {
        let server = Server::start(HashMap::new());
        let mut address = server.address();
        address.endpoint = endpoint.to_owned();
        let repository = Repository {
            owner: "owner",
            model: "model",
            cache: Some(root.path()),
            hub: Some(&address),
        };
        message(repository.download(&HubOptions::default()))
    };
    let answer = download("http://hub.invalid");
    assert!(answer.contains("MPNET_BURN_ALLOW_HTTP=1"), "{answer}");
    let answer = download("hub.invalid");
    assert!(answer.contains("begins with https://"), "{answer}");

    // Nor is it reached by a redirect.
    let mut replies = hub(FILES);
    let away = status(302, &[("location", "http://storage.invalid/x?signature=1")]);
    replies.insert(file("model.safetensors"), away);
    let answer = message(super::download(&Server::start(replies), root.path()));
    assert!(
        answer.contains("http://storage.invalid/x is not encrypted"),
        "{answer}"
    );
}

#[test]
fn names_that_lead_out_of_the_cache_are_refused() {
    let hostile_file = |name: &str| {
        let mut replies = hub(FILES);
        let names = FILES.iter().map(|file| file.0).chain([name]);
        let files: Vec<_> = names.map(|name| listed(name, None)).collect();
        replies.insert(LISTING.to_owned(), listing(&files));
        replies
    };
    let hostile_commit = |commit: &str| {
        let listing = json!({ "sha": commit, "siblings": [] }).to_string();
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
        hostile_etag(".."),
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
    let server = server.with_read_timeout(200);
    let message = message(download(&server, root.path()));
    assert!(message.contains("no answer for 200ms"), "{message}");
}

#[test]
fn the_caller_breaks_off_while_the_server_is_silent() {
    let root = tempfile::tempdir().unwrap();
    let server = Server::start(HashMap::from([(LISTING.to_owned(), Reply::Silence)]));
    let server = server.with_read_timeout(200);
    let options = HubOptions {
        progress: Some(Arc::new(|_: &DownloadProgress| ControlFlow::Break(()))),
        ..HubOptions::default()
    };
    let start = Instant::now();
    let error = download_with(&server, root.path(), &options).unwrap_err();
    assert!(error.is::<Interrupted>(), "{error}");
    assert!(start.elapsed() < Duration::from_secs(2));
}
