//! How models are told apart: by the content of the files that decide on vectors.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::router::ROUTER_FILES;

/// The settings in the folder of a module that decide on vectors, scores or spans. A prompt and the number of
/// dimensions are compared by themselves.
const SETTINGS: [&str; 6] = [
    "config.json",
    "router_config.json",
    "sentence_bert_config.json",
    "tagger.json",
    "tokenizer.json",
    "tokenizer_config.json",
];

const TOKENIZER_FILE: &str = "tokenizer.json";

/// What a tokenizer is built from where [`TOKENIZER_FILE`] is missing.
const VOCABULARY: [&str; 2] = ["special_tokens_map.json", "vocab.txt"];

/// The weights or the index of their shards: the first of them that is there is loaded.
const WEIGHTS: [&str; 4] = [
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
];

/// The modules of a model, each in a folder.
const MODULES_FILE: &str = "modules.json";

/// Files up to this size are hashed whole.
const WHOLE_BYTES: u64 = 4 << 20;

/// Larger files, which hold weights, are hashed in this many samples: training changes all weights,
/// and to read all of them would take as long as to load them.
const SAMPLES: u64 = 256;

const SAMPLE_BYTES: usize = 4096;

/// Bytes of the identity: enough to tell models apart, and short in messages.
const IDENTITY_BYTES: usize = 8;

/// A hash of the files of a model's folder, as 16 hexadecimal digits.
///
/// # Errors
///
/// When a file cannot be read.
pub(crate) fn identity(folder: &Path) -> io::Result<String> {
    let mut hash = Sha256::new();
    for name in files(folder)? {
        let mut file = match File::open(folder.join(&name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            file => file?,
        };
        let bytes = file.metadata()?.len();
        hash.update(&name);
        hash.update(bytes.to_le_bytes());
        if bytes <= WHOLE_BYTES {
            let mut content = Vec::new();
            file.read_to_end(&mut content)?;
            hash.update(&content);
            continue;
        }
        let mut sample = [0; SAMPLE_BYTES];
        let last = bytes - SAMPLE_BYTES as u64;
        for number in 0..SAMPLES {
            file.seek(SeekFrom::Start(last / (SAMPLES - 1) * number))?;
            file.read_exact(&mut sample)?;
            hash.update(sample);
        }
    }
    let digest = hash.finalize();
    let bytes = digest.iter().take(IDENTITY_BYTES);
    Ok(bytes.map(|byte| format!("{byte:02x}")).collect())
}

/// The files that decide on vectors, by their names from the top of the model: settings and weights
/// of the model and of its modules. Those that a model does not have are among them.
fn files(folder: &Path) -> io::Result<BTreeSet<String>> {
    let modules = read_optional(&folder.join(MODULES_FILE))?;
    let modules: Vec<Value> = serde_json::from_slice(&modules).unwrap_or_default();
    let paths = modules.iter().filter_map(|module| module["path"].as_str());
    // Most encoders are at the top.
    let places: BTreeSet<&str> = paths.chain([""]).collect();
    let mut routed = Vec::new();
    for place in &places {
        routed.extend(of_router(folder, place)?);
    }
    let places: BTreeSet<&str> = places
        .into_iter()
        .chain(routed.iter().map(String::as_str))
        .collect();
    let mut files = BTreeSet::from([MODULES_FILE.to_owned()]);
    for place in places {
        let named = |name: &str| match place.trim_end_matches('/') {
            "" => name.to_owned(),
            place => format!("{place}/{name}"),
        };
        let exists = |name: &String| folder.join(name).is_file();
        files.extend(SETTINGS.map(named));
        if !exists(&named(TOKENIZER_FILE)) {
            files.extend(VOCABULARY.map(named));
        }
        let Some(weights) = WEIGHTS.map(named).into_iter().find(exists) else {
            continue;
        };
        if weights.ends_with(".json") {
            let index = read_optional(&folder.join(&weights))?;
            let index: Value = serde_json::from_slice(&index).unwrap_or_default();
            let shards = index["weight_map"].as_object().into_iter().flatten();
            files.extend(shards.filter_map(|(_, shard)| shard.as_str()).map(named));
        }
        files.insert(weights);
    }
    Ok(files)
}

/// The folders of the modules in the routes of a Router, from the top of the model; none of another module.
fn of_router(folder: &Path, place: &str) -> io::Result<Vec<String>> {
    for name in ROUTER_FILES {
        let config = read_optional(&folder.join(place).join(name))?;
        let config: Value = serde_json::from_slice(&config).unwrap_or_default();
        if let Some(types) = config["types"].as_object() {
            let place = place.trim_end_matches('/');
            return Ok(types
                .keys()
                .map(|id| match place {
                    "" => id.clone(),
                    place => format!("{place}/{id}"),
                })
                .collect());
        }
    }
    Ok(Vec::new())
}

/// The content of a file; of none, no bytes. A file that is not JSON is an error of the model.
fn read_optional(path: &Path) -> io::Result<Vec<u8>> {
    match std::fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        content => content,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_weights_or_settings_are_another_model() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let mut seen = vec![identity(folder.path()).unwrap()];
        let mut weights = vec![7u8; 5 << 20];
        std::fs::write(path("model.safetensors"), &weights).unwrap();
        seen.push(identity(folder.path()).unwrap());
        weights.iter_mut().for_each(|byte| *byte += 1);
        std::fs::write(path("model.safetensors"), &weights).unwrap();
        seen.push(identity(folder.path()).unwrap());
        std::fs::write(path("config.json"), "{}").unwrap();
        seen.push(identity(folder.path()).unwrap());
        std::fs::write(path("README.md"), "a card").unwrap();
        assert_eq!(identity(folder.path()).unwrap(), seen[3]);
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), 4);
        assert!(seen.iter().all(|identity| identity.len() == 16));
    }

    /// A model as older versions of sentence-transformers lay it out, with shards.
    const SHARDED: [(&str, &str); 7] = [
        (
            "modules.json",
            r#"[{"path":"0_Transformer"},{"path":"pool"}]"#,
        ),
        ("0_Transformer/config.json", "{}"),
        ("0_Transformer/tokenizer.json", "{}"),
        (
            "0_Transformer/model.safetensors.index.json",
            r#"{"weight_map":{"a":"one.safetensors","b":"two.safetensors"}}"#,
        ),
        ("0_Transformer/one.safetensors", "1"),
        ("0_Transformer/two.safetensors", "2"),
        ("pool/config.json", "{}"),
    ];

    fn write(folder: &Path, files: &[(&str, &str)]) {
        for (name, content) in files {
            let path = folder.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        }
    }

    #[test]
    fn shards_and_the_folders_of_modules_belong_to_the_identity() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), &SHARDED);
        let now = || identity(folder.path()).unwrap();
        let whole = now();
        for (name, content) in SHARDED {
            let other = format!("{content} ");
            write(folder.path(), &[(name, &other)]);
            assert_ne!(now(), whole, "{name}");
            write(folder.path(), &[(name, content)]);
            assert_eq!(now(), whole, "{name}");
        }
        // Other formats, notes and caches, as a whole repository has them.
        for name in [
            "README.md",
            "config_sentence_transformers.json",
            "data_config.json",
            "train_script.py",
            ".cache/huggingface/download/config.json",
            "onnx/model.onnx",
            "openvino/config.json",
            "0_Transformer/pytorch_model.bin",
            "0_Transformer/special_tokens_map.json",
            "0_Transformer/vocab.txt",
            "0_Transformer/tf_model.h5",
        ] {
            write(folder.path(), &[(name, "{}")]);
            assert_eq!(now(), whole, "{name}");
        }
        // Without tokenizer.json the vocabulary is read.
        let tokenizer = folder.path().join("0_Transformer/tokenizer.json");
        std::fs::remove_file(tokenizer).unwrap();
        let built = now();
        write(folder.path(), &[("0_Transformer/vocab.txt", "a\n")]);
        assert_ne!(now(), built);
    }

    #[cfg(unix)]
    #[test]
    fn links_to_the_files_of_a_model_are_the_same_model() {
        let (folder, links) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        write(folder.path(), &SHARDED);
        for (number, (name, _)) in SHARDED.iter().enumerate() {
            // As in the Hugging Face cache, the target has another name.
            let blob = folder.path().join(format!("blob-{number}"));
            std::fs::copy(folder.path().join(name), &blob).unwrap();
            let link = links.path().join(name);
            std::fs::create_dir_all(link.parent().unwrap()).unwrap();
            std::os::unix::fs::symlink(blob, link).unwrap();
        }
        assert_eq!(
            identity(links.path()).unwrap(),
            identity(folder.path()).unwrap()
        );
    }
}
