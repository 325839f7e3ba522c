//! Reading, checking and comparing baselines.

use serde_json::{Value, json};

use super::*;

fn row(program: &str, workload: &str, texts: usize, seconds: f64) -> Value {
    let rate = (10.0 * texts as f64 / seconds).round() / 10.0;
    json!({
        "program": program, "workload": workload, "texts": texts, "seconds": seconds,
        "texts_per_second": rate, "cosine_min": 0.99, "cosine_mean": 0.995
    })
}

fn good() -> Value {
    json!({"threads": 2, "rows": [
        row("torch-f32", "queries", 100, 4.0),
        row("ort-f32", "queries", 100, 2.0),
        row("openvino-bf16", "queries", 100, 0.5),
        row("torch-f32", "titles", 50, 5.0),
    ]})
}

fn read(text: &str) -> Result<Baselines, BaselinesError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("baselines.json");
    std::fs::write(&path, text).unwrap();
    Baselines::read(&path)
}

#[test]
fn like_is_compared_with_like_and_the_fastest_comes_first() {
    let baselines = read(&good().to_string()).unwrap();
    assert_eq!(baselines.threads(), 2);
    // 100 texts in 2 s and in 4 s are 50 and 25 a second.
    let comparison = baselines.compare("queries", "f32", 75.0).unwrap();
    let ratio = |program: &str, texts_per_second, ratio| BaselineRatio {
        program: program.to_owned(),
        texts_per_second,
        ratio,
        cosine_mean: 0.995,
    };
    assert_eq!(
        comparison,
        Comparison {
            baselines: vec![ratio("ort-f32", 50.0, 1.5), ratio("torch-f32", 25.0, 3.0)],
            fastest: "ort-f32".to_owned(),
            ratio_to_fastest: 1.5,
        }
    );
    let bf16 = baselines.compare("queries", "bf16", 100.0).unwrap();
    assert_eq!(
        (bf16.fastest.as_str(), bf16.ratio_to_fastest),
        ("openvino-bf16", 0.5)
    );
    assert_eq!(baselines.compare("queries", "int8", 1.0), None);
    assert_eq!(baselines.compare("descriptions", "f32", 1.0), None);
}

#[test]
fn a_workload_with_other_texts_is_refused() {
    let baselines = read(&good().to_string()).unwrap();
    baselines.check_workload("queries", 100).unwrap();
    baselines.check_workload("unknown", 1).unwrap();
    let message = baselines
        .check_workload("titles", 49)
        .unwrap_err()
        .to_string();
    for part in ["baselines.json", "rows[3].texts", "50 texts", "49"] {
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn damage_is_named_by_file_and_field() {
    for (pointer, value, field) in [
        ("/threads", json!(0), "threads"),
        ("/threads", json!("two"), "threads"),
        ("/rows", json!({}), "rows"),
        ("/rows/1/seconds", json!("fast"), "rows[1].seconds"),
        ("/rows/1/seconds", json!(0.0), "rows[1].seconds"),
        ("/rows/1/seconds", json!(-2.0), "rows[1].seconds"),
        ("/rows/1/texts", json!(0), "rows[1].texts"),
        ("/rows/1/texts", json!(1.5), "rows[1].texts"),
        (
            "/rows/2/texts_per_second",
            json!(20.0),
            "rows[2].texts_per_second",
        ),
        ("/rows/2/cosine_min", json!(1.5), "rows[2].cosine_min"),
        ("/rows/2/cosine_mean", json!(null), "rows[2].cosine_mean"),
        ("/rows/3/program", json!("torch"), "rows[3].program"),
        ("/rows/3/program", json!("torch-f64"), "rows[3].program"),
        ("/rows/3/workload", json!("queries"), "rows[3].workload"),
    ] {
        let mut file = good();
        *file.pointer_mut(pointer).unwrap() = value;
        if pointer.ends_with("workload") {
            file["rows"][3]["texts"] = 50.into();
        }
        let message = read(&file.to_string()).unwrap_err().to_string();
        assert!(
            message.contains("baselines.json") && message.contains(field),
            "{pointer}: {message}"
        );
    }
    let mut without = good();
    without["rows"][0]
        .as_object_mut()
        .unwrap()
        .remove("program");
    let message = read(&without.to_string()).unwrap_err().to_string();
    assert!(
        message.contains("rows[0]") && message.contains("`program`"),
        "{message}"
    );
    for text in [
        "",
        "[]",
        "{\"threads\": 2",
        "{\"threads\":2,\"rows\":[]} more",
    ] {
        let message = read(text).unwrap_err().to_string();
        assert!(message.contains("baselines.json: no speeds"), "{message}");
    }
    let missing = Baselines::read(Path::new("no-such-baselines.json")).unwrap_err();
    assert!(matches!(missing, BaselinesError::Io { .. }), "{missing}");
    assert!(missing.to_string().contains("no-such-baselines.json"));
}

/// One decimal is coarse at a few texts/s.
#[test]
fn a_rounded_rate_is_no_damage() {
    let mut file = good();
    file["rows"][0] = row("torch-f32", "descriptions", 256, 39.8713);
    assert_eq!(file["rows"][0]["texts_per_second"], 6.4);
    let baselines = read(&file.to_string()).unwrap();
    let comparison = baselines.compare("descriptions", "f32", 6.4).unwrap();
    assert!((comparison.ratio_to_fastest - 6.4 * 39.8713 / 256.0).abs() < 1e-12);
}
