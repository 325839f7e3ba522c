//! Folders of other architectures: written and opened again, with the names of other files, and refused.

use std::collections::HashMap;

use model::backend::EncoderOps;
use model::{Checkpoint, ModelError, Precision, SentenceEncoder};
use safetensors::SafeTensors;

use crate::common::{assert_close, reference_tensor};
use crate::test_device::{on_test_device, test_device};
use crate::{FAMILIES, copy, texts};

/// What is written has the same tensors, settings and modules as what was read, so Python opens it as before.
#[test]
fn a_model_that_is_saved_is_the_same_model() {
    fn body<B: EncoderOps>(device: &B::Device) {
        for family in FAMILIES {
            let checkpoint = Checkpoint::open(&family.folder()).unwrap();
            let model = checkpoint.load::<B>(device).unwrap();
            let parent = tempfile::tempdir().unwrap();
            let saved = parent.path().join("saved");
            checkpoint.save(&model, &saved).unwrap();

            let tensors = |folder: &std::path::Path| {
                let bytes = std::fs::read(folder.join("model.safetensors")).unwrap();
                let file = SafeTensors::deserialize(&bytes).unwrap();
                let mut tensors: Vec<(String, Vec<u8>)> = file
                    .iter()
                    .map(|(name, tensor)| (name.to_owned(), tensor.data().to_vec()))
                    .collect();
                tensors.sort();
                tensors
            };
            assert!(
                tensors(&saved) == tensors(&family.folder()),
                "{}",
                family.name
            );
            let config = |folder: &std::path::Path| {
                let bytes = std::fs::read(folder.join("config.json")).unwrap();
                let mut config: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
                for field in ["dtype", "transformers_version"] {
                    config.as_object_mut().unwrap().remove(field);
                }
                config
            };
            assert_eq!(config(&saved), config(&family.folder()));
            let encode = |folder: &std::path::Path| {
                let builder = SentenceEncoder::builder().device(test_device());
                let encoder = builder.load(folder.to_str().unwrap()).unwrap();
                encoder.encode(&texts()).unwrap().into_values()
            };
            assert_eq!(encode(&saved), encode(&family.folder()));
        }
    }
    on_test_device!(body);
}

/// The files of a model with a head have a prefix, and those of the first BERT other names for LayerNorm.
#[test]
fn prefixes_heads_and_the_first_names_of_layer_norm_are_read() {
    for (family, prefix, head) in [
        ("bert", "bert.", "cls.predictions.bias"),
        ("roberta", "roberta.", "lm_head.bias"),
        ("xlm-roberta", "roberta.", "classifier.dense.weight"),
        ("distilbert", "distilbert.", "vocab_transform.weight"),
    ] {
        let family = FAMILIES
            .into_iter()
            .find(|known| known.name == family)
            .unwrap();
        let folder = copy(&family.folder());
        let path = folder.path().join("model.safetensors");
        let bytes = std::fs::read(&path).unwrap();
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let mut tensors: HashMap<String, _> = HashMap::new();
        for (name, tensor) in file.iter() {
            let mut name = name.to_owned();
            if name.contains("LayerNorm") {
                name = name.replace(".weight", ".gamma").replace(".bias", ".beta");
            }
            tensors.insert(format!("{prefix}{name}"), tensor);
        }
        let bias = tensors.values().next().unwrap().clone();
        tensors.insert(head.to_owned(), bias);
        let renamed = safetensors::serialize(tensors, None).unwrap();
        std::fs::write(&path, renamed).unwrap();

        let builder = SentenceEncoder::builder().device(test_device());
        let encoder = builder.load(folder.path().to_str().unwrap()).unwrap();
        let vectors = encoder.encode(&texts()).unwrap();
        let (_, expected) = reference_tensor(&family.answers(), "vectors");
        assert_close(
            family.name,
            vectors.values(),
            &expected,
            crate::common::TOLERANCE,
        );
    }
}

/// Reduced files of every architecture open again, and say their precision.
#[test]
fn every_architecture_is_exported_in_every_precision() {
    for family in FAMILIES {
        let checkpoint = Checkpoint::open(&family.folder()).unwrap();
        for precision in [Precision::Float16, Precision::Bfloat16, Precision::Int8] {
            let parent = tempfile::tempdir().unwrap();
            let folder = parent.path().join("exported");
            checkpoint.export(precision, &folder).unwrap();
            let exported = Checkpoint::open(&folder).unwrap();
            assert_eq!(exported.precision().unwrap(), precision, "{}", family.name);
            assert_eq!(exported.width(), checkpoint.width());
        }
    }
}

#[test]
fn an_unknown_architecture_lists_the_known_ones() {
    let folder = copy(&FAMILIES[0].folder());
    let path = folder.path().join("config.json");
    for (old, new, message) in [
        (
            "\"model_type\": \"bert\"",
            "\"model_type\": \"deberta-v2\"",
            "\"deberta-v2\" is not supported (only bert, camembert, distilbert, modernbert, mpnet, roberta, xlm-roberta)",
        ),
        (
            "\"hidden_act\": \"gelu\"",
            "\"hidden_act\": \"snake\"",
            "\"snake\" is not supported, only gelu, gelu_new,",
        ),
        (
            "\"position_embedding_type\": \"absolute\"",
            "\"position_embedding_type\": \"alibi\"",
            "\"alibi\" is not supported, only \"absolute\"",
        ),
    ] {
        let text = std::fs::read_to_string(FAMILIES[0].folder().join("config.json")).unwrap();
        assert!(text.contains(old), "{text}");
        std::fs::write(&path, text.replace(old, new)).unwrap();
        let error = Checkpoint::open(folder.path()).unwrap_err();
        assert!(matches!(error, ModelError::Field { .. }), "{error}");
        let error = error.to_string();
        assert!(
            error.contains("config.json") && error.contains(message),
            "{error}"
        );
    }
}

/// transformers 5 writes the bases of the angles and the kinds of the layers in other fields.
#[test]
fn modernbert_has_a_dropout_for_each_place() {
    let family = FAMILIES
        .into_iter()
        .find(|family| family.name == "modernbert");
    let folder = copy(&family.unwrap().folder());
    let path = folder.path().join("config.json");
    let open = |embedding: f64| {
        let mut config: serde_json::Value =
            serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        config["mlp_dropout"] = 0.5.into();
        config["attention_dropout"] = 0.125.into();
        config["embedding_dropout"] = embedding.into();
        std::fs::write(&path, config.to_string()).unwrap();
        Checkpoint::open(folder.path())
    };
    let config = open(0.25).unwrap().config;
    assert_eq!(
        (
            config.embedding_dropout,
            config.hidden_dropout,
            config.attention_dropout
        ),
        (Some(0.25), 0.5, 0.125)
    );
    let message = open(1.0).unwrap_err().to_string();
    assert!(
        message.contains("field `embedding_dropout`: 1 is not in [0, 1)"),
        "{message}"
    );
}

#[test]
fn modernbert_of_transformers_5_is_the_same_network() {
    let family = FAMILIES
        .into_iter()
        .find(|family| family.name == "modernbert")
        .unwrap();
    let change = |change: &dyn Fn(&mut serde_json::Value)| {
        let folder = copy(&family.folder());
        let path = folder.path().join("config.json");
        let mut config = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        change(&mut config);
        std::fs::write(&path, config.to_string()).unwrap();
        Checkpoint::open(folder.path()).map(|checkpoint| checkpoint.config.positions)
    };
    let newer = |config: &mut serde_json::Value| {
        let fields = config.as_object_mut().unwrap();
        let global = fields.remove("global_rope_theta").unwrap();
        let local = fields.remove("local_rope_theta").unwrap();
        config["rope_parameters"] = serde_json::json!({
            "full_attention": { "rope_theta": global, "rope_type": "default" },
            "sliding_attention": { "rope_theta": local, "rope_type": "default" },
        });
        let (full, sliding) = ("full_attention", "sliding_attention");
        config["layer_types"] = serde_json::json!([full, sliding, sliding, full]);
    };
    assert_eq!(change(&newer).unwrap(), change(&|_| ()).unwrap());
    for (change_more, message) in [
        (
            (|config| config["layer_types"][1] = "full_attention".into())
                as fn(&mut serde_json::Value),
            "layer_types",
        ),
        (
            |config| config["layer_types"] = serde_json::json!(["full_attention"]),
            "must have 4 layers",
        ),
        (
            |config| {
                config["rope_scaling"] = serde_json::json!({ "rope_type": "linear", "factor": 4.0 })
            },
            "rope_scaling",
        ),
        (
            |config| config["rope_parameters"]["full_attention"]["rope_theta"] = 1e-300.into(),
            "not a finite number of at least 1",
        ),
        (
            |config| config["rope_parameters"]["full_attention"]["rope_type"] = "yarn".into(),
            "\"yarn\" is not supported",
        ),
        (
            |config| config["max_position_embeddings"] = (1 << 20).into(),
            "is more than 131072",
        ),
        (
            |config| config["is_decoder"] = true.into(),
            "a decoder is not supported",
        ),
        (
            |config| config["num_attention_heads"] = 32.into(),
            "an even size of heads",
        ),
    ] {
        let refused = change(&|config| {
            newer(config);
            change_more(config);
        });
        let error = refused.unwrap_err().to_string();
        assert!(
            error.contains("config.json") && error.contains(message),
            "{error}"
        );
    }
}

/// The error of DistilBERT names the field as its file does.
#[test]
fn a_refused_field_has_the_name_of_its_architecture() {
    let folder = copy(&FAMILIES[3].folder());
    let path = folder.path().join("config.json");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("\"n_heads\": 4", "\"n_heads\": 5")).unwrap();
    let error = Checkpoint::open(folder.path()).unwrap_err().to_string();
    assert!(error.contains("n_heads"), "{error}");
}

/// A fault in a module after the pooling is named with its file.
#[test]
fn faults_of_modules_after_the_pooling_are_named() {
    let folder = FAMILIES[2].folder();
    for (file, old, new, message) in [
        (
            "2_Dense/config.json",
            "\"in_features\": 32",
            "\"in_features\": 33",
            "33 differs from the 32 dimensions before this module",
        ),
        (
            "2_Dense/config.json",
            "torch.nn.modules.activation.Tanh",
            "torch.nn.modules.activation.Hardtanh",
            "is not supported (only Identity, GELU, ReLU, Sigmoid, SiLU, Tanh of torch.nn)",
        ),
        (
            "3_LayerNorm/config.json",
            "24",
            "25",
            "25 differs from the 24 dimensions before this module",
        ),
        ("modules.json", "LayerNorm", "WordWeights", "WordWeights"),
    ] {
        let copied = copy(&folder);
        let path = copied.path().join(file);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(old), "{text}");
        std::fs::write(&path, text.replace(old, new)).unwrap();
        let error = Checkpoint::open(copied.path()).unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
    }
}
