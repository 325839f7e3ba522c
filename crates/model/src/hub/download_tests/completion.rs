//! Caches that hold a part of a model, and what is learnt about it.

use super::*;

/// What `transformers` fetches of a model: the encoder.
const OF_ENCODER: [&str; 3] = ["config.json", "tokenizer.json", "model.safetensors"];

fn all_names() -> Vec<&'static str> {
    FILES.iter().map(|file| file.0).collect()
}

/// A cache that another program filled with these files of the model.
fn filled(cache: &Path, names: &[&str]) {
    let model = cache.join("models--owner--model");
    std::fs::create_dir_all(model.join("refs")).unwrap();
    std::fs::write(model.join("refs/main"), COMMIT).unwrap();
    for (name, etag, body) in FILES.iter().filter(|file| names.contains(&file.0)) {
        std::fs::create_dir_all(blobs(cache)).unwrap();
        std::fs::write(blobs(cache).join(etag), body).unwrap();
        let path = snapshot(cache).join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        #[cfg(unix)]
        std::os::unix::fs::symlink(blobs(cache).join(etag), path).unwrap();
        #[cfg(not(unix))]
        std::fs::write(path, body).unwrap();
    }
}

/// Finds the model: online with this server, or offline.
fn find(cache: &Path, server: Option<&Server>) -> Result<ModelFolder, HubError> {
    let places = Places {
        offline: false,
        hugging_face: Some(cache.to_owned()),
        hub: server.map(Server::address),
        mirror: None,
    };
    let options = HubOptions {
        offline: server.is_none(),
        ..HubOptions::default()
    };
    resolve_in("owner/model", &options, &places)
}

/// A hub that lists the commit of the cache, too.
fn with_commit(files: &[File]) -> HashMap<String, Reply> {
    let mut replies = hub(files);
    let path = format!("/api/models/owner/model/revision/{COMMIT}?blobs=true");
    replies.insert(path, listing_of(files));
    replies
}

#[test]
fn a_cache_of_only_the_encoder_is_refused_offline_with_the_command_to_run() {
    let cache = tempfile::tempdir().unwrap();
    filled(cache.path(), &OF_ENCODER);
    let message = find(cache.path(), None).unwrap_err().to_string();
    for part in [
        "has no modules.json",
        "the pooling may be wrong",
        "run `infer fetch --model owner/model` once with a network",
    ] {
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn a_cache_of_only_the_encoder_is_completed_online_and_then_works_offline() {
    let cache = tempfile::tempdir().unwrap();
    filled(cache.path(), &OF_ENCODER);
    let server = Server::start(with_commit(FILES));
    let found = find(cache.path(), Some(&server)).unwrap();
    assert_eq!(found.path, snapshot(cache.path()));
    for name in ["modules.json", "1_Pooling/config.json"] {
        assert!(found.path.join(name).is_file(), "{name}");
        assert_eq!(server.asked(&file(name)).len(), 1, "{name}");
    }
    for name in OF_ENCODER {
        assert!(server.asked(&file(name)).is_empty(), "{name}");
    }
    let requests = server.request_count();
    let offline = find(cache.path(), None).unwrap();
    assert_eq!(
        (offline.path, offline.notes),
        (found.path.clone(), Vec::new())
    );
    // All that changes vectors is known: no further question.
    assert_eq!(find(cache.path(), Some(&server)).unwrap().path, found.path);
    assert_eq!(server.request_count(), requests);
}

#[test]
fn a_model_that_is_only_an_encoder_is_one_after_the_hub_said_so() {
    let cache = tempfile::tempdir().unwrap();
    filled(cache.path(), &OF_ENCODER);
    let files = without(&["modules.json", "1_Pooling/config.json"]);
    let server = Server::start(with_commit(&files));
    let found = find(cache.path(), Some(&server)).unwrap();
    assert!(!found.path.join("modules.json").exists());
    // As Python's huggingface_hub keeps it.
    let model = cache.path().join("models--owner--model");
    let mark = model.join(".no_exist").join(COMMIT).join("modules.json");
    assert_eq!(std::fs::metadata(mark).unwrap().len(), 0);
    assert_eq!(find(cache.path(), None).unwrap().path, found.path);
    let requests = server.request_count();
    find(cache.path(), Some(&server)).unwrap();
    assert_eq!(server.request_count(), requests);
}

#[test]
fn what_python_learnt_about_missing_files_counts() {
    let cache = tempfile::tempdir().unwrap();
    filled(cache.path(), &OF_ENCODER);
    let model = cache.path().join("models--owner--model");
    let marks = model.join(".no_exist").join(COMMIT);
    std::fs::create_dir_all(&marks).unwrap();
    std::fs::write(marks.join("modules.json"), "").unwrap();
    assert_eq!(
        find(cache.path(), None).unwrap().path,
        snapshot(cache.path())
    );
    // Of another commit it says nothing.
    let other = "1".repeat(40);
    std::fs::rename(&marks, model.join(".no_exist").join(other)).unwrap();
    assert!(find(cache.path(), None).is_err());
}

#[test]
fn files_of_which_nobody_asked_are_named_in_a_note() {
    let cache = tempfile::tempdir().unwrap();
    filled(cache.path(), &all_names());
    let note = |found: ModelFolder| match &found.notes[..] {
        [note] => note.clone(),
        notes => panic!("{notes:?}"),
    };
    let lacks = "lacks config_sentence_transformers.json, sentence_bert_config.json, tokenizer_config.json,";
    let offline = note(find(cache.path(), None).unwrap());
    assert!(offline.contains(lacks), "{offline}");
    assert!(
        offline.contains("run `infer fetch --model owner/model`"),
        "{offline}"
    );
    // A hub that knows nothing.
    let server = Server::start(HashMap::new());
    let online = note(find(cache.path(), Some(&server)).unwrap());
    assert!(online.contains(lacks), "{online}");
    assert!(
        online.contains("the hub has no model `owner/model`"),
        "{online}"
    );
}

#[test]
fn a_file_that_changes_vectors_is_asked_for_once() {
    let names = all_names();
    let cache = tempfile::tempdir().unwrap();
    filled(cache.path(), &names);
    let length = (
        "sentence_bert_config.json",
        "eee1",
        r#"{"max_seq_length":8}"#,
    );
    let files = [FILES, &[length]].concat();
    let server = Server::start(with_commit(&files));
    let found = find(cache.path(), Some(&server)).unwrap();
    assert_eq!(found.origin, Origin::HuggingFaceCache);
    assert!(found.path.join("sentence_bert_config.json").is_file());
    assert!(server.asked(&file("model.safetensors")).is_empty());
    let requests = server.request_count();
    find(cache.path(), Some(&server)).unwrap();
    assert_eq!(server.request_count(), requests);
}

#[test]
fn a_cache_without_a_doubt_about_pooling_works_while_the_hub_does_not() {
    let cache = tempfile::tempdir().unwrap();
    filled(cache.path(), &all_names());
    let server = Server::start(HashMap::new());
    let found = find(cache.path(), Some(&server)).unwrap();
    assert_eq!(found.path, snapshot(cache.path()));
    assert_eq!(found.origin, Origin::HuggingFaceCache);
}

#[test]
fn a_truncated_content_is_named_offline_and_repaired_online() {
    for (name, etag) in [("model.safetensors", "bbb1"), ("tokenizer.json", "aaa2")] {
        let cache = tempfile::tempdir().unwrap();
        filled(cache.path(), &all_names());
        let blob = blobs(cache.path()).join(etag);
        std::fs::OpenOptions::new()
            .write(true)
            .open(&blob)
            .unwrap()
            .set_len(1)
            .unwrap();
        #[cfg(not(unix))]
        std::fs::copy(&blob, snapshot(cache.path()).join(name)).unwrap();
        let message = find(cache.path(), None).unwrap_err().to_string();
        assert!(message.contains("delete this file"), "{message}");
        #[cfg(unix)]
        {
            let blob = blob.canonicalize().unwrap();
            assert!(message.contains(blob.to_str().unwrap()), "{message}");
        }
        let server = Server::start(with_commit(FILES));
        let found = find(cache.path(), Some(&server)).unwrap();
        let expected = FILES.iter().find(|file| file.0 == name).unwrap().2;
        assert_eq!(
            std::fs::read_to_string(found.path.join(name)).unwrap(),
            expected
        );
        assert_eq!(server.asked(&file(name)).len(), 1);
        assert!(find(cache.path(), None).is_ok());
    }
}

#[test]
fn a_size_other_than_the_listing_says_is_repaired_when_the_hub_is_asked() {
    let cache = tempfile::tempdir().unwrap();
    let vocabulary = ("vocab.txt", "fff1", "<s>\n<pad>\n");
    let files = [FILES, &[vocabulary]].concat();
    filled(cache.path(), &OF_ENCODER);
    // No format tells that it is cut.
    std::fs::write(blobs(cache.path()).join("fff1"), "<s>").unwrap();
    std::fs::write(snapshot(cache.path()).join("vocab.txt"), "<s>").unwrap();
    let server = Server::start(with_commit(&files));
    let found = find(cache.path(), Some(&server)).unwrap();
    assert_eq!(
        std::fs::read_to_string(found.path.join("vocab.txt")).unwrap(),
        vocabulary.2
    );
}

#[test]
fn a_model_does_not_change_while_it_is_completed() {
    let cache = tempfile::tempdir().unwrap();
    filled(cache.path(), &OF_ENCODER);
    let mut replies = with_commit(FILES);
    // The main branch has moved on.
    let newer = json!({ "sha": "2".repeat(40), "siblings": [] }).to_string();
    replies.insert(
        LISTING.to_owned(),
        Reply::Answer(200, Vec::new(), newer.into_bytes()),
    );
    let found = find(cache.path(), Some(&Server::start(replies))).unwrap();
    assert_eq!(found.path, snapshot(cache.path()));

    // Where the hub has forgotten the commit, the branch counts.
    let cache = tempfile::tempdir().unwrap();
    filled(cache.path(), &OF_ENCODER);
    let server = Server::start(hub(FILES));
    assert!(find(cache.path(), Some(&server)).is_ok());
    assert_eq!(server.asked(LISTING).len(), 1);
}

#[cfg(unix)]
#[test]
fn files_of_the_cache_are_verified_by_the_names_of_their_contents() {
    let cache = tempfile::tempdir().unwrap();
    filled(cache.path(), &all_names());
    let folder = snapshot(cache.path());
    // No name is a checksum here.
    assert_eq!(verify(&folder, Origin::HuggingFaceCache).unwrap(), 0);
    let sha256 = "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03";
    let blob = blobs(cache.path()).join(sha256);
    std::fs::write(&blob, "hello\n").unwrap();
    std::os::unix::fs::symlink(&blob, folder.join("vocab.txt")).unwrap();
    assert_eq!(verify(&folder, Origin::HuggingFaceCache).unwrap(), 1);
    std::fs::write(&blob, "hallo\n").unwrap();
    let message = verify(&folder, Origin::HuggingFaceHub)
        .unwrap_err()
        .to_string();
    assert!(
        message.contains(sha256) && message.contains("its SHA-256 is"),
        "{message}"
    );
    assert_eq!(verify(&folder, Origin::Folder).unwrap(), 0);
}
