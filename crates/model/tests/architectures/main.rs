//! Every architecture against PyTorch, on a random model of `fixtures/architectures` and on the device under test.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may"
)]

#[path = "../common/mod.rs"]
mod common;
#[path = "../common/device.rs"]
mod test_device;

mod folders;
mod gradients;
mod hidden_states;
mod rerankers;
mod taggers;
mod vectors;

use common::fixture;

/// A model, and its names for the modules of a layer.
struct Family {
    /// Its folder and the start of its files.
    name: &'static str,
    /// The list of layers in `transformers`.
    layers: &'static str,
    /// Query, key, value, output, their LayerNorm; the feed-forward block's layers and LayerNorm.
    layer: [&'static str; 8],
}

const OF_BERT: [&str; 8] = [
    "attention.self.query",
    "attention.self.key",
    "attention.self.value",
    "attention.output.dense",
    "attention.output.LayerNorm",
    "intermediate.dense",
    "output.dense",
    "output.LayerNorm",
];

const FAMILIES: [Family; 5] = [
    Family {
        name: "bert",
        layers: "encoder.layer",
        layer: OF_BERT,
    },
    Family {
        name: "roberta",
        layers: "encoder.layer",
        layer: OF_BERT,
    },
    Family {
        name: "xlm-roberta",
        layers: "encoder.layer",
        layer: OF_BERT,
    },
    Family {
        name: "distilbert",
        layers: "transformer.layer",
        layer: [
            "attention.q_lin",
            "attention.k_lin",
            "attention.v_lin",
            "attention.out_lin",
            "sa_layer_norm",
            "ffn.lin1",
            "ffn.lin2",
            "output_layer_norm",
        ],
    },
    // One layer for query, key and value.
    Family {
        name: "modernbert",
        layers: "layers",
        layer: [
            "attn.Wqkv",
            "attn.Wqkv",
            "attn.Wqkv",
            "attn.Wo",
            "attn_norm",
            "mlp.Wi",
            "mlp.Wo",
            "mlp_norm",
        ],
    },
];

impl Family {
    fn folder(&self) -> std::path::PathBuf {
        fixture("architectures").join(self.name)
    }

    /// The file of PyTorch's answers.
    fn answers(&self) -> String {
        format!("architectures/{}.safetensors", self.name)
    }

    fn tokens(&self) -> Tokens {
        let path = fixture("architectures").join(format!("{}.json", self.name));
        serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
    }

    fn model(&self) -> String {
        self.folder().to_str().unwrap().to_owned()
    }
}

/// Token ids of the 65 texts.
#[derive(serde::Deserialize)]
struct Tokens {
    max_seq_length: usize,
    input_ids: Vec<Vec<u32>>,
}

/// The 65 texts.
fn texts() -> Vec<String> {
    common::reference_tokens("all-mpnet-base-v2_tokens.json").texts
}

/// A copy of a model's folder that a test may change.
fn copy(folder: &std::path::Path) -> tempfile::TempDir {
    fn copy_into(from: &std::path::Path, to: &std::path::Path) {
        for entry in from.read_dir().unwrap() {
            let entry = entry.unwrap();
            let to = to.join(entry.file_name());
            if entry.path().is_dir() {
                std::fs::create_dir(&to).unwrap();
                copy_into(&entry.path(), &to);
            } else {
                std::fs::copy(entry.path(), to).unwrap();
            }
        }
    }
    let copy = tempfile::tempdir().unwrap();
    copy_into(folder, copy.path());
    copy
}
