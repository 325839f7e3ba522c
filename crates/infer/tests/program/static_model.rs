//! The static model that comes with mpnet-burn: everything without a network.

use model::Device;

use crate::support::{TINY, bare_infer, run, text};
use crate::test_device::test_device;

fn vector(model: &str) -> Vec<f64> {
    embedding(&run(bare_infer().args(["embed", "water bottle", "--model", model])).ok())
}

fn embedding(line: &str) -> Vec<f64> {
    let row: serde_json::Value = serde_json::from_str(line).unwrap();
    let numbers = row["embedding"].as_array().unwrap().iter();
    numbers.map(|number| number.as_f64().unwrap()).collect()
}

/// Printed vectors have norm 1 only within the rounding of float32.
fn cosine(a: &[f64], b: &[f64]) -> f64 {
    let product = |a: &[f64], b: &[f64]| std::iter::zip(a, b).map(|(a, b)| a * b).sum::<f64>();
    product(a, b) / (product(a, a) * product(b, b)).sqrt()
}

#[test]
fn it_is_found_by_name_and_ranks_products() {
    let vector = vector("static");
    assert_eq!(vector.len(), 256);
    let cosine_of = |a: &str, b: &str| {
        let embed = |text: &str| {
            let arguments = ["embed", text, "--model", "static", "--offline"];
            let line = run(bare_infer().args(arguments)).ok();
            embedding(&line)
        };
        cosine(&embed(a), &embed(b))
    };
    let related = cosine_of("espresso machine", "coffee maker");
    let unrelated = cosine_of("espresso machine", "running shoes");
    assert!(related > unrelated + 0.2, "{related} {unrelated}");
}

#[test]
fn both_formats_are_written_and_used() {
    let parent = tempfile::tempdir().unwrap();
    let own = vector("static");
    for (format, precision, smallest) in [
        ("sentence-transformers", "f32", 1.0 - 1e-9),
        ("model2vec", "f16", 1.0 - 1e-9),
        // A row in int8 is off by up to 0.4 % of its largest number.
        ("model2vec", "int8", 0.999),
    ] {
        let folder = parent.path().join(format!("{format}-{precision}"));
        let arguments = ["export", "--model", "static", "--static-format", format];
        let outcome = run(bare_infer()
            .args(arguments)
            .args(["--precision", precision, "--output"])
            .arg(&folder));
        assert_eq!(outcome.ok().trim_end(), text(&folder));
        let cosine = cosine(&own, &vector(text(&folder)));
        assert!(cosine > smallest, "{format} {precision}: {cosine}");
    }
}

#[test]
fn impossible_exports_and_precisions_say_why() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("model");
    let export = |arguments: &[&str]| {
        let output = ["--output", text(&folder)];
        run(bare_infer().arg("export").args(arguments).args(output)).failed(2)
    };
    let message = export(&["--model", "static", "--precision", "int8"]);
    assert!(message.contains("--static-format model2vec"), "{message}");
    let message = export(&["--model", TINY, "--static-format", "model2vec"]);
    assert!(message.contains("static model"), "{message}");
    let device = test_device();
    let words = match device {
        Device::Cpu => "a static model computes in f32",
        // No other device has int8.
        _ => "--precision int8 is for the device cpu",
    };
    let arguments = ["embed", "text", "--precision", "int8", "--model", "static"];
    let mut command = bare_infer();
    let command = command
        .args(arguments)
        .args(["--device", &device.to_string()]);
    let message = run(command).failed(2);
    assert!(message.contains(words), "{message}");
}
