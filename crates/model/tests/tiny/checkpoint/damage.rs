//! Every kind of damage to a model folder is named.

use super::*;

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
            "model.safetensors: tensor `decoder.bias` does not belong to this network",
            Box::new(|name, tensor| {
                let name = if name == "pooler.dense.bias" {
                    "decoder.bias"
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
            "config.json: not valid JSON for this file: pad_token_id: invalid value: integer `-1`",
            json("config.json", |c| c["pad_token_id"] = (-1).into()),
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
            "config.json: field `model_type`: \"deberta\"",
            json("config.json", |c| c["model_type"] = "deberta".into()),
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
            "field `pooling_mode_lasttoken`: \"yes\" is neither true nor false",
            write(
                "1_Pooling/config.json",
                "{\"pooling_mode_lasttoken\": \"yes\"}",
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
    for file in ["config.json", "1_Pooling/config.json"] {
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
        let encoder = SentenceEncoder::builder()
            .device(test_device())
            .max_length(3);
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

/// A flipped bit in a tensor's bytes, which the archive's checksum notices.
#[test]
fn a_damaged_storage_of_pytorch_weights_is_named() {
    let folder = copy();
    std::fs::remove_file(folder.path().join("model.safetensors")).unwrap();
    let path = folder.path().join("pytorch_model.bin");
    let mut bytes = std::fs::read(fixture("tiny_pytorch_model.bin")).unwrap();
    // The entry's local header: 30 bytes, its name, its extra field, then the stored bytes.
    let name = b"tiny_pytorch_model/data/1";
    let name_at = bytes
        .windows(name.len())
        .position(|window| window == name)
        .unwrap();
    let length = |at: usize| usize::from(u16::from_le_bytes([bytes[at], bytes[at + 1]]));
    let data = name_at + length(name_at - 4) + length(name_at - 2);
    bytes[data] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    let error = error_of(folder.path());
    let expected = "pytorch_model.bin: cannot read the weights: entry `tiny_pytorch_model/data/1`: damaged: its checksum is wrong";
    assert!(
        error.ends_with(expected),
        "{error}\nshould end with\n{expected}"
    );
}

#[test]
fn a_git_lfs_pointer_is_recognised() {
    let pointer =
        b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 438002304\n";
    for file in [
        "model.safetensors",
        "pytorch_model.bin",
        "config.json",
        "tokenizer.json",
        "vocab.txt",
    ] {
        let folder = copy();
        // The file that hides it.
        let other = match file {
            "pytorch_model.bin" => Some("model.safetensors"),
            "vocab.txt" => Some("tokenizer.json"),
            _ => None,
        };
        if let Some(other) = other {
            std::fs::remove_file(folder.path().join(other)).unwrap();
        }
        std::fs::write(folder.path().join(file), pointer).unwrap();
        let error = error_of(folder.path());
        let expected =
            format!("{file}: this is a Git LFS pointer, not the file itself; run `git lfs pull`");
        assert!(
            error.ends_with(&expected),
            "{error}\nshould end with\n{expected}"
        );
    }
}

#[test]
fn safetensors_offsets_beyond_every_file_are_an_error() {
    let folder = copy();
    // More would not be a number of bits.
    let end = u64::MAX / 8;
    let header = format!(r#"{{"a":{{"dtype":"U8","shape":[{end}],"data_offsets":[0,{end}]}}}}"#);
    let bytes = [&(header.len() as u64).to_le_bytes(), header.as_bytes()].concat();
    std::fs::write(folder.path().join("model.safetensors"), bytes).unwrap();
    let error = error_of(folder.path());
    assert!(
        error.contains("model.safetensors: cannot read the weights: it is "),
        "{error}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    /// A changed byte of `pytorch_model.bin` is an error, or is one that no vector depends on.
    #[test]
    fn no_damaged_pytorch_weight_is_used(index in any::<prop::sample::Index>(), change in 1u8..) {
        let folder = copy();
        std::fs::remove_file(folder.path().join("model.safetensors")).unwrap();
        let mut bytes = std::fs::read(fixture("tiny_pytorch_model.bin")).unwrap();
        let index = index.index(bytes.len());
        bytes[index] ^= change;
        std::fs::write(folder.path().join("pytorch_model.bin"), bytes).unwrap();
        if open_and_load(folder.path()).is_ok() {
            prop_assert_eq!(vectors(folder.path()), vectors(&fixture("tiny-mpnet")));
        }
    }

    /// Any damage to any file of the folder is an error or a model, never a panic.
    #[test]
    fn no_panic_on_any_bytes(
        file in prop::sample::select(vec![
            "model.safetensors", "config.json", "modules.json", "tokenizer.json", "tokenizer_config.json",
            "sentence_bert_config.json", "1_Pooling/config.json", "pytorch_model.bin",
        ]),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
        cut in prop::option::of(any::<prop::sample::Index>()),
        // The first bytes decide most.
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
