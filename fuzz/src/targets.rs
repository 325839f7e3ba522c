//! A function per target, which takes the bytes of an input. A panic, a failed assertion, and memory or time without bounds are findings.
#![allow(
    clippy::missing_panics_doc,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a target reports a finding by a panic"
)]

use std::io::Cursor;
use std::path::{Component, Path};
use std::sync::LazyLock;

use infer::vectors::{VectorFormat, read_vectors};
use model::parts::EncoderConfig;
use model::{Device, SentenceEncoder, fuzzing};
use records::{Format, ReaderOptions, RowReader, Source};

/// A function that panics on a finding.
pub type Target = fn(&[u8]);

/// Every target by name.
pub const ALL: [(&str, Target); 9] = [
    ("checkpoint", checkpoint),
    ("config", config),
    ("pytorch_state", pytorch_state),
    ("pytorch_vectors", pytorch_vectors),
    ("records", records),
    ("safetensors", safetensors),
    ("static_model", static_model),
    ("tokenizer", tokenizer),
    ("vectors", vectors),
];

/// The fixtures of the crate `model`.
pub(crate) const FIXTURES: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../crates/model/tests/fixtures"
);

/// The files of PyTorch among the fixtures of the crate `pytorch`.
pub(crate) const TORCH_FILES: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../crates/pytorch/tests/fixtures"
);

/// The model folder among the fixtures.
pub(crate) const MODEL: &str = "tiny-mpnet";

/// The settings of the model among the fixtures.
static CONFIG: LazyLock<EncoderConfig> =
    LazyLock::new(|| EncoderConfig::from_folder(&Path::new(FIXTURES).join(MODEL)).unwrap());

/// Splits an input into the first byte, which chooses, and the content. `None` for an empty input.
fn choice(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (&choice, content) = bytes.split_first()?;
    Some((usize::from(choice), content))
}

/// The files of a model folder that [`checkpoint`] damages, in the order of its first byte.
pub(crate) const MODEL_FILES: [&str; 8] = [
    "model.safetensors",
    "config.json",
    "modules.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "sentence_bert_config.json",
    "1_Pooling/config.json",
    "pytorch_model.bin",
];

/// One file of a model folder, the other files being sound: a model that takes a text, or an error.
///
/// The first byte chooses the file. Slow, because every input makes a folder and loads a model; the other targets read
/// the same formats in memory.
pub fn checkpoint(bytes: &[u8]) {
    let Some((choice, content)) = choice(bytes) else {
        return;
    };
    let file = MODEL_FILES[choice % MODEL_FILES.len()];
    let folder = tempfile::tempdir().unwrap();
    copy_files(
        &Path::new(FIXTURES).join(MODEL),
        &MODEL_FILES,
        folder.path(),
    );
    if file == "pytorch_model.bin" {
        std::fs::remove_file(folder.path().join("model.safetensors")).unwrap();
    }
    std::fs::write(folder.path().join(file), content).unwrap();
    encode_with(folder.path());
}

/// The static models among the fixtures, and a file of each that [`static_model`] damages, in the order of its first byte.
pub(crate) const STATIC_FILES: [(&str, &str); 9] = [
    ("root", "model.safetensors"),
    ("root", "modules.json"),
    ("root", "config_sentence_transformers.json"),
    ("root", "tokenizer.json"),
    ("model2vec", "model.safetensors"),
    ("model2vec", "config.json"),
    ("model2vec", "modules.json"),
    ("model2vec", "tokenizer.json"),
    ("quantized", "model.safetensors"),
];

/// One file of the folder of a static model, the other files being sound: a model that takes a text, or an error.
///
/// The first byte chooses the model and the file.
pub fn static_model(bytes: &[u8]) {
    let Some((choice, content)) = choice(bytes) else {
        return;
    };
    let (model, file) = STATIC_FILES[choice % STATIC_FILES.len()];
    let folder = tempfile::tempdir().unwrap();
    let files = STATIC_FILES.map(|(_, file)| file);
    copy_files(
        &Path::new(FIXTURES).join("static").join(model),
        &files,
        folder.path(),
    );
    std::fs::write(folder.path().join(file), content).unwrap();
    encode_with(folder.path());
}

/// Copies those of the files that there are.
fn copy_files(source: &Path, files: &[&str], target: &Path) {
    for file in files.iter().filter(|file| source.join(file).exists()) {
        let place = target.join(file);
        std::fs::create_dir_all(place.parent().unwrap()).unwrap();
        std::fs::copy(source.join(file), place).unwrap();
    }
}

/// Encodes two texts with the model of a folder, if it can be loaded: finite vectors of its width, or an error.
fn encode_with(folder: &Path) {
    if let Some(name) = folder.to_str()
        && let Ok(encoder) = SentenceEncoder::from_pretrained(name, Device::Cpu)
        && let Ok(vectors) = encoder.encode(&["", "high end water bottle"])
    {
        assert_eq!(vectors.len(), 2);
    }
}

/// One of the small JSON files of a model folder: valid settings or an error.
///
/// The first byte chooses the file.
pub fn config(bytes: &[u8]) {
    let Some((choice, content)) = choice(bytes) else {
        return;
    };
    match choice % 5 {
        0 => {
            if let Ok(config) = fuzzing::config(content) {
                let width = config.head_size() * config.num_attention_heads;
                assert_eq!(width, config.hidden_size);
                assert!(config.max_tokens() <= config.positions.rows());
            }
        }
        1 => {
            for folder in fuzzing::modules(content).unwrap_or_default() {
                let leaves = |part| !matches!(part, Component::Normal(_) | Component::CurDir);
                assert!(!folder.components().any(leaves), "{}", folder.display());
            }
        }
        2 => {
            if let Ok(modes) = fuzzing::pooling(content, CONFIG.hidden_size) {
                assert!(!modes.is_empty());
            }
        }
        choice => {
            let limit = if choice == 3 {
                fuzzing::sentence_limit(content, &CONFIG)
            } else {
                fuzzing::tokenizer_limit(content, &CONFIG)
            };
            if let Ok(length) = limit {
                assert!((1..=CONFIG.max_tokens()).contains(&length), "{length}");
            }
        }
    }
}

/// A file of texts: rows or errors.
///
/// The lower three bits of the first byte choose the format (6 and 7 leave it to the content), the others the columns
/// and options.
pub fn records(bytes: &[u8]) {
    const FORMATS: [Option<Format>; 8] = [
        Some(Format::Text),
        Some(Format::Csv),
        Some(Format::Tsv),
        Some(Format::Jsonl),
        Some(Format::Json),
        Some(Format::Parquet),
        None,
        None,
    ];
    let Some((choice, content)) = choice(bytes) else {
        return;
    };
    let format = FORMATS[choice % 8];
    let text = |wanted: bool| wanted.then(|| "text".to_owned()).into_iter().collect();
    let options = ReaderOptions {
        format,
        columns: text(choice & 8 != 0),
        id_column: (choice & 16 != 0).then(|| "id".to_owned()),
        skip_bad_rows: choice & 32 != 0,
        skip_empty_rows: choice & 32 != 0,
        require: text(choice & 64 != 0),
        clean_html: choice & 64 != 0,
        encoding: (choice & 128 != 0).then(|| "utf-16le".parse().unwrap()),
        ..ReaderOptions::default()
    };
    let rows = |reader: Result<RowReader, _>| {
        if let Ok(mut reader) = reader {
            reader.by_ref().for_each(drop);
            for note in reader.notes() {
                assert!(!note.to_string().contains('\n'), "{note:?}");
            }
        }
    };
    if format == Some(Format::Parquet) || choice % 8 == 7 {
        // Parquet is read from its end, and TSV looked through before.
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rows.tsv");
        std::fs::write(&path, content).unwrap();
        rows(RowReader::open(&Source::File(path), &options));
    } else {
        let content = Cursor::new(content.to_vec());
        rows(RowReader::from_reader(&Source::Stdin, content, &options));
    }
}

/// A safetensors file: tensors with as many values as their shape says, or an error.
pub fn safetensors(bytes: &[u8]) {
    for (name, shape, values) in fuzzing::safetensors(bytes.to_vec()).unwrap_or_default() {
        assert_eq!(shape.iter().product::<usize>(), values, "{name}");
    }
}

/// A `pytorch_model.bin`: tensors with as many values as their shape says, or an error.
///
/// The reader passes over wrong checksums in a build for libFuzzer, which would not find the right ones.
pub fn pytorch_state(bytes: &[u8]) {
    for (name, shape, values) in fuzzing::pytorch_state(bytes.to_vec()).unwrap_or_default() {
        let expected = if shape.contains(&0) {
            0
        } else {
            shape.iter().product()
        };
        assert_eq!(values, expected, "{name}");
    }
}

/// A `.pt` file of vectors: finite values of the shape that it names, or an error.
pub fn pytorch_vectors(bytes: &[u8]) {
    check_vectors(VectorFormat::Pt, bytes);
}

/// A line of text, then a `tokenizer.json`: ids inside the vocabulary, at most the maximum length of them, or an error.
///
/// The first byte of the line chooses the maximum length and whether the text is lower-cased.
pub fn tokenizer(bytes: &[u8]) {
    let Some(end) = bytes.iter().position(|&byte| byte == b'\n') else {
        return;
    };
    let (line, json) = (&bytes[..end], &bytes[end + 1..]);
    let (choice, text) = choice(line).unwrap_or((0, b""));
    let length = 2 + choice % 16;
    let lowercase = choice & 16 != 0;
    let Ok(tokenizer) = fuzzing::tokenizer(json, length, &CONFIG, lowercase) else {
        return;
    };
    let text = String::from_utf8_lossy(text);
    for tokens in tokenizer.encode(&[text.as_ref()]).unwrap_or_default() {
        assert!(tokens.ids.len() <= length, "{} tokens", tokens.ids.len());
        let vocabulary = CONFIG.vocab_size;
        assert!(tokens.ids.iter().all(|&id| (id as usize) < vocabulary));
    }
}

/// The formats of [`vectors`], in the order of its first byte.
pub(crate) fn vector_formats() -> impl Iterator<Item = VectorFormat> + Clone {
    VectorFormat::ALL
        .into_iter()
        .filter(|format| *format != VectorFormat::Pt)
}

/// A file of vectors: finite values of the shape that it names, or an error.
///
/// The first byte chooses the format; `.pt` has a target of its own.
pub fn vectors(bytes: &[u8]) {
    let Some((choice, content)) = choice(bytes) else {
        return;
    };
    if let Some(format) = vector_formats().cycle().nth(choice) {
        check_vectors(format, content);
    }
}

fn check_vectors(format: VectorFormat, content: &[u8]) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(format!("vectors.{format}"));
    std::fs::write(&path, content).unwrap();
    if let Ok(vectors) = read_vectors(&path) {
        assert!(vectors.values.iter().all(|value| value.is_finite()));
        assert_eq!(vectors.values.len() % vectors.width.max(1), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seeds;

    /// Runs every target on its seeds: whole, truncated, and with one byte changed.
    #[test]
    fn seeds_and_their_damage_are_no_findings() {
        for (name, target) in ALL {
            let seeds = seeds::of(name).unwrap();
            assert!(!seeds.is_empty(), "{name}");
            for (seed, bytes) in seeds {
                println!("{name}: {seed}, {} bytes", bytes.len());
                target(&bytes);
                target(&bytes[..bytes.len() / 2]);
                let mut damaged = bytes;
                let middle = damaged.len() / 2;
                if let Some(byte) = damaged.get_mut(middle) {
                    *byte ^= 0x15;
                }
                target(&damaged);
            }
        }
    }

    #[test]
    fn an_empty_input_is_no_finding() {
        for (_, target) in ALL {
            target(b"");
        }
    }
}
