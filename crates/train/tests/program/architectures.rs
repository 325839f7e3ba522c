//! Every architecture trains as MPNet does, on the random models of the `model` crate's tests.

use std::path::{Path, PathBuf};

use model::SentenceEncoder;

use crate::support::{device, fit_model, folder, inside, steps, succeed, tensors};

/// Each with the end of the names of its attention's weights.
const MODELS: [(&str, &[&str]); 5] = [
    ("bert", &["query", "key", "value", "attention.output.dense"]),
    (
        "roberta",
        &["query", "key", "value", "attention.output.dense"],
    ),
    (
        "xlm-roberta",
        &["query", "key", "value", "attention.output.dense"],
    ),
    ("distilbert", &["q_lin", "k_lin", "v_lin", "out_lin"]),
    ("modernbert", &["Wqkv", "attn.Wo"]),
];

fn model(name: &str) -> PathBuf {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../model/tests/fixtures");
    fixtures.join("architectures").join(name)
}

/// The names of the tensors that differ.
fn changed(before: &Path, after: &Path) -> Vec<String> {
    let both = tensors(before).into_iter().zip(tensors(after));
    both.filter(|((_, before), (_, after))| before != after)
        .map(|((name, _), _)| name)
        .collect()
}

#[test]
fn all_weights_of_every_architecture_are_trained_and_the_model_opens() {
    for (name, _) in MODELS {
        let folder = folder();
        let model = model(name);
        let arguments = "--max-steps 2 --lr 1e-2 --warmup 0 --output tuned";
        succeed(fit_model(folder.path(), model.to_str().unwrap(), arguments));
        let tuned = inside(folder.path(), "tuned");
        let unchanged: Vec<String> = {
            let changed = changed(&model, &tuned);
            let all = tensors(&model).into_iter().map(|(name, _)| name);
            all.filter(|name| !changed.contains(name)).collect()
        };
        // No vector depends on the pooler, and the softmax takes out the gradient of a key's bias, which is noise.
        let expected = |name: &String| {
            ["pooler.", "key.bias", "k_lin.bias"]
                .iter()
                .any(|part| name.contains(part))
        };
        assert!(unchanged.iter().all(expected), "{name}: {unchanged:?}");
        let device = device().parse().unwrap();
        let encoder = SentenceEncoder::from_pretrained(tuned.to_str().unwrap(), device).unwrap();
        assert_eq!(encoder.encode(&["high end water bottle"]).unwrap().len(), 1);
    }
}

#[test]
fn adapters_of_every_architecture_change_its_attention_alone() {
    for (name, ends) in MODELS {
        let folder = folder();
        let model = model(name);
        let arguments = "--max-steps 2 --lr 1e-2 --warmup 0 --lora 2 --output tuned";
        succeed(fit_model(folder.path(), model.to_str().unwrap(), arguments));
        let changed = changed(&model, &inside(folder.path(), "tuned"));
        let layers = if name == "modernbert" { 4 } else { 2 };
        assert_eq!(changed.len(), layers * ends.len(), "{name}: {changed:?}");
        let is_attention = |name: &String| {
            ends.iter()
                .any(|end| name.ends_with(&format!("{end}.weight")))
        };
        assert!(changed.iter().all(is_attention), "{name}: {changed:?}");
    }
}

/// Also the gradients of what follows the last layer, which only some architectures have.
#[test]
fn memory_savers_train_the_same_model_of_every_architecture() {
    // The stack of distilbert has a module with dropout, whose masks differ between the ways to compute.
    for (name, _) in MODELS.into_iter().filter(|(name, _)| *name != "distilbert") {
        let folder = folder();
        let model = model(name);
        let run = |output: &str, more: &str| {
            let arguments = format!(
                "--dropout 0 --max-steps 1 --lr 1e-3 --warmup 0 --max-grad-norm 0 --output {output} {more}"
            );
            succeed(fit_model(
                folder.path(),
                model.to_str().unwrap(),
                &arguments,
            ));
            steps(&inside(folder.path(), output))[0].clone()
        };
        let plain = run("plain", "");
        for (output, more) in [
            ("checkpointing", "--checkpointing"),
            ("cached", "--mini-batch-size 5"),
        ] {
            let other = run(output, more);
            for key in ["loss", "gradient_norm"] {
                let (a, b) = (plain[key].as_f64().unwrap(), other[key].as_f64().unwrap());
                // Sums in another order, in f32.
                assert!(
                    (a - b).abs() <= 1e-4 * a.abs(),
                    "{name}, {output}: {key} {a} {b}"
                );
            }
        }
    }
}
