//! A model folder that `transformers` saved with a head.

use std::path::Path;

use safetensors::SafeTensors;
use safetensors::tensor::TensorView;

use crate::support::{TINY, bare_infer, run};
use crate::test_device::test_device;

/// The files of `MPNetForMaskedLM.save_pretrained` and of its tokenizer, with the weights of the tiny model.
fn masked_language_model(folder: &Path) {
    for name in ["config.json", "tokenizer.json", "tokenizer_config.json"] {
        std::fs::copy(Path::new(TINY).join(name), folder.join(name)).unwrap();
    }
    let bytes = std::fs::read(Path::new(TINY).join("model.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let mut tensors: Vec<(String, TensorView<'_>)> = file
        .tensors()
        .into_iter()
        .map(|(name, view)| (format!("mpnet.{name}"), view))
        .collect();
    let bias = file.tensor("embeddings.LayerNorm.bias").unwrap();
    for name in [
        "lm_head.bias",
        "lm_head.dense.bias",
        "lm_head.dense.weight",
        "lm_head.layer_norm.bias",
    ] {
        tensors.push((name.to_owned(), bias.clone()));
    }
    let bytes = safetensors::serialize(tensors, None).unwrap();
    std::fs::write(folder.join("model.safetensors"), bytes).unwrap();
}

#[test]
fn a_model_with_a_head_is_used_and_a_note_names_the_head() {
    let folder = tempfile::tempdir().unwrap();
    masked_language_model(folder.path());
    let mut command = bare_infer();
    command.args([
        "similarity",
        "red kettle",
        "blue mug",
        "--offline",
        "--model",
    ]);
    command.arg(folder.path());
    command.args(["--device", &test_device().to_string()]);
    let run = run(&mut command);
    assert_eq!(run.code, 0, "{}", run.err);
    // The value of sentence-transformers 5.7.
    assert!(run.out.contains("0.6754"), "{}", run.out);
    let expected = "ignored 4 tensors of a head, which no vector depends on: `lm_head.bias`, `lm_head.dense.bias`, \
                    `lm_head.dense.weight`, …";
    assert!(run.err.contains(expected), "{}", run.err);
}
