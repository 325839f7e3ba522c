//! `bench` prints the rows that comparisons are made of.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::support::{file, infer, run, text};

#[test]
fn a_row_for_each_file_then_load_time_and_memory() {
    let (folder, queries) = file("queries.txt", "water bottle\nkeyboard\n\nspeaker\n");
    let singles = folder.path().join("singles.txt");
    std::fs::write(&singles, "one\ntwo\n").unwrap();
    let arguments = ["bench", text(&singles), text(&queries), "--runs", "1"];
    let report: Value = serde_json::from_str(&run(infer(&arguments).arg("--json")).ok()).unwrap();
    assert_eq!(report["precision"], "f32");
    assert_eq!(report.get("peer_threads"), None);
    let rows = report["rows"].as_array().unwrap();
    for (row, (workload, texts)) in rows.iter().zip([("singles", 2), ("queries", 4)]) {
        assert_eq!(row["workload"], workload);
        assert_eq!(row["texts"], texts);
        assert_eq!(
            (&row["precision"], &row["cosine_min"]),
            (&"f32".into(), &1.0.into())
        );
        let (seconds, rate) = (
            row["seconds"].as_f64().unwrap(),
            row["texts_per_second"].as_f64().unwrap(),
        );
        assert!(row["seconds_cold"].as_f64().unwrap() > 0.0, "{row}");
        assert!((seconds * rate - f64::from(texts)).abs() < 1e-6, "{row}");
        // Of one run, the best and the median are the same.
        assert_eq!(row["seconds_median"], row["seconds"], "{row}");
        assert_eq!(row.get("peers"), None, "{row}");
    }
    assert!(report["load_seconds"].as_f64().unwrap() > 0.0);
    if cfg!(target_os = "linux") {
        assert!(report["peak_memory_bytes"].as_u64().unwrap() > 1 << 20);
    }
    let table = run(&mut infer(&arguments)).ok();
    assert_eq!(table.lines().count(), 4, "{table}");
    assert!(table.starts_with("workload"), "{table}");
}

/// What wgpu makes of f16 depends on the adapter; the tests of `model` ask it.
#[test]
fn a_coarser_precision_is_compared_with_float32_or_refused() {
    let (_folder, queries) = file("queries.txt", "water bottle\nkeyboard\nspeaker\n");
    // Weights with 8 bits instead of 24 move a vector, but not far; inputs of 8 bits too, a little
    // further.
    for (precision, devices, limit) in [("bf16", "cpu and cuda", 0.999), ("int8", "cpu", 0.985)] {
        let arguments = [
            "bench",
            text(&queries),
            "--runs",
            "1",
            "--json",
            "--precision",
            precision,
        ];
        let outcome = run(&mut infer(&arguments));
        let on_cuda = cfg!(all(
            feature = "cuda",
            not(any(feature = "ndarray", feature = "wgpu"))
        ));
        if !(cfg!(feature = "cpu") || on_cuda && precision == "bf16") {
            let message = outcome.failed(1);
            let expected = format!("--precision {precision} is for the device");
            assert!(message.contains(&expected), "{message}");
            assert!(message.contains(devices), "{message}");
            continue;
        }
        let report: Value = serde_json::from_str(&outcome.ok()).unwrap();
        assert_eq!(report["precision"], precision);
        let row = &report["rows"][0];
        let (smallest, mean) = (
            row["cosine_min"].as_f64().unwrap(),
            row["cosine_mean"].as_f64().unwrap(),
        );
        assert!(limit < smallest && smallest <= mean && mean < 1.0, "{row}");
    }
}

/// A file of peers, all of the same speed, and its folder.
fn peers(texts: usize, seconds: f64) -> (tempfile::TempDir, PathBuf) {
    let row = |peer: &str| {
        json!({
            "peer": peer, "workload": "queries", "texts": texts, "seconds": seconds,
            "texts_per_second": texts as f64 / seconds, "cosine_min": 1.0, "cosine_mean": 1.0
        })
    };
    let rows = ["torch-f32", "ort-f32", "ort-int8"].map(row);
    file(
        "peers.json",
        json!({"threads": 3, "rows": rows}).to_string(),
    )
}

#[test]
fn peers_of_the_same_precision_stand_beside() {
    let (_folder, queries) = file("queries.txt", "water bottle\nkeyboard\nspeaker\n");
    let (_other, peers) = peers(3, 0.5);
    let arguments = [
        "bench",
        text(&queries),
        "--runs",
        "2",
        "--threads",
        "2",
        "--peers",
        text(&peers),
    ];
    let outcome = run(infer(&arguments).arg("--json"));
    let note = "the peers were timed on 3 threads, this program has 2";
    assert!(outcome.err.contains(note), "{}", outcome.err);
    let report: Value = serde_json::from_str(&outcome.ok()).unwrap();
    assert_eq!(
        (&report["threads"], &report["peer_threads"]),
        (&2.into(), &3.into())
    );
    let row = &report["rows"][0];
    assert!(
        row["seconds"].as_f64() <= row["seconds_median"].as_f64(),
        "{row}"
    );
    let peers: Vec<&str> = row["peers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|peer| peer["peer"].as_str().unwrap())
        .collect();
    assert_eq!(peers, ["torch-f32", "ort-f32"]);
    assert_eq!(row["fastest_peer"], "torch-f32");
    // Three texts in half a second are six a second.
    let expected = row["texts_per_second"].as_f64().unwrap() / 6.0;
    for ratio in [&row["ratio_to_fastest"], &row["peers"][1]["ratio"]] {
        assert!(
            (ratio.as_f64().unwrap() / expected - 1.0).abs() < 1e-12,
            "{row}"
        );
    }
    let table = run(&mut infer(&arguments)).ok();
    assert!(table.contains("x torch-f32, the fastest peer"), "{table}");
    assert!(!table.contains("ort-int8"), "{table}");
}

#[test]
fn peers_that_say_nothing_about_these_texts_are_refused_at_once() {
    let (_folder, queries) = file("queries.txt", "water bottle\nkeyboard\nspeaker\n");
    let (_other, other_texts) = peers(4, 0.5);
    let (_third, damaged) = peers(3, 0.0);
    for (path, field) in [
        (&other_texts, "rows[0].texts"),
        (&damaged, "rows[0].texts_per_second"),
    ] {
        let arguments = ["bench", text(&queries), "--peers", text(path)];
        let message = run(&mut infer(&arguments)).failed(1);
        assert!(
            message.contains("peers.json") && message.contains(field),
            "{message}"
        );
    }
    let arguments = ["bench", text(&queries), "--peers", "no-such-peers.json"];
    let message = run(&mut infer(&arguments)).failed(1);
    assert!(
        message.starts_with("error: no-such-peers.json"),
        "{message}"
    );
}

#[test]
fn a_processor_refuses_f16_and_names_what_it_has() {
    if !cfg!(any(feature = "cpu", feature = "ndarray")) {
        return;
    }
    let (_folder, queries) = file("queries.txt", "water bottle\n");
    let arguments = ["bench", text(&queries), "--precision", "f16"];
    let message = run(&mut infer(&arguments)).failed(1);
    let possible = if cfg!(feature = "cpu") {
        "cpu computes in f32, bf16 or int8"
    } else {
        "ndarray computes in f32 alone"
    };
    assert!(message.contains(possible), "{message}");
}
