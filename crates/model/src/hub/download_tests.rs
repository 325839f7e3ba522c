//! Downloads from a server on this machine.

mod completion;
mod refusals;
mod resumption;
mod server;

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::hugging_face::Repository;
use super::*;
use server::{Reply, Server, content, status};

const COMMIT: &str = "e8c3b32edf5434bc2275fc9bab85f82640a19130";
const LISTING: &str = "/api/models/owner/model/revision/main?blobs=true";

/// Weights without a tensor: a header of 40 bytes behind its length.
const WEIGHTS: &str = "\x28\0\0\0\0\0\0\0{}                                      ";

/// Files of a model by name, ETag and content.
const FILES: &[(&str, &str, &str)] = &[
    ("config.json", "aaa1", "{}"),
    ("tokenizer.json", "aaa2", "{ }"),
    (
        "modules.json",
        "aaa3",
        r#"[{"idx":0,"path":"","type":"sentence_transformers.models.Transformer"},{"idx":1,"path":"1_Pooling","type":"sentence_transformers.models.Pooling"}]"#,
    ),
    ("1_Pooling/config.json", "aaa1", "{}"),
    ("model.safetensors", "bbb1", WEIGHTS),
    ("pytorch_model.bin", "bbb2", "the older weights"),
    ("onnx/model.onnx", "bbb3", "another format"),
];

type File = (&'static str, &'static str, &'static str);

/// The files except some.
fn without(names: &[&str]) -> Vec<File> {
    let files = FILES.iter().copied();
    files.filter(|file| !names.contains(&file.0)).collect()
}

fn file(name: &str) -> String {
    format!("/owner/model/resolve/{COMMIT}/{name}")
}

fn listed(name: &str, size: Option<usize>) -> Value {
    json!({ "rfilename": name, "size": size })
}

fn listing(files: &[Value]) -> Reply {
    let listing = json!({ "sha": COMMIT, "siblings": files });
    Reply::Answer(200, Vec::new(), listing.to_string().into_bytes())
}

fn listing_of(files: &[File]) -> Reply {
    let files: Vec<_> = files
        .iter()
        .map(|(name, _, body)| listed(name, Some(body.len())))
        .collect();
    listing(&files)
}

/// A hub with these files.
fn hub(files: &[File]) -> HashMap<String, Reply> {
    let mut replies: HashMap<_, _> = files
        .iter()
        .map(|(name, etag, body)| (file(name), content(etag, body)))
        .collect();
    replies.insert(LISTING.to_owned(), listing_of(files));
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

fn blobs(cache: &Path) -> PathBuf {
    cache.join("models--owner--model").join("blobs")
}

fn snapshot(cache: &Path) -> PathBuf {
    let model = cache.join("models--owner--model");
    model.join("snapshots").join(COMMIT)
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
    assert_eq!(server.tokens(LISTING), [Some("Bearer secret".to_owned())]);

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
    let cached = repository.cached(&HubOptions::default()).unwrap();
    assert_eq!((cached.folder, cached.unsettled), (folder, Vec::new()));
}

#[test]
fn older_weights_come_where_there_are_no_others() {
    let root = tempfile::tempdir().unwrap();
    let folder = download(
        &Server::start(hub(&without(&["model.safetensors"]))),
        root.path(),
    )
    .unwrap();
    assert!(folder.join("pytorch_model.bin").is_file());
}

#[test]
fn weights_in_several_files_come_with_their_index() {
    let index = r#"{"weight_map":{"a":"model-1-of-2.safetensors","b":"model-2-of-2.safetensors"}}"#;
    let older = r#"{"weight_map":{"a":"pytorch_model-1-of-1.bin"}}"#;
    let shards = [
        ("model.safetensors.index.json", "ccc1", index),
        ("model-1-of-2.safetensors", "ccc2", WEIGHTS),
        ("model-2-of-2.safetensors", "ccc3", WEIGHTS),
        // Of another precision: no index names it.
        ("model-3-of-2.safetensors", "ccc4", WEIGHTS),
    ];
    let older_shards = [
        ("pytorch_model.bin.index.json", "ddd1", older),
        ("pytorch_model-1-of-1.bin", "ddd2", "older"),
    ];
    let mut files = without(&["model.safetensors", "pytorch_model.bin"]);
    files.extend(older_shards);
    let root = tempfile::tempdir().unwrap();
    let folder = download(&Server::start(hub(&files)), root.path()).unwrap();
    for (name, _, _) in older_shards {
        assert!(folder.join(name).is_file(), "{name}");
    }

    // Only safetensors where both are there.
    files.extend(shards);
    let root = tempfile::tempdir().unwrap();
    let folder = download(&Server::start(hub(&files)), root.path()).unwrap();
    for (name, _, body) in &shards[..3] {
        assert_eq!(std::fs::read_to_string(folder.join(name)).unwrap(), *body);
    }
    assert!(!folder.join("model-3-of-2.safetensors").exists());
    for (name, _, _) in older_shards {
        assert!(!folder.join(name).exists(), "{name}");
    }

    // One file is preferred to several.
    files.push(("model.safetensors", "bbb1", WEIGHTS));
    let root = tempfile::tempdir().unwrap();
    let folder = download(&Server::start(hub(&files)), root.path()).unwrap();
    assert!(folder.join("model.safetensors").is_file());
    assert!(!folder.join("model-1-of-2.safetensors").exists());
}

#[test]
fn weights_in_several_files_come_into_the_folder_of_the_encoder() {
    let modules = r#"[{"idx":0,"path":"0_Transformer","type":"sentence_transformers.models.Transformer"},{"idx":1,"path":"1_Pooling","type":"sentence_transformers.models.Pooling"}]"#;
    let index = r#"{"weight_map":{"a":"model-1-of-1.safetensors"}}"#;
    let files = [
        ("modules.json", "aaa3", modules),
        ("1_Pooling/config.json", "aaa1", "{}"),
        ("0_Transformer/config.json", "aaa1", "{}"),
        ("0_Transformer/vocab.txt", "aaa4", "<s>\n"),
        ("0_Transformer/model.safetensors.index.json", "ccc1", index),
        ("0_Transformer/model-1-of-1.safetensors", "ccc2", WEIGHTS),
    ];
    let root = tempfile::tempdir().unwrap();
    let folder = download(&Server::start(hub(&files)), root.path()).unwrap();
    assert_eq!(files_in(&folder).len(), files.len());
}

#[test]
fn the_modules_of_every_route_come() {
    let modules = r#"[{"idx":0,"path":"","type":"sentence_transformers.models.Router"}]"#;
    let router = r#"{"types":{"query_0_StaticEmbedding":"sentence_transformers.models.StaticEmbedding","document_0_Transformer":"sentence_transformers.models.Transformer"},"structure":{"query":["query_0_StaticEmbedding"],"document":["document_0_Transformer"]}}"#;
    let files = [
        ("modules.json", "aaa3", modules),
        ("router_config.json", "aaa4", router),
        ("query_0_StaticEmbedding/tokenizer.json", "aaa1", "{}"),
        ("query_0_StaticEmbedding/model.safetensors", "bbb1", WEIGHTS),
        ("document_0_Transformer/config.json", "aaa1", "{}"),
        ("document_0_Transformer/tokenizer.json", "aaa1", "{}"),
        ("document_0_Transformer/pytorch_model.bin", "bbb2", "older"),
    ];
    let root = tempfile::tempdir().unwrap();
    let folder = download(&Server::start(hub(&files)), root.path()).unwrap();
    assert_eq!(files_in(&folder).len(), files.len());
}

#[test]
fn an_index_that_names_no_file_of_the_model_is_an_error() {
    for (shard, expected) in [
        ("../../evil", "leads out of the model folder"),
        ("/evil", "leads out of the model folder"),
        ("none.safetensors", "which the model lacks"),
    ] {
        let root = tempfile::tempdir().unwrap();
        let index = json!({ "weight_map": { "a": shard } }).to_string();
        let name = "model.safetensors.index.json";
        let mut replies = hub(&without(&["model.safetensors"]));
        let files = [listed("config.json", None), listed(name, None)];
        replies.insert(LISTING.to_owned(), listing(&files));
        replies.insert(file(name), content("ccc1", &index));
        let message = message(download(&Server::start(replies), root.path()));
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn sizes_come_from_the_tree_where_the_listing_has_none() {
    let root = tempfile::tempdir().unwrap();
    let mut replies = hub(FILES);
    let files: Vec<_> = FILES.iter().map(|file| listed(file.0, None)).collect();
    replies.insert(LISTING.to_owned(), listing(&files));
    let tree: Vec<_> = FILES
        .iter()
        .map(|(name, _, _)| json!({ "type": "file", "path": name, "size": 1000, "oid": "0" }))
        .collect();
    replies.insert(
        format!("/api/models/owner/model/tree/{COMMIT}?recursive=true"),
        Reply::Answer(200, Vec::new(), Value::from(tree).to_string().into_bytes()),
    );
    let message = message(download(&Server::start(replies), root.path()));
    let came = format!("{} of 1000 bytes came", FILES[2].2.len());
    assert!(message.contains(&came), "{message}");
}

#[test]
fn a_redirect_is_followed_and_the_token_stays_with_the_hub() {
    let root = tempfile::tempdir().unwrap();
    let storage = Server::start(HashMap::from([(
        "/bucket/weights".to_owned(),
        // The storage's own ETag is another.
        content("of-the-storage", WEIGHTS),
    )]));
    let mut replies = hub(FILES);
    replies.insert(
        file("model.safetensors"),
        status(
            302,
            &[
                ("location", &format!("{}/bucket/weights", storage.endpoint)),
                ("x-linked-etag", "\"cafe\""),
                ("x-linked-size", "48"),
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
        WEIGHTS
    );
    assert!(blobs(root.path()).join("cafe").is_file());
    assert_eq!(storage.tokens("/bucket/weights"), [None]);
    assert_eq!(
        server.tokens("/api/resolve-cache/config.json"),
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
fn a_busy_server_is_asked_again() {
    let root = tempfile::tempdir().unwrap();
    let mut replies = hub(FILES);
    let busy = || status(503, &[]);
    replies.insert(
        LISTING.to_owned(),
        Reply::in_turn([busy(), busy(), listing_of(FILES)]),
    );
    let server = Server::start(replies);
    assert!(download(&server, root.path()).is_ok());
    assert_eq!(server.asked(LISTING).len(), 3);
}
