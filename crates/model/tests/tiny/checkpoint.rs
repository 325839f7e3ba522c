//! The model folder: written and read again, in old and new forms, and every kind of damage named.

use std::io::ErrorKind;
use std::path::Path;

use crate::common::{
    DEVICE, TestBackend, assert_close, fixture, reference_tensor, reference_tokens,
};
use model::{Checkpoint, ModelError, PoolingMode, SentenceEncoder};
use proptest::prelude::*;
use safetensors::tensor::{Dtype, TensorView};
use safetensors::{SafeTensors, serialize};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A copy of the tiny model to damage.
pub(crate) fn copy() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    copy_folder(&fixture("tiny-mpnet"), folder.path());
    folder
}

fn copy_folder(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            std::fs::create_dir(&target).unwrap();
            copy_folder(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn open_and_load(folder: &Path) -> Result<(), ModelError> {
    let checkpoint = Checkpoint::open(folder)?;
    checkpoint.tokenizer()?;
    checkpoint
        .load::<TestBackend>(&Default::default())
        .map(|_| ())
}

/// Loads a folder and, where that works, sends a text all the way.
fn load_and_encode(folder: &Path) -> Result<(), ModelError> {
    let encoder = SentenceEncoder::from_pretrained(folder.to_str().unwrap(), DEVICE)?;
    encoder.encode(&["", "high end water bottle"]).map(|_| ())
}

/// The error's sentence, which must name what is at fault.
fn error_of(folder: &Path) -> String {
    open_and_load(folder).unwrap_err().to_string()
}

fn change_json(folder: &Path, file: &str, change: impl FnOnce(&mut Value)) {
    let path = folder.join(file);
    let mut value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    change(&mut value);
    std::fs::write(path, value.to_string()).unwrap();
}

/// Rewrites the weights, each tensor as `change` returns it; `None` leaves it out.
pub(crate) fn change_tensors(
    folder: &Path,
    mut change: impl FnMut(&str, Tensor) -> Option<(String, Tensor)>,
) {
    let path = folder.join("model.safetensors");
    let bytes = std::fs::read(&path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let changed: Vec<(String, Tensor)> = file
        .tensors()
        .into_iter()
        .filter_map(|(name, view)| {
            change(
                &name,
                Tensor {
                    dtype: view.dtype(),
                    shape: view.shape().to_vec(),
                    bytes: view.data().to_vec(),
                },
            )
        })
        .collect();
    let views = changed.iter().map(|(name, tensor)| {
        (
            name,
            TensorView::new(tensor.dtype, tensor.shape.clone(), &tensor.bytes).unwrap(),
        )
    });
    std::fs::write(path, serialize(views, None).unwrap()).unwrap();
}

#[derive(Clone)]
pub(crate) struct Tensor {
    pub(crate) dtype: Dtype,
    pub(crate) shape: Vec<usize>,
    pub(crate) bytes: Vec<u8>,
}

fn vectors(folder: &Path) -> Vec<f32> {
    let texts = reference_tokens("tiny_tokens.json").texts;
    let encoder = SentenceEncoder::from_pretrained(folder.to_str().unwrap(), DEVICE).unwrap();
    encoder.encode(&texts).unwrap().into_values()
}

#[test]
fn a_written_folder_gives_the_same_vectors() {
    let checkpoint = Checkpoint::open(&fixture("tiny-mpnet")).unwrap();
    let model = checkpoint.load::<TestBackend>(&Default::default()).unwrap();
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("deep/er/model");
    checkpoint.save(&model.network, &folder).unwrap();

    let again = Checkpoint::open(&folder).unwrap();
    assert_eq!(again.config, checkpoint.config);
    assert_eq!(
        (again.max_seq_length, again.normalize),
        (checkpoint.max_seq_length, checkpoint.normalize)
    );
    assert_eq!(again.pooling, checkpoint.pooling);
    let prompts = "config_sentence_transformers.json";
    assert_eq!(
        std::fs::read(folder.join(prompts)).unwrap(),
        std::fs::read(fixture("tiny-mpnet").join(prompts)).unwrap()
    );
    // The same weights through the same operations: nothing may differ.
    assert_eq!(vectors(&folder), vectors(&fixture("tiny-mpnet")));

    // Once more over itself: replaced, and nothing left beside it.
    again.save(&model.network, &folder).unwrap();
    assert_eq!(vectors(&folder), vectors(&fixture("tiny-mpnet")));
    assert_eq!(
        std::fs::read_dir(folder.parent().unwrap()).unwrap().count(),
        1
    );

    // A folder that is no model is not replaced.
    let other = parent.path().join("photos");
    std::fs::create_dir(&other).unwrap();
    std::fs::write(other.join("cat.jpg"), "miaow").unwrap();
    let error = checkpoint.save(&model.network, &other).unwrap_err();
    assert!(matches!(error, ModelError::FolderInUse { .. }), "{error}");
    assert_eq!(
        std::fs::read_to_string(other.join("cat.jpg")).unwrap(),
        "miaow"
    );
}

#[test]
fn the_classic_form_is_read() {
    let folder = copy();
    let path = folder.path();
    change_json(path, "modules.json", |modules| {
        for (module, class) in
            modules
                .as_array_mut()
                .unwrap()
                .iter_mut()
                .zip(["Transformer", "Pooling", "Normalize"])
        {
            module["type"] = format!("sentence_transformers.models.{class}").into();
        }
    });
    change_json(path, "1_Pooling/config.json", |config| {
        *config = json!({ "word_embedding_dimension": 32, "pooling_mode_cls_token": false, "pooling_mode_mean_tokens": true });
    });
    change_json(path, "sentence_bert_config.json", |config| {
        *config = json!({ "max_seq_length": 20, "do_lower_case": false })
    });
    let checkpoint = Checkpoint::open(path).unwrap();
    assert_eq!(
        (checkpoint.max_seq_length, checkpoint.normalize),
        (20, true)
    );
    assert_eq!(checkpoint.pooling, [PoolingMode::Mean]);

    // The encoder in a folder of its own, as sentence-transformers wrote it before version 1.
    std::fs::create_dir(path.join("0_Transformer")).unwrap();
    for file in [
        "config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    ] {
        std::fs::rename(path.join(file), path.join("0_Transformer").join(file)).unwrap();
    }
    change_json(path, "modules.json", |modules| {
        modules[0]["path"] = "0_Transformer".into()
    });
    let checkpoint = Checkpoint::open(path).unwrap();
    assert_eq!(
        checkpoint.max_seq_length, 62,
        "as tokenizer_config.json says"
    );
    open_and_load(path).unwrap();
}

#[test]
fn other_poolings_are_read_and_written() {
    let cases: [(Value, &[PoolingMode]); 5] = [
        (json!({ "pooling_mode": "cls" }), &[PoolingMode::Cls]),
        (
            json!({ "pooling_mode_cls_token": true }),
            &[PoolingMode::Cls],
        ),
        (
            json!({ "pooling_mode_max_tokens": true, "pooling_mode_mean_sqrt_len_tokens": true }),
            &[PoolingMode::Max, PoolingMode::MeanSqrtLength],
        ),
        (
            json!({ "pooling_mode": ["mean", "cls"] }),
            &[PoolingMode::Mean, PoolingMode::Cls],
        ),
        (json!({}), &[PoolingMode::Mean]),
    ];
    for (config, modes) in cases {
        let folder = copy();
        change_json(folder.path(), "1_Pooling/config.json", |old| *old = config);
        change_json(folder.path(), "modules.json", |modules| {
            modules.as_array_mut().unwrap().pop();
        });
        let checkpoint = Checkpoint::open(folder.path()).unwrap();
        assert_eq!(checkpoint.pooling, modes);
        assert!(!checkpoint.normalize);
        assert_eq!(checkpoint.width(), 32 * modes.len());

        let model = checkpoint.load::<TestBackend>(&Default::default()).unwrap();
        let written = folder.path().join("written");
        checkpoint.save(&model.network, &written).unwrap();
        let again = Checkpoint::open(&written).unwrap();
        assert_eq!((again.pooling.as_slice(), again.normalize), (modes, false));
        assert_eq!(vectors(&written), vectors(folder.path()));
    }
}

#[test]
fn a_pytorch_file_gives_the_same_vectors() {
    let folder = copy();
    std::fs::remove_file(folder.path().join("model.safetensors")).unwrap();
    std::fs::copy(
        fixture("tiny_pytorch_model.bin"),
        folder.path().join("pytorch_model.bin"),
    )
    .unwrap();
    assert_eq!(vectors(folder.path()), vectors(&fixture("tiny-mpnet")));
}

#[test]
fn half_precision_weights_are_read() {
    let folder = copy();
    change_tensors(folder.path(), |name, mut tensor| {
        let halves = tensor
            .bytes
            .chunks_exact(4)
            .flat_map(|bytes| [bytes[2], bytes[3]]);
        tensor.bytes = halves.collect();
        tensor.dtype = Dtype::BF16;
        Some((name.to_owned(), tensor))
    });
    let (_, expected) = reference_tensor("tiny_embeddings.safetensors", "embeddings");
    // bf16 keeps 8 bits: weights cut there move this model's vectors by about a hundredth.
    assert_close("bf16 weights", &vectors(folder.path()), &expected, 0.1);
}

#[test]
fn damaged_weights_are_named() {
    type Change = Box<dyn Fn(&str, Tensor) -> Option<(String, Tensor)>>;
    let cases: [(&str, Change); 5] = [
        (
            "model.safetensors: tensor `encoder.layer.1.attention.attn.k.bias` is missing",
            Box::new(|name, tensor| {
                (name != "encoder.layer.1.attention.attn.k.bias").then(|| (name.to_owned(), tensor))
            }),
        ),
        (
            "model.safetensors: tensor `lm_head.bias` does not belong to this network",
            Box::new(|name, tensor| {
                let name = if name == "pooler.dense.bias" {
                    "lm_head.bias"
                } else {
                    name
                };
                Some((name.to_owned(), tensor))
            }),
        ),
        (
            "model.safetensors: tensor `encoder.relative_attention_bias.weight` has the shape [4, 32] where config.json \
             makes it [32, 4]",
            Box::new(|name, mut tensor| {
                if name.contains("relative") {
                    tensor.shape.reverse();
                }
                Some((name.to_owned(), tensor))
            }),
        ),
        (
            "model.safetensors: tensor `embeddings.LayerNorm.weight` holds I32 instead of floating-point numbers",
            Box::new(|name, mut tensor| {
                if name == "embeddings.LayerNorm.weight" {
                    tensor.dtype = Dtype::I32;
                }
                Some((name.to_owned(), tensor))
            }),
        ),
        (
            "model.safetensors: tensor `encoder.layer.0.output.dense.weight` holds NaN at position 5",
            Box::new(|name, mut tensor| {
                if name == "encoder.layer.0.output.dense.weight" {
                    tensor.bytes[20..24].copy_from_slice(&f32::NAN.to_le_bytes());
                }
                Some((name.to_owned(), tensor))
            }),
        ),
    ];
    for (expected, change) in cases {
        let folder = copy();
        change_tensors(folder.path(), change);
        let error = error_of(folder.path());
        assert!(
            error.ends_with(expected),
            "{error}\nshould end with\n{expected}"
        );
    }

    let folder = copy();
    let path = folder.path().join("model.safetensors");
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
    let error = error_of(folder.path());
    assert!(
        error.contains("model.safetensors: cannot read the weights"),
        "{error}"
    );
    std::fs::remove_file(&path).unwrap();
    let error = error_of(folder.path());
    assert!(
        error.contains("neither model.safetensors nor pytorch_model.bin"),
        "{error}"
    );
}

#[test]
fn damaged_small_files_are_named() {
    type Change = Box<dyn Fn(&Path)>;
    let json = |file: &'static str, change: fn(&mut Value)| -> Change {
        Box::new(move |folder: &Path| change_json(folder, file, change))
    };
    let write = |file: &'static str, text: &'static str| -> Change {
        Box::new(move |folder: &Path| std::fs::write(folder.join(file), text).unwrap())
    };
    let cases: [(&str, Change); 19] = [
        ("config.json: not valid JSON", write("config.json", "{")),
        (
            "config.json: not valid JSON for this file: trailing characters",
            Box::new(|folder: &Path| {
                let path = folder.join("config.json");
                let whole = std::fs::read_to_string(&path).unwrap();
                std::fs::write(path, whole + "}").unwrap();
            }),
        ),
        (
            "config.json: not valid JSON for this file: bos_token_id: invalid value: integer `-1`",
            json("config.json", |c| c["bos_token_id"] = (-1).into()),
        ),
        (
            "modules.json: not valid JSON for this file: [1].path: invalid type",
            json("modules.json", |m| m[1]["path"] = 1.into()),
        ),
        (
            "field `pooling_mode_mean_tokens`: \"yes\" is neither true nor false",
            write(
                "1_Pooling/config.json",
                "{\"pooling_mode_mean_tokens\": \"yes\"}",
            ),
        ),
        (
            "missing field `vocab_size`",
            json("config.json", |c| {
                drop(c.as_object_mut().unwrap().remove("vocab_size"))
            }),
        ),
        (
            "config.json: field `model_type`: \"bert\"",
            json("config.json", |c| c["model_type"] = "bert".into()),
        ),
        (
            "field `num_attention_heads`",
            json("config.json", |c| c["num_attention_heads"] = 5.into()),
        ),
        (
            "`embeddings.word_embeddings.weight` has the shape [938, 32]",
            json("config.json", |c| c["vocab_size"] = 939.into()),
        ),
        (
            "token id 937 is outside",
            json("config.json", |c| c["vocab_size"] = 937.into()),
        ),
        (
            "modules.json: not valid JSON",
            write("modules.json", "[{}]"),
        ),
        (
            "module 1 has the type `x.Dense`",
            json("modules.json", |m| m[1]["type"] = "x.Dense".into()),
        ),
        (
            "module 0 has the type `(none)`",
            write("modules.json", "[]"),
        ),
        (
            "leads out of the model folder",
            json("modules.json", |m| m[1]["path"] = "../1_Pooling".into()),
        ),
        (
            "1_Pooling/config.json: field `pooling_mode`",
            json("1_Pooling/config.json", |p| {
                p["pooling_mode"] = "best".into()
            }),
        ),
        (
            "field `embedding_dimension`: 31",
            json("1_Pooling/config.json", |p| {
                p["embedding_dimension"] = 31.into()
            }),
        ),
        (
            "field `pooling_mode_lasttoken`",
            write(
                "1_Pooling/config.json",
                "{\"pooling_mode_lasttoken\": true}",
            ),
        ),
        (
            "field `model_max_length`",
            json("tokenizer_config.json", |t| {
                t["model_max_length"] = 0.into()
            }),
        ),
        (
            "tokenizer.json: not a tokenizer",
            write("tokenizer.json", "{\"version\": \"1.0\"}"),
        ),
    ];
    for (expected, change) in cases {
        let folder = copy();
        change(folder.path());
        let error = error_of(folder.path());
        assert!(error.contains(expected), "{error}\nshould say\n{expected}");
    }
}

#[test]
fn a_missing_file_is_named() {
    for file in ["config.json", "tokenizer.json", "1_Pooling/config.json"] {
        let folder = copy();
        let missing = folder.path().join(file);
        std::fs::remove_file(&missing).unwrap();
        let error = open_and_load(folder.path()).unwrap_err();
        let ModelError::Io { path, source } = &error else {
            panic!("{error}");
        };
        assert_eq!(source.kind(), ErrorKind::NotFound);
        assert_eq!(path, &missing);
        assert!(
            error.to_string().contains(missing.to_str().unwrap()),
            "{error}"
        );
    }
}

#[test]
fn a_folder_is_no_weights_file() {
    let folder = copy();
    let path = folder.path().join("model.safetensors");
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    let error = open_and_load(folder.path()).unwrap_err();
    assert!(matches!(error, ModelError::NoWeights { .. }), "{error}");
}

/// All of these are read without a complaint and panic with a text, or give ids that no network has.
#[test]
fn an_odd_tokenizer_is_named() {
    let template = |id: &str| {
        json!({
            "type": "TemplateProcessing",
            "single": [{ "SpecialToken": { "id": id, "type_id": 0 } }, { "Sequence": { "id": "A", "type_id": 0 } }],
            "pair": [{ "Sequence": { "id": "A", "type_id": 0 } }, { "Sequence": { "id": "B", "type_id": 1 } }],
            "special_tokens": { "<s>": { "id": "<s>", "ids": [0], "tokens": ["<s>"] } },
        })
    };
    let cases = [
        (
            "post_processor",
            Value::Null,
            "field `post_processor`: leaves \"\" without any token",
        ),
        ("post_processor", template("<nowhere>"), "not a tokenizer: "),
        (
            "post_processor",
            json!({
                "type": "RobertaProcessing", "sep": ["</s>", 99999], "cls": ["<s>", 0],
                "trim_offsets": false, "add_prefix_space": false,
            }),
            "field `post_processor`: token id 99999 is outside the network's vocabulary of 938",
        ),
        (
            "pre_tokenizer",
            json!({ "type": "FixedLength", "length": 0 }),
            "not a tokenizer: cannot tokenize \"a\": ",
        ),
    ];
    for (part, value, expected) in cases {
        let folder = copy();
        change_json(folder.path(), "tokenizer.json", |tokenizer| {
            tokenizer[part] = value
        });
        let error = load_and_encode(folder.path()).unwrap_err().to_string();
        assert!(
            error.contains("tokenizer.json: ") && error.contains(expected),
            "{error}\nshould say\n{expected}"
        );
    }
    let folder = copy();
    change_json(folder.path(), "tokenizer.json", |tokenizer| {
        tokenizer["post_processor"] = template("<s>")
    });
    load_and_encode(folder.path()).unwrap();
}

#[test]
fn a_limit_beyond_the_positions_is_cut() {
    // As a float, and as transformers writes "no limit".
    for length in ["1e30", "1000000000000000019884624838656", "63"] {
        let folder = copy();
        let path = folder.path().join("tokenizer_config.json");
        std::fs::write(path, format!("{{\"model_max_length\": {length}}}")).unwrap();
        let checkpoint = Checkpoint::open(folder.path()).unwrap();
        assert_eq!(checkpoint.max_seq_length, 62, "{length}");
        assert_eq!(checkpoint.tokenizer().unwrap().max_length(), 62);
    }
}

#[test]
fn a_limit_without_room_for_a_token_is_named() {
    for (file, field) in [
        ("sentence_bert_config.json", "max_seq_length"),
        ("tokenizer_config.json", "model_max_length"),
    ] {
        let folder = copy();
        change_json(folder.path(), file, |config| config[field] = 2.into());
        let error = error_of(folder.path());
        let expected = format!("{file}: field `{field}`: 2 is not a length from 3 to 62 tokens");
        assert!(
            error.ends_with(&expected),
            "{error}\nshould end with\n{expected}"
        );
        // Another length is possible all the same.
        let encoder = SentenceEncoder::builder().device(DEVICE).max_length(3);
        encoder.load(folder.path().to_str().unwrap()).unwrap();
    }
    let folder = copy();
    change_json(folder.path(), "config.json", |config| {
        config["max_position_embeddings"] = 4.into()
    });
    let error = error_of(folder.path());
    assert!(
        error.ends_with(
            "config.json: field `max_position_embeddings`: 4 leaves room for 2 tokens, 2 of them special"
        ),
        "{error}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    /// Any damage to any file of the folder is an error or a model, never a panic.
    #[test]
    fn no_panic_on_any_bytes(
        file in prop::sample::select(vec![
            "model.safetensors", "config.json", "modules.json", "tokenizer.json", "tokenizer_config.json",
            "sentence_bert_config.json", "1_Pooling/config.json", "pytorch_model.bin",
        ]),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
        cut in prop::option::of(any::<prop::sample::Index>()),
        // Most of what decides stands in the first bytes.
        early in any::<bool>(),
    ) {
        let folder = copy();
        let path = folder.path().join(file);
        if file == "pytorch_model.bin" {
            std::fs::copy(fixture("tiny_pytorch_model.bin"), &path).unwrap();
            std::fs::remove_file(folder.path().join("model.safetensors")).unwrap();
        }
        let mut bytes = std::fs::read(&path).unwrap();
        for (index, byte) in damage {
            let range = if early { bytes.len().min(4096) } else { bytes.len() };
            bytes[index.index(range)] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        std::fs::write(path, bytes).unwrap();
        let _ = load_and_encode(folder.path());
    }
}
