//! Any bytes as one file of a model folder: a model that takes a text, or an error.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use model::{Device, SentenceEncoder};

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../crates/model/tests/fixtures");

const FILES: [&str; 8] = [
    "model.safetensors",
    "config.json",
    "modules.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "sentence_bert_config.json",
    "1_Pooling/config.json",
    "pytorch_model.bin",
];

fuzz_target!(|bytes: &[u8]| {
    let Some((&choice, content)) = bytes.split_first() else { return };
    let file = FILES[usize::from(choice) % FILES.len()];
    let folder = tempfile::tempdir().unwrap();
    for name in FILES {
        let source = Path::new(FIXTURES).join("tiny-mpnet").join(name);
        let target = folder.path().join(name);
        std::fs::create_dir_all(target.parent().unwrap()).unwrap();
        if name != file && source.exists() {
            std::fs::copy(source, target).unwrap();
        }
    }
    if file == "pytorch_model.bin" {
        std::fs::remove_file(folder.path().join("model.safetensors")).unwrap();
    }
    std::fs::write(folder.path().join(file), content).unwrap();
    if let Some(name) = folder.path().to_str()
        && let Ok(encoder) = SentenceEncoder::from_pretrained(name, Device::Cpu)
    {
        let _ = encoder.encode(&["", "high end water bottle"]);
    }
});
