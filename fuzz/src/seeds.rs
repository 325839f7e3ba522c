//! Inputs to start from, made from the fixtures of the crate `model` and from small examples of each format. The
//! repository keeps none: a fuzzer writes them into its corpus when it starts.

use std::io;
use std::path::{Path, PathBuf};

use infer::vectors::{FileForm, OneWindow, write_vectors};
use records::Row;
use serde_json::{Value, json};

use crate::targets::{FIXTURES, MODEL, MODEL_FILES, STATIC_FILES, TORCH_FILES, vector_formats};

/// A seed: its file name and its bytes.
pub type Seed = (String, Vec<u8>);

/// The seeds of a target; an unknown target has none.
///
/// # Errors
///
/// When a fixture cannot be read.
pub fn of(target: &str) -> io::Result<Vec<Seed>> {
    match target {
        "checkpoint" => checkpoint(),
        "config" => config(),
        "pytorch_state" | "pytorch_vectors" => torch_files(),
        "records" => records(),
        "safetensors" => safetensors(),
        "static_model" => static_model(),
        "tokenizer" => tokenizer(),
        "vectors" => vectors(),
        _ => Ok(Vec::new()),
    }
}

/// Writes the seeds of a target into `fuzz/corpus/TARGET`, where cargo-fuzz looks for inputs.
///
/// Leaves out a seed that cannot be written: libFuzzer works without seeds, only more slowly.
pub fn write(target: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join(target);
    let Ok(seeds) = of(target) else { return };
    if std::fs::create_dir_all(&folder).is_ok() {
        for (name, bytes) in seeds {
            let _ = std::fs::write(folder.join(format!("seed-{name}")), bytes);
        }
    }
}

/// Puts the byte that chooses before the content.
fn chosen(choice: usize, content: &[u8]) -> Vec<u8> {
    let choice = u8::try_from(choice).unwrap_or(0);
    [&[choice], content].concat()
}

fn fixture(name: &str) -> io::Result<Vec<u8>> {
    std::fs::read(Path::new(FIXTURES).join(name))
}

fn model_file(name: &str) -> io::Result<Vec<u8>> {
    fixture(&format!("{MODEL}/{name}"))
}

fn checkpoint() -> io::Result<Vec<Seed>> {
    (0..)
        .zip(MODEL_FILES)
        .map(|(choice, name)| {
            let content = match name {
                "pytorch_model.bin" => fixture("tiny_pytorch_model.bin")?,
                name => model_file(name)?,
            };
            Ok((name.replace('/', "-"), chosen(choice, &content)))
        })
        .collect()
}

fn config() -> io::Result<Vec<Seed>> {
    let files = [
        "config.json",
        "modules.json",
        "1_Pooling/config.json",
        "sentence_bert_config.json",
        "tokenizer_config.json",
    ];
    let mut seeds = Vec::new();
    for (choice, name) in (0..).zip(files) {
        let content = model_file(name)?;
        seeds.push((name.replace('/', "-"), chosen(choice, &content)));
    }
    // In the words of sentence-transformers 5.7 and of older versions.
    let pooling = [
        r#"{"embedding_dimension":32,"pooling_mode":"mean"}"#,
        r#"{"pooling_mode":["cls","max"],"include_prompt":true}"#,
        r#"{"word_embedding_dimension":32,"pooling_mode_cls_token":true,"pooling_mode_lasttoken":false}"#,
    ];
    for (number, text) in pooling.iter().enumerate() {
        seeds.push((format!("pooling-{number}"), chosen(2, text.as_bytes())));
    }
    Ok(seeds)
}

/// The files that PyTorch wrote.
fn torch_files() -> io::Result<Vec<Seed>> {
    let mut seeds = Vec::new();
    for entry in std::fs::read_dir(TORCH_FILES)? {
        let path = entry?.path();
        if path.extension().is_some_and(|ending| ending == "pt") {
            let name = path.file_stem().unwrap_or_default().to_string_lossy();
            seeds.push((name.into_owned(), std::fs::read(&path)?));
        }
    }
    Ok(seeds)
}

fn records() -> io::Result<Vec<Seed>> {
    let text = "high end water bottle\n\nSlim 75% keyboard\r\n";
    let csv = "id,text,brand\r\n1,\"a \"\"quoted\"\"\r\nfield\",x\r\n\r\n2,plain,\r\n";
    let open = "id;text\n1;\"open\n2;<b>bold</b> &amp; \"x\"\n";
    let tsv = "id\ttext\n1\ta \" mark\n2\t\n";
    let quoted = "id\ttext\n1\t\"24\"\" monitor\"\n2\t\"two\nlines\"\n";
    let jsonl = "{\"id\":\"1\",\"text\":\"caf\\u00e9 \\ud83d\\ude00\",\"n\":1.50}\n\n{\"id\":2,\"text\":\"b\",\"f\":false}\n";
    let json = "[{\"id\":1,\"text\":[\"a\",\"b\"],\"n\":NaN},\n {\"id\":2,\"text\":null},\n {\"id\":3,\"text\":\"c}]";
    let seeds = [
        ("text", 0, text),
        ("csv", 1 | 8 | 16, csv),
        ("csv-skip", 1 | 32, csv),
        ("csv-open", 1 | 8 | 64, open),
        ("tsv", 2 | 8 | 16, tsv),
        ("tsv-quoted", 7 | 8 | 16, quoted),
        ("jsonl", 3 | 8 | 16, jsonl),
        ("jsonl-skip", 3 | 32, jsonl),
        ("json", 4 | 8 | 16, json),
        ("json-by-content", 6 | 8, json),
    ];
    let mut seeds: Vec<Seed> = seeds
        .map(|(name, choice, content)| (name.to_owned(), chosen(choice, content.as_bytes())))
        .into();
    // The files of the catalogue have other names for their columns; mutations find the way.
    for (name, choice) in [
        ("pandas.parquet", 5 | 32),
        ("duckdb.parquet", 5 | 32),
        ("excel-unicode.tsv", 7),
        ("plain.csv.zst", 6),
    ] {
        let content = std::fs::read(Path::new(CATALOGUE).join(name))?;
        seeds.push((name.to_owned(), chosen(choice, &content)));
    }
    Ok(seeds)
}

/// The files of products among the tests of `infer`.
const CATALOGUE: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../crates/infer/tests/catalogue"
);

fn safetensors() -> io::Result<Vec<Seed>> {
    let mut seeds = vec![(
        "embeddings".to_owned(),
        fixture("tiny_embeddings.safetensors")?,
    )];
    let types = [
        ("F64", 8),
        ("F32", 4),
        ("F16", 2),
        ("BF16", 2),
        ("I64", 8),
        ("I8", 1),
        ("U8", 1),
        ("BOOL", 1),
    ];
    for (dtype, bytes) in types {
        let end = 6 * bytes;
        let header = json!({
            "__metadata__": { "format": "pt" },
            "a.weight": { "dtype": dtype, "shape": [2, 3], "data_offsets": [0, end] },
            "a.bias": { "dtype": dtype, "shape": [], "data_offsets": [end, end + bytes] },
        });
        let header = header.to_string();
        let mut content = (header.len() as u64).to_le_bytes().to_vec();
        content.extend_from_slice(header.as_bytes());
        content.extend(std::iter::repeat_n(60, end + bytes));
        seeds.push((dtype.to_lowercase(), content));
    }
    Ok(seeds)
}

fn static_model() -> io::Result<Vec<Seed>> {
    (0..)
        .zip(STATIC_FILES)
        .map(|(choice, (model, file))| {
            let content = fixture(&format!("static/{model}/{file}"))?;
            Ok((format!("{model}-{file}"), chosen(choice, &content)))
        })
        .collect()
}

fn tokenizer() -> io::Result<Vec<Seed>> {
    let line = b"\x1aHigh-End Water Bottle, 750 ml\n";
    let with_text = |json: &[u8]| [line, json].concat();
    let whole: Value = serde_json::from_slice(&model_file("tokenizer.json")?)?;
    let mut small = whole.clone();
    // Most mutations of the whole file only touch its vocabulary.
    if let Some(vocabulary) = small
        .pointer_mut("/model/vocab")
        .and_then(Value::as_object_mut)
    {
        vocabulary.retain(|token, id| token.len() == 1 || id.as_u64() < Some(8));
    }
    let mut seeds = vec![
        (
            "wordpiece-whole".to_owned(),
            with_text(whole.to_string().as_bytes()),
        ),
        (
            "wordpiece".to_owned(),
            with_text(small.to_string().as_bytes()),
        ),
    ];
    let models = [
        (
            "wordlevel",
            json!({ "type": "WordLevel", "vocab": { "<unk>": 0, "High": 1 }, "unk_token": "<unk>" }),
        ),
        (
            "bpe",
            json!({ "type": "BPE", "unk_token": "<unk>", "vocab": { "<unk>": 0, "a": 1, "t": 2, "at": 3 },
                "merges": [["a", "t"]] }),
        ),
        (
            "unigram",
            json!({ "type": "Unigram", "unk_id": 0, "vocab": [["<unk>", 0.0], ["a", -1.0], ["at", -2.0]] }),
        ),
    ];
    for (name, model) in models {
        let tokenizer = json!({
            "version": "1.0",
            "added_tokens": [{ "id": 0, "content": "<unk>", "single_word": false, "lstrip": false, "rstrip": false,
                "normalized": false, "special": true }],
            "normalizer": { "type": "Sequence", "normalizers": [{ "type": "NFC" }, { "type": "Lowercase" }] },
            "pre_tokenizer": { "type": "Whitespace" },
            "post_processor": null,
            "model": model,
        });
        seeds.push((name.to_owned(), with_text(tokenizer.to_string().as_bytes())));
    }
    Ok(seeds)
}

fn vectors() -> io::Result<Vec<Seed>> {
    let folder = tempfile::tempdir()?;
    let mut seeds = Vec::new();
    for (choice, format) in (0..).zip(vector_formats()) {
        let path: PathBuf = folder.path().join(format!("seed.{format}"));
        let rows = [Row::default(), Row::default()];
        let values = [0.5, -0.25, 0.125, 1.0, 0.0, -1.0];
        let mut window = OneWindow::new(&rows, &values, 3).map_err(io::Error::other)?;
        write_vectors(&path, &FileForm::new(format, 3), &mut window).map_err(io::Error::other)?;
        seeds.push((format.to_string(), chosen(choice, &std::fs::read(&path)?)));
    }
    Ok(seeds)
}
