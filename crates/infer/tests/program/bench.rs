//! `bench` prints a row of measurements for each file.

use model::Device;
use serde_json::Value;

use crate::support::{file, infer, run, text};
use crate::test_device::test_device;

#[test]
fn a_row_for_each_file_then_load_time_and_memory() {
    let (folder, queries) = file("queries.txt", "water bottle\nkeyboard\n\nspeaker\n");
    let singles = folder.path().join("singles.txt");
    std::fs::write(&singles, "one\ntwo\n").unwrap();
    let arguments = ["bench", text(&singles), text(&queries), "--runs", "1"];
    let report: Value = serde_json::from_str(&run(infer(&arguments).arg("--json")).ok()).unwrap();
    assert_eq!(report["precision"], "f32");
    let rows = report["rows"].as_array().unwrap();
    for (row, (workload, texts)) in rows.iter().zip([("singles", 2), ("queries", 3)]) {
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
    }
    assert!(report["load_seconds"].as_f64().unwrap() > 0.0);
    if cfg!(target_os = "linux") {
        assert!(report["peak_memory_bytes"].as_u64().unwrap() > 1 << 20);
    }
    let table = run(&mut infer(&arguments)).ok();
    assert_eq!(table.lines().count(), 4, "{table}");
    assert!(table.starts_with("workload"), "{table}");
}

/// Whether wgpu computes in f16 depends on the adapter; the tests of `model` cover it.
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
        let has_precision = match test_device() {
            Device::Cpu => true,
            Device::Cuda(_) => precision == "bf16",
            _ => false,
        };
        if !has_precision {
            let message = outcome.failed(2);
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

#[test]
fn a_cpu_refuses_f16_and_names_its_precisions() {
    let possible = match test_device() {
        Device::Cpu => "cpu computes in f32, bf16 or int8",
        Device::NdArray => "ndarray computes in f32 only",
        // Adapters differ, and some compute in f16; the tests of `model` cover them.
        _ => return,
    };
    let (_folder, queries) = file("queries.txt", "water bottle\n");
    let arguments = ["bench", text(&queries), "--precision", "f16"];
    let message = run(&mut infer(&arguments)).failed(2);
    assert!(message.contains(possible), "{message}");
}
