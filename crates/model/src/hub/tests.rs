//! Names and places, without a network.

use super::names::DEFAULT_OWNER;
use super::*;

fn nowhere(root: &Path) -> Places {
    Places {
        offline: false,
        hugging_face: Some(root.join("hugging-face")),
        hub: None,
        mirror: Some(root.join("mirror")),
    }
}

fn offline() -> HubOptions {
    HubOptions {
        offline: true,
        ..HubOptions::default()
    }
}

#[test]
fn a_folder_is_itself() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    let found = resolve(path, &offline()).unwrap();
    assert_eq!(
        (found.path.as_path(), found.origin),
        (folder.path(), Origin::Folder)
    );
}

#[test]
fn names_are_told_from_paths() {
    assert_eq!(
        owner_and_model("all-mpnet-base-v2"),
        Some((DEFAULT_OWNER, "all-mpnet-base-v2"))
    );
    assert_eq!(
        owner_and_model("owner/some.model_1"),
        Some(("owner", "some.model_1"))
    );
    for path in [
        "./no-model",
        "../no-model",
        "/model",
        "a/b/c",
        "",
        "owner/",
        "~/model",
        "C:\\model",
        "a b",
    ] {
        assert_eq!(owner_and_model(path), None, "{path}");
        let error = resolve(path, &offline()).unwrap_err();
        assert!(
            matches!(error, HubError::NoFolder { .. }),
            "{path}: {error}"
        );
    }
}

/// A snapshot as Python's huggingface_hub lays it out.
fn snapshot(
    cache: &Path,
    owner: &str,
    model: &str,
    revision: &str,
    files: &[(&str, &str)],
) -> PathBuf {
    let repository = cache.join(format!("models--{owner}--{model}"));
    let commit = "e8c3b32edf5434bc2275fc9bab85f82640a19130";
    std::fs::create_dir_all(repository.join("refs")).unwrap();
    std::fs::write(repository.join("refs").join(revision), commit).unwrap();
    let snapshot = repository.join("snapshots").join(commit);
    for (name, content) in files {
        let path = snapshot.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
    snapshot
}

/// A header without a tensor.
const WEIGHTS: &str = "\x02\0\0\0\0\0\0\0{}";

const COMPLETE: &[(&str, &str)] = &[
    ("config.json", "{}"),
    ("tokenizer.json", "{}"),
    (
        "modules.json",
        r#"[{"idx":0,"name":"0","path":"","type":"sentence_transformers.models.Transformer"},{"idx":1,"path":"1_Pooling","type":"sentence_transformers.models.Pooling"},{"idx":2,"path":"2_Normalize","type":"sentence_transformers.models.Normalize"}]"#,
    ),
    ("1_Pooling/config.json", "{}"),
    ("model.safetensors", WEIGHTS),
];

#[test]
fn the_cache_of_python_is_used_without_a_network() {
    let root = tempfile::tempdir().unwrap();
    let places = nowhere(root.path());
    let cache = places.hugging_face.clone().unwrap();
    let expected = snapshot(&cache, "owner", "model", "main", COMPLETE);
    let found = resolve_in("owner/model", &offline(), &places).unwrap();
    assert_eq!(
        (found.path, found.origin),
        (expected, Origin::HuggingFaceCache)
    );
    // Another revision is another snapshot.
    let options = HubOptions {
        revision: Some("v2".to_owned()),
        ..offline()
    };
    assert!(resolve_in("owner/model", &options, &places).is_err());
    let expected = snapshot(&cache, "owner", "model", "v2", COMPLETE);
    assert_eq!(
        resolve_in("owner/model", &options, &places).unwrap().path,
        expected
    );
}

/// As programs leave it that load the network and the tokenizer alone.
#[test]
fn a_reranker_without_modules_is_used_with_a_note() {
    let root = tempfile::tempdir().unwrap();
    let places = nowhere(root.path());
    let cache = places.hugging_face.clone().unwrap();
    let files = [COMPLETE[0], COMPLETE[1], COMPLETE[4]];
    let folder = snapshot(&cache, "owner", "model", "main", &files);
    let error = resolve_in("owner/model", &offline(), &places).unwrap_err();
    assert!(error.to_string().contains("modules.json"), "{error}");
    let options = HubOptions {
        reranker: true,
        ..offline()
    };
    let found = resolve_in("owner/model", &options, &places).unwrap();
    assert_eq!(found.path, folder);
    let [note] = found.notes.as_slice() else {
        panic!("{:?}", found.notes);
    };
    assert!(note.contains("lacks modules.json, "), "{note}");
    assert!(note.contains("scores may be wrong"), "{note}");
}

#[test]
fn an_incomplete_snapshot_is_named_and_not_used() {
    for missing in [
        "config.json",
        "tokenizer.json",
        "1_Pooling/config.json",
        "model.safetensors",
    ] {
        let root = tempfile::tempdir().unwrap();
        let places = nowhere(root.path());
        let files: Vec<_> = COMPLETE
            .iter()
            .copied()
            .filter(|(name, _)| *name != missing)
            .collect();
        snapshot(
            places.hugging_face.as_deref().unwrap(),
            "owner",
            "model",
            "main",
            &files,
        );
        let error = resolve_in("owner/model", &offline(), &places)
            .unwrap_err()
            .to_string();
        assert!(error.contains(missing), "{missing}: {error}");
        let way_out = "run `infer fetch --model owner/model` once with a network";
        assert!(error.contains(way_out), "{error}");
    }
}

/// A model with the encoder in its own folder, as sentence-transformers wrote it before
/// version 1.
const OLDER: &[(&str, &str)] = &[
    (
        "modules.json",
        r#"[{"idx":0,"name":"0","path":"0_Transformer","type":"sentence_transformers.models.Transformer"},{"idx":1,"path":"1_Pooling","type":"sentence_transformers.models.Pooling"}]"#,
    ),
    ("0_Transformer/config.json", "{}"),
    ("0_Transformer/tokenizer.json", "{}"),
    ("0_Transformer/pytorch_model.bin", "x"),
    ("1_Pooling/config.json", "{}"),
];

#[test]
fn a_model_with_its_encoder_in_a_folder_is_found_by_name() {
    let root = tempfile::tempdir().unwrap();
    let places = nowhere(root.path());
    let cache = places.hugging_face.clone().unwrap();
    let expected = snapshot(&cache, "owner", "model", "main", OLDER);
    let found = resolve_in("owner/model", &offline(), &places).unwrap();
    assert_eq!(found.path, expected);
    let lacks = |file: &str| {
        let error = resolve_in("owner/model", &offline(), &places).unwrap_err();
        let file = Path::new("0_Transformer").join(file);
        let expected = format!("lacks {}", file.display());
        assert!(error.to_string().contains(&expected), "{error}");
    };
    std::fs::remove_file(expected.join("0_Transformer/pytorch_model.bin")).unwrap();
    // Weights in another place are not those that would be loaded.
    std::fs::write(expected.join("model.safetensors"), WEIGHTS).unwrap();
    lacks("model.safetensors");
    std::fs::remove_file(expected.join("0_Transformer/tokenizer.json")).unwrap();
    lacks("tokenizer.json");
}

#[test]
fn weights_in_several_files_are_whole_when_all_that_the_index_names_are_there() {
    let root = tempfile::tempdir().unwrap();
    let places = nowhere(root.path());
    let index = r#"{"weight_map":{"a":"model-1.safetensors","b":"model-2.safetensors","c":"model-1.safetensors"}}"#;
    let files: Vec<_> = COMPLETE[..4]
        .iter()
        .copied()
        .chain([
            ("model.safetensors.index.json", index),
            ("model-1.safetensors", WEIGHTS),
            ("model-2.safetensors", WEIGHTS),
        ])
        .collect();
    let cache = places.hugging_face.clone().unwrap();
    let folder = snapshot(&cache, "owner", "model", "main", &files);
    assert_eq!(
        resolve_in("owner/model", &offline(), &places).unwrap().path,
        folder
    );
    std::fs::remove_file(folder.join("model-2.safetensors")).unwrap();
    let error = resolve_in("owner/model", &offline(), &places).unwrap_err();
    assert!(
        error.to_string().contains("lacks model-2.safetensors"),
        "{error}"
    );
}

#[test]
fn a_vocabulary_stands_for_the_tokenizer() {
    let root = tempfile::tempdir().unwrap();
    let places = nowhere(root.path());
    let mut files = COMPLETE.to_vec();
    files[1] = ("vocab.txt", "<s>\n");
    let cache = places.hugging_face.clone().unwrap();
    let folder = snapshot(&cache, "owner", "model", "main", &files);
    assert_eq!(
        resolve_in("owner/model", &offline(), &places).unwrap().path,
        folder
    );
}

#[test]
fn a_revision_that_leads_out_of_the_cache_is_refused() {
    let root = tempfile::tempdir().unwrap();
    for revision in ["../../x", "/etc", "a/../b", "", "a\\b", "refs/"] {
        let options = HubOptions {
            revision: Some(revision.to_owned()),
            ..HubOptions::default()
        };
        let error = resolve_in("owner/model", &options, &nowhere(root.path())).unwrap_err();
        assert!(matches!(error, HubError::Revision { .. }), "{error}");
        assert!(crate::ModelError::from(error).is_usage());
    }
}

#[test]
fn files_in_the_folders_of_modules_are_downloaded_too() {
    let wanted = |file| files::is_small(file);
    for file in [
        "config.json",
        "vocab.txt",
        "0_Transformer/config.json",
        "0_Transformer/tokenizer.json",
        "0_Transformer/sentence_bert_config.json",
        "1_Pooling/config.json",
        "12_Dense/config.json",
        "router_config.json",
        "query_0_StaticEmbedding/tokenizer.json",
        "0_Asym/document_1_Pooling/config.json",
    ] {
        assert!(wanted(file), "{file}");
    }
    // Other formats, other weights, and folders that no module has.
    for file in [
        "model.safetensors",
        "onnx/model.onnx",
        "_Pooling/config.json",
        "1x_Pooling/config.json",
        "onnx/config.json",
        "1_Pooling/deeper/config.json",
        "1_/../config.json",
        "../config.json",
        "/config.json",
    ] {
        assert!(!wanted(file), "{file}");
    }
}

#[test]
fn a_model_that_is_nowhere_gives_one_message_with_every_place_and_the_ways_out() {
    let root = tempfile::tempdir().unwrap();
    let error = resolve_in("all-mpnet-base-v2", &offline(), &nowhere(root.path())).unwrap_err();
    let message = error.to_string();
    for part in [
        DEFAULT_MODEL,
        "the Hugging Face cache",
        "the copy fetched earlier from the Python package mirror",
        "offline",
        "HF_HOME",
        "folder",
    ] {
        assert!(message.contains(part), "{part}: {message}");
    }
    // No way out that needs the network.
    assert!(!message.contains("pip"), "{message}");

    // Other models have no mirror.
    let error = resolve_in("owner/model", &offline(), &nowhere(root.path())).unwrap_err();
    assert!(!error.to_string().contains("mirror"), "{error}");
}

#[test]
fn pip_is_a_way_out_only_with_a_network() {
    let error = |offline| {
        let name = DEFAULT_MODEL.to_owned();
        let attempts = Vec::new();
        HubError::NotFound {
            name,
            revision: None,
            attempts,
            offline,
        }
        .to_string()
    };
    assert!(error(false).contains("install Python 3 with pip"));
    assert!(!error(true).contains("pip"));
}

#[test]
fn an_older_revision_is_never_taken_from_the_mirror() {
    let options = HubOptions {
        revision: Some("84f2bcc".to_owned()),
        ..HubOptions::default()
    };
    assert!(!options.takes_main());
    assert!(HubOptions::default().takes_main());
}

#[test]
fn a_program_shows_the_progress_and_ends_a_download() {
    let shown = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let count = Arc::clone(&shown);
    let options = |stopped: bool| {
        let count = Arc::clone(&count);
        HubOptions::of_program(
            Some("v2".to_owned()),
            true,
            move |_| {
                count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            },
            move || stopped,
        )
    };
    assert!(options(false).report(&DownloadProgress::default()).is_ok());
    assert!(options(true).report(&DownloadProgress::default()).is_err());
    assert_eq!(shown.load(std::sync::atomic::Ordering::SeqCst), 2);
    assert_eq!(options(false).revision.as_deref(), Some("v2"));
    assert!(options(false).offline);
}
